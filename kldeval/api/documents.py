"""The documents as Python users hold them: the records of `kldeval.reports`, which can be looked at and used."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, final

from kldeval.api.pictured import Pictured
from kldeval.api.shown import Saved, Shown, members
from kldeval.errors import UsageProblem, count
from kldeval.grammar import unknown
from kldeval.reports import audit_documents, documents, identification

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.writers.page import Options, Page


@final
class Report(Pictured, documents.Report):
    """The outcome of scoring one prediction: means, maps, failures, notes, and the signature of every number.

    `report["kld"]` is the summary of a metric over all maps, with `mean`, `std`, `median`, `min`, `max`, `n` and, where
    it was asked for, `interval`; `report.values("kld")` the number of every map. `scores` are the rows, `failures` the
    maps that have none, `signatures` what made each number. Printed it is the table of the command line.

    >>> import numpy as np
    >>> from kldeval import evaluate
    >>> report = evaluate(np.asarray([[[1.0, 3.0]], [[1.0, 1.0]]]), np.asarray([[[1.0, 1.0]], [[1.0, 1.0]]]))
    >>> round(report["kld"].mean, 6), list(report), len(report.scores)
    (0.071921, ['kld', 'ce'], 2)
    """

    __slots__ = ("_origin",)
    _record = documents.Report

    def __getitem__(self, key: str) -> documents.Summary:
        """The summary of a metric; its name in Python, such as `kld_reverse`, is known as well."""
        for name in (key, key.replace("_", "-")):
            if name in self.summaries:
                return self.summaries[name]
        raise unknown("metric", key, self.summaries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.summaries)

    def __contains__(self, key: object) -> bool:
        return key in self.summaries

    def keys(self) -> tuple[str, ...]:
        """The metrics."""
        return tuple(self.summaries)

    def values(self, metric: str) -> NDArray[np.float64]:
        """The number of every scored map, in the order of `scores`; nan where the metric has none."""
        import numpy as np

        self[metric]
        key = metric if metric in self.summaries else metric.replace("_", "-")
        return np.asarray([score.values.get(key, np.nan) for score in self.scores], np.float64)

    def _models(self) -> Mapping[str, documents.Report]:
        return {"": self}

    def to_dict(self) -> dict[str, Any]:
        """The JSON report as plain values: strict, so that inf and nan are the texts "inf" and "nan"."""
        from kldeval.writers.json import document

        return document(self)

    def to_arrow(self) -> Any:
        """The rows of the maps as a table of pyarrow; its metadata has the signatures.

        Raises:
            MissingDependency: pyarrow is not installed.
        """
        from kldeval.writers.parquet import arrow_table

        return arrow_table(self)

    def plot(
        self,
        kind: Literal["histogram", "worst", "against"] = "histogram",
        metric: str | None = None,
        *,
        other: documents.Report | None = None,
        worst: int = 20,
        ax: Any = None,
    ) -> Any:
        """Draw the numbers of one metric, and return the Axes; nothing is shown.

        Args:
            kind: `histogram` of all maps, the `worst` maps by name, or the maps `against` those of another report.
            metric: which, by default the first.
            other: the other report of `against`.
            worst: how many of the worst maps.
            ax: the Axes to draw on, by default those of a new figure.

        Raises:
            UnknownName: there is no such metric or kind.
            UsageProblem: `against` without another report, or of other signatures.
            MissingDependency: matplotlib is not installed.
        """
        from kldeval.api.plots import plot_against, plot_histogram, plot_worst

        key = next(iter(self), "") if metric is None else metric
        self[key]
        if kind == "histogram":
            return plot_histogram(self, key, ax)
        if kind == "worst":
            return plot_worst(self, key, worst, ax)
        if kind != "against":
            raise unknown("kind of plot", kind, ("histogram", "worst", "against"))
        if other is None:
            msg = "plot('against') draws the maps of two reports: say other=REPORT"
            raise UsageProblem(msg)
        return plot_against({"this": self, "other": other}, key, ax)

    def _lines(self) -> list[str]:
        failed = {failure.name for failure in self.failures if not failure.metric}
        parts = [count(len(self.scores), "map"), *([f"{len(failed)} failed"] if failed else []), self.short]
        lines = [f"Report({', '.join(parts)})"]
        for key, summary in list(self.summaries.items())[:MOST_LINES]:
            lines.append(f"  {key}: {'no number' if summary.mean is None else f'{summary.mean:.6g}'}")
        if len(self.summaries) > MOST_LINES:
            lines.append(f"  and {count(len(self.summaries) - MOST_LINES, 'metric')} more")
        return lines


MOST_LINES = 6
"""So many metrics or models the text that stands for a document names."""


@final
class Leaderboard(Pictured, documents.Leaderboard):
    """The reports of several models on the maps that all of them have; `leaderboard["model"]["kld"].mean`.

    >>> import numpy as np
    >>> from kldeval import evaluate
    >>> gt = np.asarray([[[1.0, 3.0]], [[1.0, 1.0]]])
    >>> leaderboard = evaluate({"ours": gt, "theirs": gt[::-1]}, gt, metric="sim")
    >>> type(leaderboard).__name__, {model: leaderboard[model]["sim"].mean for model in leaderboard}
    ('Leaderboard', {'ours': 1.0, 'theirs': 0.75})
    """

    __slots__ = ("_origin",)
    _record = documents.Leaderboard

    if TYPE_CHECKING:
        reports: Mapping[str, Report]
        comparison: Comparison | None

    @classmethod
    def of(cls, leaderboard: documents.Leaderboard) -> Leaderboard:
        """A record as a document of the library."""
        held = members(leaderboard)
        held["reports"] = {model: Report.of(report) for model, report in leaderboard.reports.items()}
        if leaderboard.comparison is not None:
            held["comparison"] = Comparison.of(leaderboard.comparison)
        return cls(**held)

    def __getitem__(self, model: str) -> Report:
        """The report of a model."""
        if model not in self.reports:
            raise unknown("model", model, self.reports)
        report = self.reports[model]
        return report if isinstance(report, Report) else Report.of(report)

    def __iter__(self) -> Iterator[str]:
        return iter(self.reports)

    def keys(self) -> tuple[str, ...]:
        """The models."""
        return tuple(self.reports)

    def _models(self) -> Mapping[str, documents.Report]:
        return self.reports

    def to_dict(self) -> dict[str, Any]:
        """The JSON leaderboard as plain values."""
        from kldeval.writers.json import leaderboard_document

        return leaderboard_document(self)

    def to_arrow(self) -> Any:
        """The rows of the maps of every model as a table of pyarrow."""
        from kldeval.writers.parquet import arrow_table

        return arrow_table(self)

    def plot(self, metric: str | None = None, *, against: tuple[str, str] | None = None, ax: Any = None) -> Any:
        """Draw the mean of each model with its interval, or the maps of two models `against` each other.

        Raises:
            UnknownName: there is no such metric or model.
            MissingDependency: matplotlib is not installed.
        """
        from kldeval.api.plots import plot_against, plot_models

        first = self[next(iter(self))]
        key = next(iter(first), "") if metric is None else metric
        first[key]
        if against is not None:
            return plot_against({model: self[model] for model in against}, key, ax)
        return plot_models(self, key, ax)

    def _lines(self) -> list[str]:
        lines = [f"Leaderboard({count(len(self.reports), 'model')})"]
        for model, report in list(self.reports.items())[:MOST_LINES]:
            means = (
                f"{key} {summary.mean:.6g}" for key, summary in report.summaries.items() if summary.mean is not None
            )
            lines.append(f"  {model}: {', '.join(list(means)[:MOST_LINES])}")
        rest = len(self.reports) - MOST_LINES
        return [*lines, *([f"  and {count(rest, 'model')} more"] if rest > 0 else [])]


class Comparison(Saved, documents.ComparisonReport):
    """Models compared pair by pair: `comparison["kld"].pairs` has differences, intervals and p-values.

    >>> import numpy as np
    >>> from kldeval import compare, evaluate
    >>> gt = np.asarray([[[1.0, 3.0]], [[1.0, 1.0]]])
    >>> models = {"ours": evaluate(gt, gt, metric="sim"), "theirs": evaluate(gt[::-1], gt, metric="sim")}
    >>> comparison = compare(models, resamples=100)
    >>> (pair,) = comparison["sim"].pairs
    >>> type(comparison).__name__, pair.first, pair.second, pair.result.mean_difference
    ('Comparison', 'ours', 'theirs', 0.25)
    """

    __slots__ = ()
    _record = documents.ComparisonReport

    def __getitem__(self, metric: str) -> documents.Comparison:
        """The comparison on one metric."""
        if metric not in self.comparisons:
            raise unknown("metric", metric, self.comparisons)
        return self.comparisons[metric]

    def __iter__(self) -> Iterator[str]:
        return iter(self.comparisons)

    def keys(self) -> tuple[str, ...]:
        """The metrics."""
        return tuple(self.comparisons)

    def to_dict(self) -> dict[str, Any]:
        """The JSON comparison as plain values."""
        from kldeval.writers.json import comparison_document

        return comparison_document(self)

    def plot(self, metric: str | None = None, *, ax: Any = None) -> Any:
        """Draw the mean difference of each pair of models with its interval, and return the Axes."""
        from kldeval.api.plots import plot_differences

        key = next(iter(self), "") if metric is None else metric
        return plot_differences(self[key], key, ax)

    def _lines(self) -> list[str]:
        lines = [f"Comparison({', '.join(self.models)}; {count(len(self.maps), 'map')})"]
        for key, comparison in list(self.comparisons.items())[:MOST_LINES]:
            lines += [
                f"  {key}: {pair.first} - {pair.second} = {pair.result.mean_difference:.6g}, p = {pair.adjusted_p:.3g}"
                for pair in comparison.pairs[:MOST_LINES]
            ]
        return lines[: 2 * MOST_LINES]


class Audit(Saved, audit_documents.Audit):
    """Maps under many conventions: `audit.standings["mit"]["model"].mean`, causes, and orders that flip.

    >>> import numpy as np
    >>> from kldeval import audit
    >>> gt = np.asarray([[[1.0, 3.0]], [[1.0, 1.0]]])
    >>> found = audit({"ours": gt[::-1]}, gt, conventions="exact,flatten-softmax")
    >>> type(found).__name__, {name: round(rows["ours"].mean, 6) for name, rows in found.standings.items()}
    ('Audit', {'exact': 0.137327, 'flatten-softmax': 0.380797})
    """

    __slots__ = ()
    _record = audit_documents.Audit
    _of_audits = True

    def to_dict(self) -> dict[str, Any]:
        """The JSON audit as plain values."""
        from kldeval.writers.json import audit_document

        return audit_document(self)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw what each convention makes of each model, and return the Axes."""
        from kldeval.api.plots import plot_audit

        return plot_audit(self, ax)

    def _lines(self) -> list[str]:
        means = [one.mean for rows in self.standings.values() for one in rows.values() if one.mean is not None]
        spread = f"{min(means):.4g} to {max(means):.4g}" if means else "no number"
        found = f"{self.metric} of {', '.join(self.models)} under {count(len(self.conventions), 'convention')}"
        return [f"Audit({found}: {spread})"]


