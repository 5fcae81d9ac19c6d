"""The audit reversed: which conventions, and which settings near them, print published numbers."""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import chain, product
from typing import TYPE_CHECKING, Any

from kldeval.analysis.candidates import RESIZES, candidates, quantities
from kldeval.conventions.definitions import family
from kldeval.data.dataset import notes_of_share, select_models
from kldeval.dataclass import dataclass
from kldeval.engine.kept_rows import KeptRows, kept_outcomes
from kldeval.engine.run import check_saving, run_models
from kldeval.engine.worker import both_loaded, reading_of
from kldeval.errors import RefusedMap, UsageProblem
from kldeval.executors.choice import executor_for
from kldeval.records import Failure
from kldeval.reports.identification import Guess, identify_number, identify_row
from kldeval.reports.moments import exact_mean, exact_sum, weighted_mean
from kldeval.reports.outcome_rows import RowForm
from kldeval.scoring.evaluator import PartialAnswers, SharedEvaluator
from kldeval.scoring.plan import divisor
from kldeval.settings.auxiliary import restrict_to
from kldeval.settings.build import make_settings
from kldeval.settings.signature import format_signature, short_signature
from kldeval.templates import PARENT, groups_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from kldeval.analysis.candidates import Candidate
    from kldeval.conventions.definitions import Family
    from kldeval.data.dataset import Dataset
    from kldeval.data.load import Loaded, Reading
    from kldeval.memory import MapFolder
    from kldeval.records import Pair
    from kldeval.reports.documents import Report
    from kldeval.reports.identification import Identification, Published
    from kldeval.run_options import Progress, RunOptions
    from kldeval.scoring.plan import Quantity
    from kldeval.settings.settings import Settings

    Shape = tuple[int, ...]


MODEL = "pred"

KLD = "kld"


@dataclass(frozen=True, slots=True)
class Averaging:
    """What a mean is over, as `--maps` says it, and the group of every map (none: there are none to average over)."""

    groups: Mapping[str, str]
    group_by: str = PARENT

    def flags(self, averaging: str) -> tuple[tuple[str, str], ...]:
        """What one types to have this mean."""
        if averaging == "groups":
            return ("--group-by", self.group_by), ("--maps", "groups")
        return () if averaging == "maps" else (("--maps", averaging),)

    def settings(self, settings: Settings, averaging: str) -> Settings:
        """The settings with this mean."""
        if averaging == "groups":
            return replace(settings, maps="groups", groups=self.group_by)
        return replace(settings, maps="mean" if averaging == "maps" else averaging)

    def means(self, values: Mapping[str, float], weights: Mapping[str, float]) -> Iterator[tuple[str, float]]:
        """Every mean of the numbers of single maps: over the maps, the groups, and the fixations, which weigh them."""
        yield "maps", exact_mean(values.values())
        if self.groups:
            members: defaultdict[str, list[float]] = defaultdict(list)
            for name, value in values.items():
                members[self.groups[name]].append(value)
            yield "groups", exact_mean(map(exact_mean, members.values()))
        if weights:
            yield "fixations", weighted_mean(list(values.values()), [weights[name] for name in values])


@dataclass(frozen=True, slots=True)
class IdentifyRequest:
    """The files, what they are to be made of, and how far that is known.

    `resize` is for the conventions that have no resizing of their own; `color` is for all. `reading` are the texts on
    how fixations are read.
    """

    pred: MapFolder
    gt: MapFolder
    options: RunOptions
    resize: str | None = None
    color: str | None = None
    reading: Mapping[str, str | None] | None = None


def identify(
    targets: Sequence[Published], request: IdentifyRequest, progress: Progress | None = None
) -> Identification:
    """What prints the numbers as means over the pairs of two files or folders.

    One number of KLD is looked for among all settings. Several numbers are taken for one row of a table: settings that
    share their resizing and their averaging print all of them. Settings that do not apply to every map print no mean,
    and are left out.

    Raises:
        UsageProblem: the paths cannot be paired at all, a metric has no definitions or its fixations are not given, or
            the resizing or the rule for colour means nothing.
        RefusedMap: a map has no partner or cannot be read, so that there is no mean.
    """
    dataset = select_models({MODEL: request.pred}, request.gt, None, request.options)
    _refuse(dataset.failures[MODEL])
    notes = (*dataset.notes, *notes_of_share(request.options))
    averaging = _averaging([pair.name for pair in dataset.firsts], request.options.group_by)
    found, differ = _kld_guesses(dataset, request, averaging, progress)
    if [target.metric for target in targets] == [KLD]:
        return _signed(identify_number(targets[0], found, dataset.count, notes), found, averaging)
    guesses: dict[str, Iterable[Guess]] = {KLD: found}
    for metric in dict.fromkeys(target.metric for target in targets):
        if metric != KLD:
            reports = _auxiliary_reports(metric, request, differ=differ, progress=progress)
            guesses[metric] = list(_companion_guesses(reports, dataset.count, averaging, differ=differ))
    return _signed(identify_row(targets, guesses, dataset.count, notes), found, averaging)


