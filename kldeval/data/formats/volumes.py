"""Volumes of medical images, whose formats say what their axes are: NIfTI and NRRD."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from kldeval.data.formats import MAP_FORMATS, MapFormat

if TYPE_CHECKING:
    from kldeval.data.readers.numpy_files import Shapes
    from kldeval.data.readers.stored import Limits, Stored
    from kldeval.memory import MapContents

SPACE = 3


def _module(name: str) -> Any:
    return import_module(f"kldeval.data.readers.{name}")


def _read(name: str, path: MapContents, key: str | None, limits: Limits) -> Stored:
    stored: Stored = _module(name).read(path, key, limits)
    return stored


def _read_classes(name: str, path: MapContents, key: str | None, limits: Limits) -> Stored:
    module = _module(name)
    stored: Stored = module.read(path, key, limits, module.with_classes)
    return stored


def _read_labels(name: str, path: MapContents, key: str | None, limits: Limits) -> Stored:
    stored: Stored = _module(name).read_labels(path, key, limits)
    return stored


def _read_shaped(name: str, path: MapContents, key: str | None, limits: Limits, shapes: Shapes) -> Stored:
    """The array where shapes are said, which a stack of volumes has."""
    stored: Stored = _module(name).read(path, key, limits, lambda shape: None if shapes.meant(shape) else shapes.known)
    return replace(stored, array=stored.array.reshape(shapes.meant(stored.array.shape) or stored.array.shape))


def _stored_shape(name: str, path: MapContents, key: str | None) -> tuple[int, ...] | None:
    shape: tuple[int, ...] | None = _module(name).stored_shape(path, key)
    return shape


for _name, _suffixes in {"nifti": (".nii", ".nii.gz"), "nrrd": (".nrrd", ".nhdr")}.items():
    MAP_FORMATS.add(
        _name,
        MapFormat(
            suffixes=_suffixes,
            read_classes=partial(_read_classes, _name),
            read_labels=partial(_read_labels, _name),
            read_shaped=partial(_read_shaped, _name),
            stored_shape=partial(_stored_shape, _name),
            spatial=SPACE,
        ),
    )(partial(_read, _name))