class Identification(Shown, identification.Identification):
    """Which conventions print a published number: `guesses`, best first, or the `nearest` where none does.

    >>> import numpy as np
    >>> from kldeval import identify
    >>> found = identify("0.130812", np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 3.0]]))
    >>> type(found).__name__, "exact" in [guess.convention for guess in found.guesses]
    ('Identification', True)
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain values."""
        from kldeval.writers.small_pages import identification_json

        found: dict[str, Any] = json.loads(identification_json(self))
        return found

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.small_pages import identification_page

        return identification_page(self)

    def _lines(self) -> list[str]:
        best = self.guesses or self.nearest
        names = ", ".join(" ".join((one.convention, *(" ".join(flag) for flag in one.flags))) for one in best[:3])
        verb = "is printed by" if self.guesses else "is printed by nothing that was tried; nearest:"
        return [f"Identification({self.published.text} {verb} {names})"]


class Explanation(Shown, documents.Explanation):
    """One pair step by step: `stages` of both maps, `values`, and the `terms` that make each metric.

    >>> import numpy as np
    >>> from kldeval import explain
    >>> explain(np.asarray([[1.0, 1.0]]), np.asarray([[1.0, 3.0]]), metric="kld")
    Explanation(0: kld 0.130812)
    """

    __slots__ = ()

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.small_pages import explanation_page

        return explanation_page(self)

    def _lines(self) -> list[str]:
        return [f"Explanation({self.name}: {', '.join(f'{key} {value:.6g}' for key, value in self.values.items())})"]