def _averaging(names: Sequence[str], group_by: str | None) -> Averaging:
    """The groups that the request names, or else the folders; one group alone is none."""
    is_grouped = group_by is not None or all("/" in name for name in names)
    groups = groups_of(group_by or PARENT, dict.fromkeys(names, "")) if is_grouped else {}
    return Averaging(groups if len(set(groups.values())) > 1 else {}, group_by or PARENT)


# KLD: sums that the evaluator works out for all settings at once


class Sums:
    """What every pair answered, by the name of a sum, and by the shape and the group of the maps."""

    def __init__(self, groups: Mapping[str, str]) -> None:
        self.group_of = groups
        self.answers: defaultdict[str, defaultdict[tuple[Shape, str], list[float]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.groups: defaultdict[str, int] = defaultdict(int)
        self.sizes_differ = False
        self._totals: dict[str, dict[tuple[Shape, str], float]] = {}

    def add(self, name: str, shapes: tuple[Shape, Shape], answers: Mapping[str, float | str]) -> None:
        """Add the answers of one pair."""
        pred, gt = shapes
        group = self.group_of.get(name, "")
        self.sizes_differ |= pred != gt
        self.groups[group] += 1
        for key, answer in answers.items():
            if isinstance(answer, float):
                self.answers[key][gt, group].append(answer)

    def _total(self, name: str) -> dict[tuple[Shape, str], float]:
        """A sum over the maps of each shape and group; none where a map has no number."""
        found: Mapping[tuple[Shape, str], list[float]] = self.answers.get(name, {})
        if sum(map(len, found.values())) < sum(self.groups.values()):
            return {}
        return {key: exact_sum(values) for key, values in found.items()}

    def means(self, candidate: Candidate) -> Iterator[tuple[str, float]]:
        """The mean over all maps, and over the means of their groups; none where a map has no number."""
        if candidate.sum not in self._totals:
            self._totals[candidate.sum] = self._total(candidate.sum)
        totals: defaultdict[str, list[float]] = defaultdict(list)
        for (shape, group), total in self._totals[candidate.sum].items():
            totals[group].append(total / divisor(candidate.settings, shape))
        if not totals:
            return
        yield "maps", exact_sum(chain.from_iterable(totals.values())) / sum(self.groups.values())
        if len(self.groups) > 1:
            yield "groups", exact_mean(exact_sum(parts) / self.groups[name] for name, parts in totals.items())


def _kld_guesses(
    dataset: Dataset, request: IdentifyRequest, averaging: Averaging, progress: Progress | None
) -> tuple[dict[Guess, Candidate], bool]:
    """Every setting of KLD with its number, and whether the sizes of some pair differ."""
    sums = _sums(dataset, request, averaging, progress)
    differ = sums.sizes_differ
    if differ and request.resize is None:
        sums = _sums(dataset, request, averaging, progress, sizes_differ=True)
    tried = candidates(resize=request.resize, color=request.color, sizes_differ=differ)
    found = {
        Guess(
            one.convention,
            (*one.flags, *averaging.flags(over)),
            value,
            "",
            "",
            resize=str(one.settings.resize) if differ else "",
            averaging=over,
        ): one
        for one in tried
        for over, value in sums.means(one)
    }
    return found, differ


def _sums(
    dataset: Dataset,
    request: IdentifyRequest,
    averaging: Averaging,
    progress: Progress | None,
    *,
    sizes_differ: bool = False,
) -> Sums:
    sums = Sums(averaging.groups)
    wanted = quantities(resize=request.resize, color=request.color, sizes_differ=sizes_differ)
    reading = reading_of(wanted[0].settings, request.options)
    measuring = _Measuring(SharedEvaluator(wanted), reading)
    n_pairs = dataset.count
    check_saving(dataset, {MODEL: (request.pred, request.gt)}, wanted[0].settings, request.options)
    kept = KeptRows(request.options.cache, *_as_rows(wanted)) if request.options.cache else None
    answers = kept_outcomes(dataset, measuring, reading, executor_for(request.options), kept)
    with closing(answers):  # what a refusal ends is kept as well
        for answer in answers:
            if isinstance(answer.outcome, Failure):
                _refuse([answer.outcome])
            else:
                sums.add(answer.name, *answer.outcome)
            if progress:
                progress(answer, n_pairs)
    return sums


def _as_rows(wanted: Sequence[Quantity]) -> tuple[str, RowForm]:
    """What is asked of a pair, and how its answers are written: in the order of the quantities, without their names."""
    names = [quantity.name for quantity in wanted]
    asked = repr(("identify", [(quantity.name, quantity.settings) for quantity in wanted]))
    return asked, RowForm(partial(_row_of, names), partial(_found_of, names), _has_words)


def _row_of(names: Sequence[str], found: tuple[tuple[Shape, Shape], dict[str, float | str]]) -> dict[str, Any]:
    shapes, answers = found
    return {"shapes": shapes, "answers": [answers[name] for name in names]}


def _found_of(
    names: Sequence[str], name: str, row: dict[str, Any]
) -> tuple[tuple[Shape, Shape], dict[str, float | str]]:
    del name
    pred, gt = map(tuple, row["shapes"])
    return (pred, gt), dict(zip(names, row["answers"], strict=True))


def _has_words(found: tuple[object, dict[str, float | str]]) -> bool:
    return any(isinstance(answer, str) for answer in found[1].values())


@dataclass(frozen=True, slots=True)
class _Measuring:
    """Each pair is measured under all settings: the shapes of its maps, and the answer of every case."""

    evaluator: SharedEvaluator
    reading: Reading

    def begin(
        self, model: str, pair: Pair, gt: Loaded | None, *, is_first: bool
    ) -> tuple[tuple[Shape, Shape], PartialAnswers]:
        """What the maps of a pair themselves have to say."""
        del model, is_first
        pred, gt = both_loaded(pair, gt, self.reading)
        shapes = pred.volume or pred.grey.shape, gt.volume or gt.grey.shape
        return shapes, self.evaluator.begin(pair.name, pred, gt)

    def finish(
        self, begun: Sequence[tuple[tuple[Shape, Shape], PartialAnswers]]
    ) -> list[tuple[tuple[Shape, Shape], dict[str, float | str]]]:
        """The answers, worked out for many pairs at once."""
        found = self.evaluator.finish([one for _, one in begun])
        return [(shapes, answer) for (shapes, _), answer in zip(begun, found, strict=True)]


def _refuse(failures: Sequence[Failure]) -> None:
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        msg = f"{failures[0].name}: {failures[0].message}{more}; a published mean can only be found over all its maps"
        raise RefusedMap(msg)


# auxiliary_metrics: the definitions of code bases, one run for each resizing


@dataclass(frozen=True, slots=True)
class _Run:
    """The report of the definitions of a metric that share their chains, under one resizing (None: none is said)."""

    rows: Family
    resize: str | None
    settings: Settings
    report: Report


def _auxiliary_reports(
    metric: str, request: IdentifyRequest, *, differ: bool, progress: Progress | None
) -> Iterator[_Run]:
    """The files scored once under every definition and every resizing that is tried.

    Maps of fixations are scored with the weights of a mean over fixations, which move no map's number.
    """
    whole = family(metric)
    if whole.needs_fixations and request.options.fixations is None:
        msg = f"--value {metric}=... is of fixations: name them with --fixations PATH"
        raise UsageProblem(msg)
    resizes = [request.resize] if request.resize or not differ else list(RESIZES)
    further = {**(request.reading or {}), "maps": "fixations"} if whole.needs_fixations else {}
    options = request.options if whole.needs_fixations else request.options._replace(fixations=None)
    for resize, rows in product(resizes, whole.runs):
        said = {**rows.further, **further, "color": request.color, "resize": resize}
        settings = make_settings({**said, "metric": ",".join(rows.metrics)})
        yield _Run(
            rows, resize, settings, run_models({MODEL: request.pred}, request.gt, settings, options, progress)[MODEL]
        )


def _companion_guesses(runs: Iterable[_Run], n: int, averaging: Averaging, *, differ: bool) -> Iterator[Guess]:
    """Every definition of a metric with its means; none where one of the `n` maps has no number."""
    for run in runs:
        settings = run.settings
        resize = str(settings.resize) if differ else ""
        beside = (("--resize", resize),) if differ and run.resize else ()
        calls = dict(zip(run.rows.metrics, zip(settings.keys, settings.metrics, strict=True), strict=True))
        for row in run.rows.definitions:
            key, call = calls[row.metric]
            values = {score.name: score.values[key] for score in run.report.scores if key in score.values}
            weights = {score.name: score.weights[key] for score in run.report.scores if key in score.weights}
            for over, value in averaging.means(values, weights) if len(values) == n else ():
                own = averaging.settings(restrict_to(settings, call), over)
                flags = (*row.flags, *beside, *averaging.flags(over))
                signs = format_signature(own), short_signature(own)
                yield Guess(row.name, flags, value, *signs, run.rows.name, resize, over)


def _signed(found: Identification, candidates_of: Mapping[Guess, Candidate], averaging: Averaging) -> Identification:
    """The identification with the signatures of the guesses that it shows; those of companions have theirs."""

    def signed(guesses: Iterable[Guess]) -> tuple[Guess, ...]:
        return tuple(_with_signature(guess, candidates_of, averaging) for guess in guesses)

    joint = tuple(
        replace(row, guesses={metric: signed(guesses) for metric, guesses in row.guesses.items()})
        for row in found.joint
    )
    return replace(found, guesses=signed(found.guesses), nearest=signed(found.nearest), joint=joint)


def _with_signature(guess: Guess, candidates_of: Mapping[Guess, Candidate], averaging: Averaging) -> Guess:
    if guess not in candidates_of:
        return guess
    settings = averaging.settings(candidates_of[guess].settings, guess.averaging)
    return replace(guess, signature=format_signature(settings), short=short_signature(settings))
