"""Reports made of others: of parts of the maps, of some of the maps, of some of the metrics."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grammar import differences, signature_parts, split_call, unknown, with_fixation_count
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.reports.aggregate import LACKING_REFERENCE, merge_classes, summarise_groups, summarise_means
from kldeval.reports.collected import RowsInMemory
from kldeval.reports.mixed_densities import with_mixed_densities
from kldeval.reports.ways import with_ways
from kldeval.run_options import ONE_SHARE
from kldeval.sequences import Seen, each
from kldeval.templates import PARENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kldeval.records import Failure, Score
    from kldeval.reports.collected import Rows
    from kldeval.reports.documents import ClassRow, Report, Ways

OLD_CLASSES = "the tables per class of the parts are not merged: a part does not hold the sums that they are made of"
"""What is noted of reports that were saved before the sums were."""


def merge(reports: Mapping[str, Report], counts: Mapping[str, int] | None = None) -> Report:
    """One report of all maps; `reports` are the parts by the names of their files.

    `counts` is how many maps of each part were scored, where it holds fewer: those of a leaderboard. Its provenance
    has what all parts agree on, and the names of the parts.

    Raises:
        UsageProblem: the signatures differ, or a map stands in two parts.
    """
    _check_shards(reports)
    counts = counts or {file: len(report.scores) for file, report in reports.items()}
    is_sharded = all("shard" in report.provenance for report in reports.values())
    if is_sharded:
        reports = with_mixed_densities(reports, counts)
    # a share with nothing to score says nothing of its files
    first, reference = next(((name, one) for name, one in reports.items() if one.scores), next(iter(reports.items())))
    for name, report in reports.items():
        if report.scores and name != first:
            _check_signatures(first, reference, name, report)
    _check_other_images(reports)
    _check_bins(reports)
    _check_names(reports)
    every = list(reports.values())
    rows = rows_like(reference)
    for report in every:
        rows.add(report.scores)
        rows.add(report.failures)
    whole = resummarise(reference, rows)
    shared = {
        key: value
        for key, value in reference.provenance.items()
        if key not in ("shard", "context") and all(report.provenance.get(key) == value for report in every)
    }
    said = {file: report.notes for file, report in reports.items()}
    notes = tuple(_notes_of_shares(said, counts, rows) if is_sharded else _notes(reports))
    tables = [report.classes for report in every if report.classes]
    are_whole = all(row.sums.keys() >= row.values.keys() for table in tables for row in table)
    if len(every) > 1 and not are_whole:
        notes += (OLD_CLASSES,)
    if is_sharded:
        notes += tuple(_other_places(reports))
    return replace(
        whole,
        failures=rows.failures,
        provenance={**shared, "merged": list(reports)},
        notes=notes,
        classes=reference.classes if len(every) == 1 else _merged_classes(reference, tables) if are_whole else (),
    )


PLACES = {"pred": "predictions", "gt": "ground truths", "manifest": "manifests"}
"""What the provenance of a report names that its maps came from."""


def _other_places(reports: Mapping[str, Report]) -> Iterator[str]:
    """A note where the shares of one run name several places for their maps, which one run has not.

    Machines may have the same files elsewhere, so this is no error; a share of another model looks just the same.
    """
    for key, what in PLACES.items():
        named = dict.fromkeys(str(report.provenance[key]) for report in reports.values() if key in report.provenance)
        if len(named) > 1:
            yield f"the shares were scored with {what} in several places: {', '.join(named)}; are they the same?"


def _merged_classes(report: Report, tables: Sequence[Sequence[ClassRow]]) -> tuple[ClassRow, ...]:
    """The table per class of all parts, which have the signatures of `report`."""
    sums = any(signature_parts(text).get("reduce") == "sum" for text in report.signatures.values())
    return merge_classes(tables, sums=sums)


def _check_shards(reports: Mapping[str, Report]) -> None:
    """Refuse shares of the pairs that are not all of them, or not of the same pairs."""
    shards = {name: str(one.provenance["shard"]) for name, one in reports.items() if "shard" in one.provenance}
    if not shards:
        return
    without = [name for name in reports if not re.fullmatch("[0-9]+/[0-9]+", shards.get(name, ""))]
    counts = {shard.partition("/")[2] for shard in shards.values()}
    contexts = {reports[name].provenance.get("context") for name in shards}
    if without or len(counts) > 1 or len(contexts) > 1:
        what = f"{without[0]} is none" if without else "they are of different numbers of shares, or of different images"
        msg = f"the reports are not the shares of one run (--shard): {what}"
        raise UsageProblem(msg)
    (count,) = counts
    numbers = sorted(int(shard.partition("/")[0]) for shard in shards.values())
    missing = sorted(set(range(1, int(count) + 1)) - set(numbers))
    if missing or len(numbers) > int(count):
        lacking = f"{', '.join(map(str, missing))} of {count} missing" if missing else "one is given twice"
        msg = f"the reports are not the shares of one run (--shard): {lacking}"
        raise UsageProblem(msg)


def _check_signatures(first: str, reference: Report, name: str, report: Report) -> None:
    ours, theirs = reference.signatures, report.signatures
    if list(ours) != list(theirs):
        msg = f"{first} has the metrics {', '.join(ours)}, but {name} has {', '.join(theirs)}: they cannot be merged"
        raise UsageProblem(msg)
    for key in ours:
        for part, values in differences(*(with_fixation_count(text, 0) for text in (ours[key], theirs[key]))).items():
            left, right = (f"{part}:{value or 'nothing'}" for value in values)
            way_out = FULL_LIST if part == "context" else ""
            msg = f"{first} and {name} cannot be merged: {key} has {left} in the one, {right} in the other{way_out}"
            raise UsageProblem(msg)


def _check_other_images(reports: Mapping[str, Report]) -> None:
    """Refuse several parts whose numbers depend on images that nothing says were the same in all of them."""
    if len(reports) == 1:
        return
    for file, report in reports.items():
        for key, text in report.signatures.items():
            parts = signature_parts(text)
            others = any(parts.get(name, "").startswith("others") for name in ("other", "baseline"))
            if (others or split_call(parts["metric"])[0] == "sauc") and "context" not in parts:
                msg = f"{file} does not say with which other images {key} was compared: it cannot be merged{FULL_LIST}"
                raise UsageProblem(msg)
    found = {file: report.provenance.get("context") for file, report in reports.items() if report.references}
    n_scored = sum(bool(report.scores) for report in reports.values())
    if found and (None in found.values() or len(set(map(str, found.values()))) > 1 or len(found) < n_scored):
        file = next(file for file, context in found.items())
        msg = f"the reference rows of {file} were made of its own images, so they cannot be merged{FULL_LIST}"
        raise UsageProblem(msg)


def _check_bins(reports: Mapping[str, Report]) -> None:
    """Refuse several parts of a metric whose bins hold equal numbers of forecasts: each part has bins of its own."""
    for key in next(iter(reports.values())).signatures if len(reports) > 1 else ():
        name = split_call(key)[0]
        if any(name in known and known[name].info.forecasts is not None for known in (METRICS, LABEL_METRICS)):
            msg = f"{key} has bins of equal numbers over all maps, which differ from part to part: it cannot be merged"
            raise UsageProblem(msg)


FULL_LIST = "; every image is compared with all others, so score the parts of one whole list of images, with --shard"


def _check_names(reports: Mapping[str, Report]) -> None:
    seen = Seen()
    if not [name for report in reports.values() for name in _names(report) if not seen.add(name)]:
        return
    owners: dict[str, list[str]] = {}
    for file, report in reports.items():
        for name in _names(report):
            owners.setdefault(name, []).append(file)
    twice = {name: files for name, files in owners.items() if len(files) > 1}
    name, files = min(twice.items())
    more = f" ({len(twice)} maps in all)" if len(twice) > 1 else ""
    msg = f"the map {name!r} is in {' and in '.join(files)}{more}: every map must be in one part alone"
    raise UsageProblem(msg)


def _names(report: Report) -> dict[str, None]:
    """The names of the maps of a report, once each: some metrics of a map may have failed."""
    return dict.fromkeys(chain(_names_of(report.scores), _names_of(report.failures)))


def _names_of(rows: Sequence[Score] | Sequence[Failure]) -> Iterator[str]:
    from kldeval.reports.spool import SpooledRows

    return rows.names() if isinstance(rows, SpooledRows) else (row.name for row in rows)


_COUNTS = re.compile(r"\b(\d+) of (\d+)( maps?\b)?")
"""Where a note says of how many maps of a part it is."""

_SKIPPED = re.compile(r"^(\d+) maps? with (.*?) (?:was|were) skipped")
"""Where a note says how many maps were left out, which are none of those that were scored."""


def merged_notes(notes: Mapping[str, Sequence[str]], counts: Mapping[str, int]) -> list[str]:
    """The notes of a whole run, made of those of its shares by file, of which `counts` maps were scored each.

    >>> merged_notes({"1": ["x (1 of 2 maps)"], "2": ["y"], "3": ["x (1 of 1 map)", "y"]}, {"1": 2, "2": 3, "3": 1})
    ['x (2 of 6 maps)', 'y']
    >>> one = "1 map with an all-zero ground truth was skipped"
    >>> merged_notes({"1": [one], "2": [one]}, {"1": 2, "2": 3})
    ['2 maps with an all-zero ground truth were skipped']
    """
    total = sum(counts.values())
    found: dict[str, int] = {}
    order: list[list[str]] = []
    for file, said in notes.items():
        order.append([])
        for note in said:
            form, count = _form(note, counts[file])
            found[form] = found.get(form, 0) + count
            order[-1].append(form)
    return [_told(form, found[form], total) for form in _in_order(order)]


def _notes_of_shares(said: Mapping[str, Sequence[str]], counts: Mapping[str, int], rows: Rows) -> Iterator[str]:
    """The notes of all shares; which references are lacking is said of all maps: a share that has them says nothing."""
    for note in merged_notes(said, counts):
        if not LACKING_REFERENCE.match(note) and not ONE_SHARE.match(note):
            yield note
    yield from rows.facts.held.notes()


def _told(form: str, count: int, total: int) -> str:
    were = "was" if count == 1 else "were"
    return form.format(count=count, total=total, s="s" * (total != 1), plural="s" * (count != 1), were=were)


def _form(note: str, n_maps: int) -> tuple[str, int]:
    """A note with places for its counts, and how many maps of a share it is about."""
    escaped = note.replace("{", "{{").replace("}", "}}")
    skipped, match = _SKIPPED.search(escaped), _COUNTS.search(escaped)
    if skipped:
        return f"{{count}} map{{plural}} with {skipped[2]} {{were}} skipped{escaped[skipped.end() :]}", int(skipped[1])
    if match and match[2] == str(n_maps):
        counted = "{count} of {total}" + (" map{s}" if match[3] else "")
        return escaped[: match.start()] + counted + escaped[match.end() :], int(match[1])
    return escaped, 0


def _in_order(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    """What stands in any of some lists, once, in an order that is that of each, where there is one."""
    left = [list(dict.fromkeys(one)) for one in lists]
    while any(left):
        heads = [one[0] for one in left if one]
        chosen = next((head for head in heads if not any(head in one[1:] for one in left)), heads[0])
        yield chosen
        left = [[item for item in one if item != chosen] for one in left]


def _notes(reports: Mapping[str, Report]) -> list[str]:
    """What was noted of all parts once, of some with their names."""
    said = Counter(note for report in reports.values() for note in dict.fromkeys(report.notes))
    return [
        note if times == len(reports) else f"{', '.join(f for f, r in reports.items() if note in r.notes)}: {note}"
        for note, times in said.items()
    ]


def rows_like(report: Report) -> Rows:
    """Where the rows of a report that is made of another one are kept: where those of the other are."""
    if isinstance(report.scores, tuple):
        return RowsInMemory()
    from kldeval.reports.spool import Spool

    return Spool()


def resummarise(report: Report, rows: Rows) -> Report:
    """The report of these rows, with the summaries and groups that they have by its signature, and without gates.

    A table per class stays only where the scores are those it was made of.
    """
    kept = rows.scores
    keys = tuple(report.summaries)
    over_groups = report.averages_groups
    groups = summarise_groups(keys, kept)
    made = replace(
        report,
        signatures={key: with_fixation_count(text, rows.facts.n_fixations) for key, text in report.signatures.items()},
        scores=kept,
        summaries=summarise_means(keys, groups) if over_groups else rows.summaries(keys),
        groups=groups,
        classes=report.classes if len(kept) == len(report.scores) else (),
        gates=(),
        references=rows.references(over_groups=over_groups),
        statistics="",
        ways=None,
    )
    return with_ways(made) if rows.facts.held.n_having.total() else made


def only(reports: Mapping[str, Report], keys: Sequence[str]) -> dict[str, Report]:
    """The reports with these metrics alone, in this order.

    Raises:
        UnknownName: a report does not have one of them.
    """
    for report in reports.values():
        for key in keys:
            if key not in report.summaries:
                raise unknown("metric", key, report.summaries)
    return {model: _only(report, keys) for model, report in reports.items()}


def _only(report: Report, keys: Sequence[str]) -> Report:
    return replace(
        report,
        signatures={key: report.signatures[key] for key in keys},
        summaries={key: report.summaries[key] for key in keys},
        columns={key: report.columns[key] for key in keys},
        scores=each(partial(_with_keys, keys), report.scores),
        groups={name: {key: summaries[key] for key in keys} for name, summaries in report.groups.items()},
        references={
            name: {key: means[key] for key in keys if key in means} for name, means in report.references.items()
        },
        ways=_ways_of(report.ways, keys),
    )


def _with_keys(keys: Sequence[str], score: Score) -> Score:
    return replace(score, values={key: score.values[key] for key in keys if key in score.values})


def _ways_of(ways: Ways | None, keys: Sequence[str]) -> Ways | None:
    shares = {} if ways is None else {key: ways.shares[key] for key in keys if key in ways.shares}
    return None if ways is None or not shares else replace(ways, shares=shares)


def grouping_of(report: Report) -> str:
    """What a group is where the headline is the mean over groups, as the signature says; else nothing."""
    parts = signature_parts(next(iter(report.signatures.values()), ""))
    return parts.get("groups", PARENT) if report.averages_groups else ""
