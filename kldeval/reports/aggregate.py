"""From the numbers of single maps to one line per metric; nothing is dropped on the way."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem
from kldeval.grammar import differences, signature_parts, split_call, unknown, with_fixation_count
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.reports.documents import ClassRow, Summary
from kldeval.reports.moments import Moments, exact_parts, exact_sum, median, moments_of, weighted_mean
from kldeval.reports.ways import CEILING, PRIOR, REFERENCES, UNIFORM, with_ways
from kldeval.templates import PARENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from kldeval.records import Score
    from kldeval.reports.documents import Report, Ways

OLD_CLASSES = "the tables per class of the parts are not merged: a part does not hold the sums that they are made of"
"""What is noted of reports that were saved before the sums were."""


def summarise_scores(keys: Iterable[str], scores: Sequence[Score]) -> dict[str, Summary]:
    """The summary of each metric of `keys`, in their order, over all `scores`.

    Where maps carry weights their mean is the weighted one: the mean over the pixels of all maps.

    >>> from kldeval.records import Score
    >>> summarise_scores(["kld"], [Score("a", {"kld": 0.5}), Score("b", {"kld": 1.5})])["kld"].mean
    1.0
    """
    found = {key: [score for score in scores if key in score.values] for key in keys}
    return {key: _pooled(key, having, summarise([one.values[key] for one in having])) for key, having in found.items()}


def _pooled(key: str, scores: Sequence[Score], summary: Summary) -> Summary:
    """The summary with the mean over all maps together, where the maps say what they add to it.

    A metric that is made of sums (`Score.statistics`) has the number that the sums over all maps give. One whose maps
    say how many pixels or fixations they count has the mean over all of these: its sums are weight times value, and
    weight.
    """
    sums = [score.statistics[key] for score in scores if key in score.statistics]
    if len({len(one) for one in sums}) > 1:
        raise other_classes(key)
    if sums:
        return replace(summary, mean=finalizer(key)([exact_sum(column) for column in zip(*sums, strict=True)]))
    weighted = [(score.values[key], score.weights[key]) for score in scores if key in score.weights]
    if not weighted:
        return summary
    values, weights = zip(*weighted, strict=True)
    return replace(summary, mean=weighted_mean(values, weights))


def other_classes(key: str) -> UsageProblem:
    """What is wrong where maps that are pooled have different numbers of classes."""
    return UsageProblem(
        f"{key}: the maps have different numbers of classes, so there is no number of all pixels together"
    )


def finalizer(key: str) -> Callable[[Sequence[float]], float]:
    """What makes a metric's number of the sums that it is made of; `key` is its name, with parameters where it has any.

    >>> finalizer("bce")([6.0, 4.0])
    1.5

    Raises:
        UsageProblem: no metric has this name.
    """
    name = split_call(key)[0]
    for registry in (METRICS, LABEL_METRICS):
        finalize = registry[name].info.finalize if name in registry else None
        if finalize:
            return finalize
    return _quotient


def _quotient(sums: Sequence[float]) -> float:
    """The first of two sums divided by the second: a weighted mean."""
    total, weight = sums
    return total / weight if weight else math.nan


def summarise_groups(keys: Sequence[str], scores: Iterable[Score]) -> dict[str, dict[str, Summary]]:
    """The summaries of each group's maps, groups in the order of their names; nothing where a map has no group.

    >>> from kldeval.records import Score
    >>> scores = [Score("v/1", {"kld": 0.5}, group="v"), Score("v/2", {"kld": 1.5}, group="v")]
    >>> summarise_groups(["kld"], scores)["v"]["kld"].mean
    1.0
    """
    members: dict[str, dict[str, _Numbers]] = {}
    for score in scores:
        if not score.group:
            return {}
        for key, numbers in members.setdefault(score.group, {key: _Numbers() for key in keys}).items():
            numbers.add(key, score)
    return {name: {key: one.summary(key) for key, one in members[name].items()} for name in sorted(members)}


class _Numbers:
    """The numbers of one metric in a group, 8 bytes each: of millions of maps the rows are not held."""

    __slots__ = ("sums", "values", "weighted", "weights")

    def __init__(self) -> None:
        self.values, self.weighted, self.weights = array("d"), array("d"), array("d")
        self.sums: list[array[float]] = []

    def add(self, key: str, score: Score) -> None:
        """Take in the numbers of a map that has the metric."""
        if key not in score.values:
            return
        self.values.append(score.values[key])
        if key in score.weights:
            self.weighted.append(score.values[key])
            self.weights.append(score.weights[key])
        if key in score.statistics:
            sums = score.statistics[key]
            self.sums = self.sums or [array("d") for _ in sums]
            if len(sums) != len(self.sums):
                raise other_classes(key)
            for column, number in zip(self.sums, sums, strict=True):
                column.append(number)

    def summary(self, key: str) -> Summary:
        """The summary, as `summarise_scores` makes it."""
        found = summarise(self.values)
        if self.sums:
            return replace(found, mean=finalizer(key)([exact_sum(column) for column in self.sums]))
        return replace(found, mean=weighted_mean(self.weighted, self.weights)) if self.weights else found


def summarise_means(keys: Iterable[str], groups: Mapping[str, Mapping[str, Summary]]) -> dict[str, Summary]:
    """The summary of each metric over the means of the groups: every group counts the same.

    >>> groups = {"u": {"kld": summarise([0.0])}, "v": {"kld": summarise([3.0, 5.0])}}
    >>> summarise_means(["kld"], groups)["kld"].mean
    2.0
    """
    means = {key: [summaries[key].mean for summaries in groups.values()] for key in keys}
    return {key: summarise([mean for mean in values if mean is not None]) for key, values in means.items()}


def summarise(values: Sequence[float]) -> Summary:
    """Count, mean, standard deviation (n - 1 in the denominator), median, minimum and maximum of one metric.

    Infinite and undefined values count like any other: the mean is inf where one value is, and nan where one is nan or
    where +inf meets -inf; the standard deviation of such values is nan; nan wins in median, minimum and maximum.
    The order of the values does not matter, to the last bit. Numbers that do not exist are None: the standard
    deviation of one value, everything of none.

    >>> summary = summarise([1.0, 2.0, 6.0])
    >>> summary.n, summary.mean, summary.std, summary.median
    (3, 3.0, 2.6457513110645907, 2.0)
    >>> summarise([]).mean is None
    True
    """
    moments = moments_of(values)
    return summary_of(moments, median(values) if moments.n else None)


def summary_of(moments: Moments, middle: float | None) -> Summary:
    """The summary of values with these moments and this median."""
    undefined = math.nan if moments.n_nan else None
    return Summary(
        n=moments.n,
        n_nonfinite=moments.n_nonfinite,
        mean=moments.mean,
        std=moments.std,
        median=middle,
        min=moments.min if undefined is None else undefined,
        max=moments.max if undefined is None else undefined,
    )


def summarise_classes(keys: Iterable[str], scores: Sequence[Score], *, sums: bool = False) -> tuple[ClassRow, ...]:
    """A row per class of label: its positions in all maps, and each metric's mean over them (or `sums`: its sum).

    The mean over the positions of a class that no map has is nan.

    >>> from kldeval.records import ClassSum, Score
    >>> maps = [Score(name, {}, classes={"ce": (ClassSum(1.0, 2.0, 2), ClassSum(0.0, 0.0, 0))}) for name in "ab"]
    >>> summarise_classes(["ce"], maps)
    (ClassRow(label=0, n=4, values={'ce': 0.5}), ClassRow(label=1, n=0, values={'ce': nan}))
    """
    keys = [key for key in keys if all(key in score.classes for score in scores)]
    n_classes = max((len(score.classes[key]) for score in scores for key in keys), default=0)
    return tuple(_row(label, keys, scores, sums=sums) for label in range(n_classes))


def _row(label: int, keys: Sequence[str], scores: Sequence[Score], *, sums: bool) -> ClassRow:
    of_class = {key: [score.classes[key][label] for score in scores if label < len(score.classes[key])] for key in keys}
    n = sum(item.n for item in of_class[keys[0]])
    made = {
        key: (exact_parts(item.total for item in items), exact_parts(item.weight for item in items))
        for key, items in of_class.items()
    }
    return _row_of(label, n, made, sums=sums)


def _row_of(
    label: int, n: int, made: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]], *, sums: bool
) -> ClassRow:
    """The row of exact sums of values and of what they count."""
    found = {key: (exact_sum(totals), exact_sum(weights)) for key, (totals, weights) in made.items()}
    values = {key: total if sums else total / weight if weight else math.nan for key, (total, weight) in found.items()}
    return ClassRow(label, n, values, made)


def merge_classes(tables: Sequence[Sequence[ClassRow]], *, sums: bool) -> tuple[ClassRow, ...]:
    """The rows of all maps, of those of parts of them; see `summarise_classes`."""
    of_label: defaultdict[int, list[ClassRow]] = defaultdict(list)
    for row in chain.from_iterable(tables):
        of_label[row.label].append(row)
    merged = []
    for label, rows in sorted(of_label.items()):
        held = {key: [row.sums[key] for row in rows] for key in rows[0].values}
        made = {
            key: (exact_parts(chain(*(one[0] for one in pairs))), exact_parts(chain(*(one[1] for one in pairs))))
            for key, pairs in held.items()
        }
        merged.append(_row_of(label, sum(row.n for row in rows), made, sums=sums))
    return tuple(merged)


def merge(reports: Mapping[str, Report], counts: Mapping[str, int] | None = None) -> Report:
    """One report of all maps; `reports` are the parts by the names of their files.

    `counts` is how many maps of each part were scored, where it holds fewer: those of a leaderboard. Its provenance
    has what all parts agree on, and the names of the parts.

    Raises:
        UsageProblem: the signatures differ, or a map stands in two parts.
    """
    _check_shards(reports)
    # a share with nothing to score says nothing of its files
    first, reference = next(((name, one) for name, one in reports.items() if one.scores), next(iter(reports.items())))
    for name, report in reports.items():
        if report.scores and name != first:
            _check_signatures(first, reference, name, report)
    _check_other_images(reports)
    _check_bins(reports)
    _check_names(reports)
    every = list(reports.values())
    whole = resummarise(reference, (score for report in every for score in report.scores))
    failures = sorted((failure for report in every for failure in report.failures), key=lambda failure: failure.name)
    shared = {
        key: value
        for key, value in reference.provenance.items()
        if key not in ("shard", "context") and all(report.provenance.get(key) == value for report in every)
    }
    is_sharded = all("shard" in report.provenance for report in every)
    counts = counts or {file: len(report.scores) for file, report in reports.items()}
    said = {file: report.notes for file, report in reports.items()}
    notes = tuple(merged_notes(said, counts) if is_sharded else _notes(reports))
    tables = [report.classes for report in every if report.classes]
    are_whole = all(row.sums.keys() >= row.values.keys() for table in tables for row in table)
    if len(every) > 1 and not are_whole:
        notes += (OLD_CLASSES,)
    return replace(
        whole,
        failures=tuple(failures),
        provenance={**shared, "merged": list(reports)},
        notes=notes,
        classes=reference.classes if len(every) == 1 else _merged_classes(reference, tables) if are_whole else (),
    )


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
    owners: dict[str, list[str]] = {}
    for file, report in reports.items():
        names = [score.name for score in report.scores] + [failure.name for failure in report.failures]
        for name in names:
            owners.setdefault(name, []).append(file)
    twice = {name: files for name, files in owners.items() if len(set(files)) > 1}
    if twice:
        name, files = min(twice.items())
        more = f" ({len(twice)} maps in all)" if len(twice) > 1 else ""
        msg = (
            f"the map {name!r} is in {' and in '.join(dict.fromkeys(files))}{more}: every map must be in one part alone"
        )
        raise UsageProblem(msg)


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


def resummarise(report: Report, scores: Iterable[Score]) -> Report:
    """The report of these scores, with the summaries and groups that they have by its signature, and without gates.

    A table per class stays only where the scores are those it was made of.
    """
    kept = tuple(sorted(scores, key=lambda score: score.name))
    keys = tuple(report.summaries)
    groups = summarise_groups(keys, kept)
    summaries = summarise_means(keys, groups) if report.averages_groups else summarise_scores(keys, kept)
    classes = report.classes if len(kept) == len(report.scores) else ()
    references = summarise_references(kept, over_groups=report.averages_groups)
    made = replace(
        report,
        signatures=_of_fixations(report, kept),
        scores=kept,
        summaries=summaries,
        groups=groups,
        classes=classes,
        gates=(),
        references=references,
        statistics="",
        ways=None,
    )
    return with_ways(made)


def _of_fixations(report: Report, scores: Sequence[Score]) -> dict[str, str]:
    """The signatures, which may say of how many fixations the ground truths of these maps were made."""
    number = sum(score.gt_fixations or 0 for score in scores)
    return {key: with_fixation_count(text, number) for key, text in report.signatures.items()}


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
        scores=tuple(
            replace(score, values={key: score.values[key] for key in keys if key in score.values})
            for score in report.scores
        ),
        groups={name: {key: summaries[key] for key in keys} for name, summaries in report.groups.items()},
        references={
            name: {key: means[key] for key in keys if key in means} for name, means in report.references.items()
        },
        ways=_ways_of(report.ways, keys),
    )


def _ways_of(ways: Ways | None, keys: Sequence[str]) -> Ways | None:
    shares = {} if ways is None else {key: ways.shares[key] for key in keys if key in ways.shares}
    return None if ways is None or not shares else replace(ways, shares=shares)


def grouping_of(report: Report) -> str:
    """What a group is where the headline is the mean over groups, as the signature says; else nothing."""
    parts = signature_parts(next(iter(report.signatures.values()), ""))
    return parts.get("groups", PARENT) if report.averages_groups else ""


Means = dict[str, dict[str, float]]
"""The headline of each metric by its key, for each reference by its name."""


def summarise_references(scores: Sequence[Score], *, over_groups: bool) -> Means:
    """The headlines of the references, averaged as those of the model are; only of references that all maps have.

    >>> from kldeval.records import Score
    >>> scores = [Score(name, {"cc": 0.9}, references={"ceiling": {"cc": 1.0}}) for name in "ab"]
    >>> summarise_references(scores, over_groups=False)
    {'ceiling': {'cc': 1.0}}
    """
    everywhere = [name for name in REFERENCES if scores and all(name in score.references for score in scores)]
    return {name: _means(scores, name, over_groups=over_groups) for name in everywhere}


def _means(scores: Sequence[Score], name: str, *, over_groups: bool) -> dict[str, float]:
    first, *others = (score.references[name] for score in scores)
    keys = [key for key in first if all(key in values for values in others)]
    theirs = [replace(score, values=score.references[name]) for score in scores]
    groups = summarise_groups(keys, theirs) if over_groups else {}
    summaries = summarise_means(keys, groups) if over_groups else summarise_scores(keys, theirs)
    return {key: summary.mean for key, summary in summaries.items() if summary.mean is not None}


_REASONS = {
    UNIFORM: "where it can be scored",
    PRIOR: "with another ground truth",
    CEILING: "with fixations of two observers or more",
}


def reference_notes(scores: Sequence[Score]) -> Iterator[str]:
    """Why a reference is missing that some map has, or could have."""
    wanted = [UNIFORM, PRIOR]
    wanted += [CEILING] if any(score.n_fixations is not None for score in scores) else []
    for name in wanted if any(score.references for score in scores) else ():
        lacking = [score.name for score in scores if name not in score.references]
        if lacking:
            some = f"{len(scores) - len(lacking)} of {len(scores)} maps are those {_REASONS[name]}"
            yield f"there is no {name} row: only {some} (not {lacking[0]!r})"
