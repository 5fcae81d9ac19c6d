"""What commands on several models share: their names, how intervals are drawn, gates, saved reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kldeval.cli.groups import OptionGroup, WholeNumber, option, text_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kldeval.reports.documents import Report, Resampling
    from kldeval.reports.gates import Gate
    from kldeval.writers import Document


class NameOptions(OptionGroup):
    """What models are called."""

    names: tuple[str, ...] = option(
        "--name", multiple=True, metavar="NAME", help="What a model is called; once for each."
    )


class SortOptions(OptionGroup):
    """The order in which models are shown."""

    sort: str | None = text_option("METRIC", "Several models: the best by METRIC first [default: as given].")


class GateOptions(OptionGroup):
    """Which numbers are too bad."""

    fail_if: tuple[str, ...] = option(
        multiple=True,
        metavar="GATE",
        help="Exit with 3 if this holds, as 'kld>1.2', 'cc.mean<0.5' or 'failures>0'; may be repeated.",
    )


class ResamplingOptions(OptionGroup):
    """How many resamples intervals and p-values are of, and from which seed."""

    resamples: int = option(
        type=int,
        default=10_000,
        metavar="N",
        help="Bootstrap resamples and sign flips, for intervals and tests of several models [default: 10000].",
    )
    seed: int = option(type=WholeNumber(min=0), default=0, metavar="N", help="Fixes these draws [default: 0].")
    confidence: float = option(
        type=float,
        default=0.95,
        metavar="X",
        help="Of intervals and tests; of a single model it asks for the intervals of its means [default: 0.95].",
    )


def resampling_from(options: ResamplingOptions) -> Resampling:
    """How intervals and p-values are drawn.

    Raises:
        UsageProblem: too few resamples, or a confidence that is not between 0 and 1.
    """
    from kldeval.reports.documents import Resampling
    from kldeval.reports.resampling import check_resampling

    check_resampling(options.resamples, options.confidence)
    return Resampling(options.resamples, options.seed, options.confidence)


OF_SEVERAL = {"sort": "orders", "intervals": "is of the differences of", "std": "is shown of"}
"""The options of several models, and what each does with them."""


def check_several(options: OptionGroup, n_models: int) -> None:
    """Refuse of a single model what is about several.

    Raises:
        UsageProblem: naming the option of the command line.
    """
    from kldeval.cli.options import ON_COMMAND_LINE, rank
    from kldeval.errors import UsageProblem

    given = vars(options)
    for name, does in OF_SEVERAL.items():
        if n_models == 1 and given.get(name) and rank(name) == ON_COMMAND_LINE:
            way = "; --confidence gives the intervals of its means" if name == "intervals" else ""
            msg = f"--{name} {does} several models, and here is one: leave it out{way}"
            raise UsageProblem(msg)


def with_asked_intervals(document: Document, options: ResamplingOptions) -> Document:
    """A report with the intervals of its means, where a confidence was given; other documents have theirs already.

    Raises:
        UsageProblem: as `resampling_from`.
    """
    from kldeval.cli.options import rank

    if not rank("confidence"):
        return document
    from kldeval.reports.documents import Report
    from kldeval.reports.intervals import with_intervals

    resampling = resampling_from(options)
    return with_intervals(document, resampling) if isinstance(document, Report) else document


def parse_gates(texts: Sequence[str], keys: Iterable[str]) -> tuple[Gate, ...]:
    """The gates, checked before anything is scored.

    Raises:
        UsageProblem: naming every gate that is malformed, or on a metric that there will not be.
    """
    if not texts:
        return ()
    from kldeval.errors import UsageProblem
    from kldeval.reports.gates import check_gates, parse_gate

    gates, problems = [], []
    for text in texts:
        try:
            gates.append(parse_gate(text))
        except UsageProblem as problem:
            problems.append(str(problem))
    if problems:
        raise UsageProblem("\n".join(problems))
    check_gates(gates, keys)
    return tuple(gates)


def gated(document: Document, gates: Sequence[Gate]) -> Document:
    """The document with the outcome of the gates, in a leaderboard for every model."""
    if not gates:
        return document
    from dataclasses import replace

    from kldeval.reports.documents import ComparisonReport, Leaderboard
    from kldeval.reports.gates import evaluate_gates

    if isinstance(document, ComparisonReport):
        return document
    if isinstance(document, Leaderboard):
        reports = document.reports.items()
        passed = {model: replace(report, gates=evaluate_gates(gates, report)) for model, report in reports}
        return replace(document, reports=passed)
    return replace(document, gates=evaluate_gates(gates, document))


def load_models(paths: Sequence[Path], names: Sequence[str]) -> dict[str, Report]:
    """The reports in saved files by model: a leaderboard holds several, a report one.

    A model is called as `names` say, else as it was when it was scored, else after its file.

    Raises:
        UsageProblem: a file is neither, the names do not fit, or two models have one name.
    """
    from kldeval.errors import UsageProblem
    from kldeval.reports.documents import ComparisonReport, Leaderboard
    from kldeval.reports.json_reader import load_document
    from kldeval.reports.leaderboard import name_models

    found: list[tuple[str, Report]] = []
    for path, file_name in zip(paths, name_models(paths), strict=True):
        document = load_document(path)
        if isinstance(document, ComparisonReport):
            msg = f"{path} is a comparison; give the reports that it was made of"
            raise UsageProblem(msg)
        if isinstance(document, Leaderboard):
            found += document.reports.items()
        else:
            found.append((str(document.provenance.get("name") or file_name), document))
    called = name_models([Path(name) for name, _ in found], names) if names else [name for name, _ in found]
    twice = [name for name in called if called.count(name) > 1]
    if twice:
        msg = f"two models are called {twice[0]}: give each its own with --name"
        raise UsageProblem(msg)
    return {name: report for name, (_, report) in zip(called, found, strict=True)}
