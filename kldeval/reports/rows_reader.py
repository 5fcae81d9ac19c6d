"""Saved statistics of rows read back, validated by the published schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kldeval.errors import count
from kldeval.records import Failure
from kldeval.reports.json_reader import refuse, validated
from kldeval.reports.rows import ROWS_SCHEMA, Estimate, Likelihoods, RowsReport, RowSummary

if TYPE_CHECKING:
    from collections.abc import Mapping


def parse_rows(document: object, file: str = "rows") -> RowsReport:
    """The statistics of rows that a decoded JSON value holds; written again, they are the same document.

    Raises:
        UsageProblem: it does not have the form that the published schema describes, or its parts do not agree.
    """
    item = validated(document, ROWS_SCHEMA, file)
    owners = tuple((row["name"], row["rows"]) for row in item["maps"])
    total = sum(n for _, n in owners)
    if total != item["rows"]:
        refuse(file, ["rows"], f"is {item['rows']}, and its maps have {count(total, 'row')}")
    missing = [key for key in item["signature"] if key not in item["summary"]]
    if missing:
        refuse(file, ["summary"], f"lacks {missing[0]}, which has a signature")
    likelihoods = item.get("likelihoods")
    return RowsReport(
        item["signature"],
        item["provenance"],
        item.get("units", dict.fromkeys(item["summary"], "")),
        owners,
        {key: _summary(one) for key, one in item["summary"].items()},
        tuple(
            Failure(one["name"], one["stage"], one["message"], one.get("code", "unknown")) for one in item["failures"]
        ),
        None if likelihoods is None else _likelihoods(likelihoods),
        tuple(item["notes"]),
    )


def _summary(one: Mapping[str, Any]) -> RowSummary:
    quantiles = {float(part): float(value) for part, value in one.get("quantiles", {}).items()}
    return RowSummary(float(one["mean"]), float(one["error"]), quantiles)


def _likelihoods(one: Mapping[str, Any]) -> Likelihoods:
    pred, gt, log_ratio, ratio, shift, shift_rms = (
        Estimate(float(one[key]["mean"]), float(one[key]["error"]))
        for key in ("perplexity", "perplexity_gt", "log_ratio", "ratio", "delta_p", "delta_p_rms")
    )
    return Likelihoods(one["rows"], pred, gt, log_ratio, ratio, float(one["correlation"]), shift, shift_rms)
