"""Pictures of single pairs: both maps, their difference, and what each pixel adds to the divergence."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kldeval.analysis.colors import (
    captioned,
    diverging,
    diverging_picture,
    laid_over,
    sequential_picture,
    titled,
    viridis,
    webp,
    with_rings,
)
from kldeval.arrays import quiet
from kldeval.data.dataset import select
from kldeval.data.listing import list_folder, name_of
from kldeval.data.load import load_pair
from kldeval.data.readers import read_map
from kldeval.dataclass import dataclass
from kldeval.engine.auxiliary import open_auxiliary
from kldeval.engine.run import resolve_settings
from kldeval.engine.worker import guarded, reading_of
from kldeval.errors import MapProblem, UsageProblem, count
from kldeval.normalization.chain import normalise
from kldeval.records import Failure
from kldeval.reports.strips import Panel, Strip, choose_maps
from kldeval.scoring.pixels import density_of_block
from kldeval.scoring.plan import Plan
from kldeval.scoring.save_terms import pointwise_terms
from kldeval.scoring.views import is_plain, scaled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.load import Reading
    from kldeval.memory import MapFolder
    from kldeval.records import MapPair, Pair
    from kldeval.reports.documents import Report
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings

SHEET_WIDTH = 320
"""Pixels of each picture on a sheet."""

MOST_MODELS = 4
"""So many predictions stand beside a ground truth in one strip."""


@dataclass(frozen=True, slots=True)
class Fields:
    """A pair as arrays (H, W): the densities, or the stored maps where there are none, and the terms of the divergence.

    `uncovered` are the pixels with ground-truth mass where the prediction is exactly 0.
    """

    pred: Array
    gt: Array
    terms: Array | None = None
    uncovered: Array | None = None
    metric: str = ""


def fields_of(pair: MapPair, settings: Settings) -> Fields:
    """What there is to draw of a pair of plain maps.

    Raises:
        RefusedMap: a chain refuses a map.
    """
    first = next(iter(settings.on("density")), "")
    if not first:
        return Fields(np.asarray(pair.pred, np.float64), np.asarray(pair.gt, np.float64))
    with quiet():
        pred, gt = (
            normalise(scaled(*side, settings.scale, settings.dtype, weights=pair.weights, empty=empty), chain)
            for side, empty, chain in (
                ((pair.pred, pair.pred_scale), settings.empty_pred, settings.pred),
                ((pair.gt, pair.gt_scale), settings.empty_gt, settings.gt),
            )
        )
        terms = pointwise_terms(pair, Plan.of(settings))[first]
        everything = slice(0, terms.shape[0])
        p, q = (np.asarray(density_of_block(side, everything).prob, np.float64) for side in (pred, gt))
    return Fields(p, q, np.asarray(terms, np.float64), (q > 0) & (p == 0), first)


def panels_of(pair: MapPair, settings: Settings, stimulus: Array | None = None) -> tuple[Panel, ...]:
    """The prediction, the ground truth, their difference, and the terms of the first metric of densities.

    Raises:
        RefusedMap: a chain refuses a map.
    """
    fields = fields_of(pair, settings)
    return tuple(_panels(pair, fields, stimulus))


def _panels(pair: MapPair, fields: Fields, stimulus: Array | None) -> Iterator[Panel]:
    yield _map_panel("prediction", pair, fields.pred, stimulus)
    yield _map_panel("ground truth", pair, fields.gt, None)
    if fields.terms is None:
        return
    picture, most = diverging_picture(fields.pred - fields.gt)
    text = f"difference of prediction and ground truth of {pair.name}: red where the prediction has more"
    yield Panel("difference", webp(picture), text, f"±{most:.3g}")
    picture, most = diverging_picture(fields.terms, marked=fields.uncovered)
    n = 0 if fields.uncovered is None else int(fields.uncovered.sum())
    marked = f"; {n} uncovered pixels are magenta" if n else ""
    text = f"what each pixel of {pair.name} adds to {fields.metric}: red adds, blue takes away{marked}"
    yield Panel(f"pixelwise {fields.metric}", webp(picture), text, f"±{most:.3g}{', magenta: uncovered' if n else ''}")


def _map_panel(title: str, pair: MapPair, values: Array, stimulus: Array | None) -> Panel:
    picture, (low, high) = sequential_picture(values)
    if stimulus is not None:
        picture = laid_over(stimulus, values)
    places = list(_fixations(pair))
    if places:
        picture = with_rings(picture, places)
    seen = f", with {count(len(places), 'fixation')}" if places else ""
    over = " over its stimulus" if stimulus is not None else ""
    text = f"{title} of {pair.name}{over}, from {low:.3g} (dark) to {high:.3g} (bright){seen}"
    return Panel(title, webp(picture), text, f"{low:.3g} to {high:.3g}")


def _fixations(pair: MapPair) -> Iterator[tuple[float, float]]:
    """The places of the fixations on the pair as shares of its height and width, where they are known."""
    found = pair.company.fixations if pair.company else None
    if found is not None:
        height, width = pair.shape if all(pair.shape) else pair.gt.shape[-2:]
        for row, column in zip(found.rows, found.cols, strict=True):
            if 0 <= row < height and 0 <= column < width:
                yield float(row) / height, float(column) / width


# strips of a run


def strips_of(
    reports: Mapping[str, Report], preds: Mapping[str, MapFolder | None], gt: MapFolder | None, settings: Settings,
    request: RunOptions, *, limit: int, stimuli: Path | None = None,
) -> tuple[Strip, ...]:  # fmt: skip
    """Pictures of the maps of a finished run that are worth a look, read again from their files.

    `reports` and `preds` are by model, a single one by the name "". A map that cannot be read or normalised any
    more has no strip, and neither have labels and class maps.

    Raises:
        UsageProblem: the folder of stimuli is none.
    """
    chosen = choose_maps(_badness(reports), limit)
    opened = {model: _Opened.of(preds[model], gt, settings, request) for model in list(reports)[:MOST_MODELS]}
    pictures = _stimuli(stimuli)
    strips = (_strip(name, why, opened, reports, pictures) for name, why in chosen.items())
    return tuple(strip for strip in strips if strip is not None)


@dataclass(frozen=True, slots=True)
class _Opened:
    """The pairs of a model by name, and how they are read and normalised."""

    pairs: Mapping[str, Pair]
    settings: Settings
    reading: Reading

    @classmethod
    def of(cls, pred: MapFolder | None, gt: MapFolder | None, settings: Settings, request: RunOptions) -> _Opened:
        """The pairs of two files or folders, or of the manifest."""
        dataset = select(pred, gt, settings, request)
        resolved = resolve_settings(settings, dataset.firsts, request)
        auxiliary = open_auxiliary(resolved, request, dataset.every, is_single_pair=dataset.is_single_pair)
        reading = replace(reading_of(resolved, request), sources=auxiliary.sources)
        return cls({pair.name: pair for pair in dataset.firsts}, resolved, reading)


def _badness(reports: Mapping[str, Report]) -> dict[str, float]:
    """How bad each map is by the first metric with a better direction, in the mean of the models."""
    first = next(iter(reports.values()))
    keys = [key for key, column in first.columns.items() if key in first.summaries and column.best]
    if not keys:
        return {score.name: 0.0 for score in first.scores}
    sign = 1.0 if first.columns[keys[0]].best == "low" else -1.0
    found: dict[str, list[float]] = {}
    for report in reports.values():
        for score in report.scores:
            found.setdefault(score.name, []).append(sign * score.values.get(keys[0], math.nan))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _strip(
    name: str,
    why: str,
    opened: Mapping[str, _Opened],
    reports: Mapping[str, Report],
    stimuli: Mapping[str, Path],
) -> Strip | None:
    panels: list[Panel] = []
    for model, one in opened.items():
        found = _model_panels(name, one, stimuli)
        if model and panels:  # the ground truth is that of the first model
            found = [panel for panel in found if panel.title != "ground truth"]
        panels += [replace(panel, title=_titled(panel.title, model)) for panel in found]
    return Strip(name, why, tuple(panels), _numbers(name, reports)) if panels else None


def _titled(title: str, model: str) -> str:
    """What a panel shows; the ground truth is that of all models."""
    return f"{title} of {model}" if model and title != "ground truth" else title


def _model_panels(name: str, one: _Opened, stimuli: Mapping[str, Path]) -> list[Panel]:
    """The panels of a map of one model; none where it cannot be read any more, or is no plain map."""
    if name not in one.pairs or one.settings.is_labels:
        return []
    pair = one.pairs[name]
    found = guarded(lambda: _panels_of(pair, one, stimuli), name, (pair.pred, pair.gt))
    return [] if isinstance(found, Failure) else found


def _panels_of(pair: Pair, one: _Opened, stimuli: Mapping[str, Path]) -> list[Panel]:
    maps = load_pair(pair, one.reading)
    return (
        list(panels_of(maps, one.settings, _stimulus(pair.name, stimuli))) if is_plain(maps) and not maps.volume else []
    )


def _numbers(name: str, reports: Mapping[str, Report]) -> str:
    texts = []
    for model, report in reports.items():
        score = next((score for score in report.scores if score.name == name), None)
        numbers = ", ".join(f"{key} {value:.4g}" for key, value in score.values.items()) if score else "no number"
        texts.append(f"{model}: {numbers}" if model else numbers)
    return "; ".join(texts)


def _stimuli(folder: Path | None) -> dict[str, Path]:
    """The pictures of a folder by the names of their maps.

    Raises:
        UsageProblem: it is no folder.
    """
    if folder is None:
        return {}
    if not folder.is_dir():
        msg = f"--stimuli {folder} is no folder of pictures"
        raise UsageProblem(msg)
    return {name_of(relative): folder / relative for relative in list_folder(folder).maps}


def _stimulus(name: str, stimuli: Mapping[str, Path]) -> Array | None:
    """The picture of a map with 8 bits and red first; None where there is none, or it cannot be read as a picture."""
    if name not in stimuli:
        return None
    try:
        array = np.asarray(read_map(stimuli[name]).array)
    except MapProblem:
        return None
    if array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    if array.dtype != np.uint8:
        return None
    return array if array.ndim == 2 else array[..., 2::-1]  # noqa: PLR2004 - OpenCV has blue first


# one pair


def pictures_of(pair: MapPair, settings: Settings, width: int) -> dict[str, tuple[Array, str]]:
    """Pictures (h, width, 3) of a pair by their titles, each with the ends of its scale.

    Raises:
        RefusedMap: a chain refuses a map.
    """
    fields = fields_of(pair, settings)
    made: dict[str, tuple[Array, str]] = {}
    for title, values in (("prediction", fields.pred), ("ground truth", fields.gt)):
        picture, (low, high) = sequential_picture(values, width)
        made[title] = picture, f"{low:.3g} {high:.3g}"
    if fields.terms is not None:
        picture, most = diverging_picture(fields.pred - fields.gt, width)
        made["difference"] = picture, f"{-most:.3g} {most:.3g}"
        picture, most = diverging_picture(fields.terms, width, fields.uncovered)
        made[f"pixelwise {fields.metric}"] = picture, f"{-most:.3g} {most:.3g}"
    return made


def sheet(pair: MapPair, settings: Settings, name: str) -> Array:
    """All pictures of a pair side by side with their titles and scales, (H, W, 3) of 8 bits, red first.

    Raises:
        RefusedMap: a chain refuses a map.
    """
    made = pictures_of(pair, settings, SHEET_WIDTH)
    tables = [viridis(), viridis(), diverging(), diverging()]
    columns = [
        captioned(picture, title, scale, table)
        for (title, (picture, scale)), table in zip(made.items(), tables, strict=False)
    ]
    return titled(np.concatenate(columns, axis=1), name)
