"""From the outcomes of a run to its report, with what may move the last bits of a number."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import torch
from kldeval.data.load import UNIFORM
from kldeval.engine.worker import UNREAD
from kldeval.errors import count
from kldeval.executors.local import cores
from kldeval.metrics.registry import METRICS
from kldeval.provenance import versions
from kldeval.records import Failure, Score, Skipped
from kldeval.reports.aggregate import (
    reference_notes,
    summarise_classes,
    summarise_groups,
    summarise_means,
    summarise_references,
    summarise_scores,
)
from kldeval.reports.documents import Column, Report
from kldeval.reports.ways import with_ways
from kldeval.scoring.diagnostics import notes, with_density_provenance
from kldeval.settings.signature import short_signature, signatures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.engine.collected import Outcomes
    from kldeval.engine.device import Device
    from kldeval.engine.parts import PartedRows
    from kldeval.engine.spool import Spool
    from kldeval.memory import MapFolder
    from kldeval.records import Pair
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


def _skipped(reason: str, number: int) -> str:
    """What is said of maps that were left out for a reason."""
    option = "--missing" if reason == UNREAD else "--empty-gt"
    article, verb = "a" if reason == UNREAD else "an", "was" if number == 1 else "were"
    return f"{count(number, 'map')} with {article} {reason} {verb} skipped ({option} skip)"


def build_report(
    settings: Settings,
    outcomes: Outcomes,
    provenance: dict[str, Any],
    extra_notes: Iterable[str] = (),
    group_of: Callable[[str], str] | None = None,
) -> Report:
    """The report of a run's outcomes; `group_of` tells the group of a map by its name, where maps have groups."""
    keys = settings.keys if settings.reduction != "none" else ()
    if outcomes.spool is not None:
        return _spooled_report(settings, keys, outcomes.spool, (provenance, extra_notes, group_of))
    scores = tuple(sorted((item for item in outcomes.few if isinstance(item, Score)), key=lambda item: item.name))
    of_maps = [item for item in outcomes.few if isinstance(item, Failure)]
    failures = sorted((*of_maps, *(one for score in scores for one in score.failures)), key=lambda item: item.name)
    skipped = Counter(item.reason for item in outcomes.few if isinstance(item, Skipped))
    remarks = Counter(remark for item in scores for remark in item.remarks)
    said = [*extra_notes, *notes(settings, remarks, len(scores))]
    said += [_skipped(reason, number) for reason, number in skipped.items()]
    scores = tuple(_listed(item, group_of) if item.remarks or group_of else item for item in scores)
    made = [score.made for score in scores if score.made]
    settings, made_notes = with_density_provenance(settings, made, len(made), len(scores))
    by_group = summarise_groups(keys, scores)
    report = Report(
        signatures(settings),
        short_signature(settings),
        provenance,
        summarise_means(keys, by_group) if settings.maps == "groups" else summarise_scores(keys, scores),
        _columns(settings),
        tuple(
            replace(score, classes={}, made=None, failures=())
            if score.classes or score.made or score.failures
            else score
            for score in scores
        ),
        tuple(failures),
        (*said, *made_notes, *reference_notes(scores)),
        classes=summarise_classes(settings.keys, scores, sums=settings.reduction == "sum"),
        groups=by_group,
        references=summarise_references(scores, over_groups=settings.maps == "groups"),
    )
    return with_ways(report) if report.references else report


def _listed(score: Score, group_of: Callable[[str], str] | None) -> Score:
    """The score with its group, and of its remarks the one that reports list."""
    return replace(score, remarks=tuple({UNIFORM} & {*score.remarks}), group=group_of(score.name) if group_of else "")


def _spooled_report(
    settings: Settings,
    keys: Sequence[str],
    spool: Spool | PartedRows,
    about: tuple[dict[str, Any], Iterable[str], Callable[[str], str] | None],
) -> Report:
    """The report of more scores than are kept in memory; `about` is its provenance, further notes, and the groups."""
    provenance, extra_notes, group_of = about
    scores, sums = spool.scores, spool.sums
    scores.group_of = group_of
    said = [*extra_notes, *notes(settings, sums.remarks, len(scores))]
    said += [_skipped(reason, number) for reason, number in sums.skipped.items()]
    settings, made_notes = with_density_provenance(settings, sums.made, sums.n_made, len(scores))
    by_group = summarise_groups(keys, scores) if group_of else {}
    return Report(
        signatures(settings),
        short_signature(settings),
        provenance,
        summarise_means(keys, by_group) if settings.maps == "groups" else spool.summaries(keys),
        _columns(settings),
        scores,
        tuple(sorted(sums.failures, key=lambda item: item.name)),
        (*said, *made_notes),
        groups=by_group,
    )


def _columns(settings: Settings) -> dict[str, Column]:
    return {key: metric_column(call.name, settings) for key, call in zip(settings.keys, settings.metrics, strict=True)}


_UNITS = {"e": "nats", "2": "bits", "10": "bans"}


def metric_column(metric: str, settings: Settings) -> Column:
    """What a table says of a metric under some settings."""
    if settings.is_labels:
        from kldeval.metrics.registry import LABEL_METRICS

        info = LABEL_METRICS[metric].info
    else:
        info = METRICS[metric].info
    return Column(_UNITS[settings.base] if info.unit == "nats" else info.unit, info.best)


def _saving_notes(request: RunOptions) -> Iterator[str]:
    if request.save_maps:
        yield f"the pixelwise terms of every metric were written to {request.save_maps}"


def provenance_of(
    pred: MapFolder | None,
    gt: MapFolder | None,
    device: Device,
    request: RunOptions,
    elsewhere: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """What may move the last bits of a number, or says where it came from; `elsewhere` is what other machines had."""
    return {
        **versions(),
        **({} if device.is_cpu else {"torch": torch().__version__}),
        "device": device.label,
        "jobs": request.jobs or cores(),
        **({"workers": [dict(one) for one in elsewhere]} if elsewhere else {}),
        **({"manifest": str(request.manifest)} if request.manifest else {"pred": str(pred), "gt": str(gt)}),
        **({"group_by": request.group_by} if request.group_by else {}),
    }


def shard_of(pairs: Iterable[Pair], request: RunOptions) -> dict[str, str]:
    """Of a share of the pairs which one it is, and a digest of the names and sizes of all, the same in every share."""
    if request.shard is None:
        return {}
    from hashlib import sha256

    digest = sha256()
    count = 0
    for count, pair in enumerate(pairs, 1):  # noqa: B007 - the last number is how many there are
        size = pair.gt.stat().st_size if isinstance(pair.gt, Path) and pair.gt.exists() else 0
        digest.update(f"{pair.name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"shard": request.shard, "context": f"images(n={count},sha256={digest.hexdigest()[:16]})"}
