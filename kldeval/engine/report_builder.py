"""From the outcomes of a run to its report, with what may move the last bits of a number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.arrays import torch
from kldeval.engine.worker import UNREAD
from kldeval.errors import count
from kldeval.executors.local import cores
from kldeval.metrics.registry import METRICS
from kldeval.provenance import versions
from kldeval.reports.aggregate import summarise_groups, summarise_means
from kldeval.reports.documents import Column, Report
from kldeval.reports.ways import with_ways
from kldeval.scoring.diagnostics import notes, with_density_provenance
from kldeval.settings.signature import short_signature, signatures
from kldeval.urls import displayed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.engine.device import Device
    from kldeval.memory import MapFolder
    from kldeval.records import Pair
    from kldeval.reports.collected import Outcomes
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
    over_groups = settings.maps == "groups"
    rows = outcomes.rows(group_of)
    scores, facts = rows.scores, rows.facts
    said = [*extra_notes, *notes(settings, facts.remarks, len(scores))]
    said += [_skipped(reason, number) for reason, number in facts.skipped.items()]
    settings, made_notes = with_density_provenance(settings, facts.made, facts.n_made, len(scores))
    by_group = summarise_groups(keys, scores) if group_of else {}
    report = Report(
        signatures(settings),
        short_signature(settings),
        provenance,
        summarise_means(keys, by_group) if over_groups else rows.summaries(keys),
        _columns(settings),
        scores,
        rows.failures,
        (*said, *made_notes, *facts.held.notes()),
        classes=facts.classes.rows(settings.keys, sums=settings.reduction == "sum"),
        groups=by_group,
        references=rows.references(over_groups=over_groups),
    )
    return with_ways(report) if report.references else report


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
        **({"manifest": str(request.manifest)} if request.manifest else {"pred": displayed(pred), "gt": displayed(gt)}),
        **({"group_by": request.group_by} if request.group_by else {}),
    }


def shard_of(pairs: Iterable[Pair], request: RunOptions) -> dict[str, str]:
    """Which share of the pairs it is, and a digest of the names and sizes of all, the same in every share."""
    if request.shard is None:
        return {}
    from hashlib import sha256

    digest = sha256()
    count = 0
    for count, pair in enumerate(pairs, 1):  # noqa: B007 - the last number is how many there are
        size = pair.gt.stat().st_size if isinstance(pair.gt, Path) and pair.gt.exists() else 0
        digest.update(f"{pair.name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return {"shard": request.shard, "context": f"images(n={count},sha256={digest.hexdigest()[:16]})"}
