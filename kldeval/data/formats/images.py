"""Images: PNG, JPEG, TIFF and what else `kldeval.data.readers.image` tells by its first bytes."""

from __future__ import annotations

from kldeval.data.formats import MAP_FORMATS, MapFormat
from kldeval.data.readers import image

MAP_FORMATS.add(
    "image",
    MapFormat(
        suffixes=image.SUFFIXES,
        read_classes=image.read_classes,
        read_labels=image.read_labels,
        read_size=image.declared_size,
        class_shape=image.shape_of_classes,
    ),
)(image.read)
