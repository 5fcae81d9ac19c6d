"""Rows of logits as units, as a function: `rows`, and the document that it returns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kldeval.analysis.rows import run_rows
from kldeval.api.failing import OnFailure, check_on_failure, tell
from kldeval.api.progress import shown_progress
from kldeval.api.request import library_call
from kldeval.api.shown import Saved, extra_package
from kldeval.api.sources import folder_of, is_array, is_path
from kldeval.arrays import as_numpy
from kldeval.errors import UsageProblem, count
from kldeval.grammar import unknown
from kldeval.memory import MapInMemory, NamedMaps
from kldeval.parameters import explicit, row_keywords, rows_parameters
from kldeval.reports import rows as documents
from kldeval.wording import in_python, speaks_python

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from kldeval.memory import MapFolder
    from kldeval.writers.page import Options, Page


class Rows(Saved, documents.RowsReport):
    """What is said of rows of logits: `rows["kld"]` has the mean, its standard error and quantiles over all rows.

    `rows.values("kld")` is the number of every row, `rows["same-top"].mean` the share of rows whose most probable entry
    is the same, and `rows.likelihoods` has perplexities where there are labels.

    >>> import numpy as np
    >>> import kldeval
    >>> found = kldeval.rows(np.asarray([[1.0, 2.0], [3.0, 1.0]]), np.asarray([[1.0, 2.0], [1.0, 3.0]]))
    >>> found.n, found.values("kld").round(6).tolist(), found["same-top"].mean
    (2, [0.0, 1.523188], 0.5)
    """

    __slots__ = ()
    _record = documents.RowsReport
    _uncompared = ("provenance", "by_row")  # single rows are not saved

    def __getitem__(self, key: str) -> documents.RowSummary:
        """What is said of a number of all rows; its name in Python, such as `same_top`, is known as well."""
        for name in (key, key.replace("_", "-")):
            if name in self.summaries:
                return self.summaries[name]
        raise unknown("number of rows", key, self.summaries)

    def __iter__(self) -> Iterator[str]:
        return iter(self.summaries)

    def keys(self) -> tuple[str, ...]:
        """The metrics, and what stands beside them."""
        return tuple(self.summaries)

    def values(self, key: str) -> NDArray[np.float64]:
        """The number of every row of all pairs, one after another; nan where its label does not count.

        Raises:
            UnknownName: there is no such number.
            UsageProblem: the document was read from a file, which holds no single rows.
        """
        held = self._table()
        for name in (key, key.replace("_", "-")):
            if name in self.by_row:
                found: NDArray[np.float64] = held[name]
                return found
        raise unknown("number of rows", key, self.by_row)

    def _table(self) -> dict[str, Any]:
        from kldeval.writers.rows_page import rows_table

        return rows_table(self)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document as plain values: the statistics, and no single rows."""
        from kldeval.writers.rows_page import rows_json

        found: dict[str, Any] = json.loads(rows_json(self))
        return found

    def to_pandas(self) -> Any:
        """The rows as a DataFrame of pandas: name, row, and their numbers; `attrs["signature"]` says what made these.

        Raises:
            UsageProblem: the document was read from a file, which holds no single rows.
            MissingDependency: pandas is not installed.
        """
        held = self._table()
        frame = extra_package("pandas", "to_pandas needs pandas", "pandas").DataFrame(held)
        frame.attrs["signature"] = dict(self.signatures)
        return frame

    @speaks_python
    def save(self, path: str | os.PathLike[str], *, precision: int = 4) -> None:  # type: ignore[override] # no pictures
        """Write a file in the format of its suffix: .json, .html, .csv, .tsv, .md, .tex, .txt.

        Args:
            path: the file, which is replaced whole or left as it is.
            precision: digits after the point in tables for people.

        Raises:
            UsageProblem: no format has this suffix, or the file cannot be written.
            MissingDependency: the format needs a package that is not installed.
        """
        from kldeval.writers.files import check_target, write_atomically
        from kldeval.writers.page import Options
        from kldeval.writers.rows_page import format_of_file, rows_text

        format_ = format_of_file(str(path))
        check_target(Path(path))
        write_atomically(path, rows_text(self, format_, Options(precision=precision)))

    def _page(self, options: Options) -> Page:
        from kldeval.writers.rows_page import rows_page

        return rows_page(self, options)

    def _lines(self) -> list[str]:
        failed = [f"{len(self.failures)} failed"] if self.failures else []
        found = f"{count(self.n, 'row')} of {count(len(self.owners), 'map')}"
        lines = [f"Rows({', '.join([found, *failed])})"]
        return [*lines, *(f"  {key}: {one.mean:.6g} ± {one.error:.2g}" for key, one in self.summaries.items())]