class Inspection(Shown, documents.Inspection):
    """What stands against scoring: `rows` of pairs that could be scored, and `failures`; true where all is well.

    >>> import numpy as np
    >>> from kldeval import check
    >>> found = check(np.ones((2, 3, 4)), np.stack([np.ones((3, 4)), np.zeros((3, 4))]))
    >>> found, bool(found), found.failures[0].code
    (Inspection(1 pair, 1 failed), False, 'empty')
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.rows) and not self.failures

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.small_pages import inspection_page

        return inspection_page(self)

    def _lines(self) -> list[str]:
        return [f"Inspection({count(len(self.rows), 'pair')}, {len(self.failures)} failed)"]


class Methods(Shown, documents.Methods):
    """What a paper says of its numbers: `text`, the `short` signature, the full `signatures`, and `bibtex`.

    >>> from kldeval import methods
    >>> methods(convention="unisal")
    Methods(kldeval:unisal+v1)
    """

    __slots__ = ()

    def __str__(self) -> str:
        from kldeval.writers.small_pages import methods_text

        return methods_text(self).rstrip("\n")

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain values."""
        from kldeval.writers.small_pages import methods_json

        found: dict[str, Any] = json.loads(methods_json(self))
        return found

    def _page(self, options: Options) -> Page:
        del options
        from kldeval.writers.page import Page, Paragraphs
        from kldeval.writers.small_pages import methods_text

        return Page((Paragraphs(tuple(methods_text(self).split("\n\n"))),))

    def _lines(self) -> list[str]:
        return [f"Methods({self.short})"]