@explicit(rows_parameters)
@speaks_python
def rows(
    pred: Any,
    gt: Any,
    *,
    labels: Any = None,
    ignore_index: int | None = None,
    on_failure: OnFailure = "warn",
    progress: bool | Callable[[Any, int], None] = False,
    **options: Any,
) -> Rows:
    """Score rows of logits (T, V), each of which is a unit: D(gt || pred) of their softmaxes, and other metrics.

    Args:
        pred: logits of the prediction: a path, an array (T, V) of numpy, torch or another library, or a list of them.
        gt: those that it is compared with, such as the model before it was quantised.
        labels: which entry of each row is right, whole numbers (T,), for perplexities: a path, an array, or a list.
        ignore_index: the label of rows that do not count for perplexities.
        on_failure: where pairs fail, and the numbers are of the rows of the others: `raise` a RefusedMap, `warn`
            (MapsFailed) or `ignore`; `failures` lists them.
        progress: a bar on standard error, or a function that is told every part and how many there are.
        options: as for `evaluate`; a softmax within rows and `kld` are the defaults.

    Raises:
        UsageProblem: an option is unknown or has no meaning for rows, or what is given cannot be paired.
        RefusedMap: a pair failed, and `on_failure` is `raise`; or an array holds no rows.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> base = rng.normal(size=(100, 50))
    >>> found = rows(base + rng.normal(size=base.shape), base, labels=base.argmax(axis=1))
    >>> found.likelihoods.ratio.value > 1, found["kld"].quantiles[0.999] < found["kld"].quantiles[1.0]
    (True, True)
    """
    check_on_failure(on_failure)
    if not any(options.get(name) for name in ("norm", "pred_norm", "gt_norm", "signature", "convention", "preset")):
        options |= {"norm": "softmax", "axis": options.get("axis") or "-1"}
    if not (options.get("metric") or options.get("signature")):
        options["metric"] = "kld"
    call = library_call({**options, "maps": "rows"}, known=row_keywords())
    sides = _side(pred, "pred"), _side(gt, "gt")
    right = None if labels is None else Path(labels) if is_path(labels) else _side(labels, "labels")
    with shown_progress(progress) as told:
        found = run_rows(
            *sides,
            call.settings,
            call.request,
            labels=right,
            ignore_index=ignore_index,
            progress=told,
        )
    found = replace(found, failures=tuple(replace(one, message=in_python(one.message)) for one in found.failures))
    tell(found.failures, (name for name, _ in found.owners), on_failure)
    return Rows.of(found)


def _side(value: Any, role: str) -> MapFolder | None:
    """One side: paths and lists as of maps, and an array, which holds rows of any number of axes, as one map.

    Raises:
        UsageProblem: it is nothing that rows could come from.
    """
    if value is None:
        msg = f"{role} is missing: rows are compared with those of a ground truth"
        raise UsageProblem(msg)
    if is_array(value):
        return NamedMaps(f"{role} (an array)", {"0": MapInMemory(as_numpy(value), role)})
    return folder_of(value, role)
