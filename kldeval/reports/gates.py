"""Gates: conditions on a report under which a pipeline must stop, written `kld>1.2` or `cc.mean<0.5`."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import fields
from typing import TYPE_CHECKING

from kldeval.dataclass import NamedTuple, dataclass
from kldeval.errors import UnknownName, UsageProblem
from kldeval.grammar import did_you_mean
from kldeval.reports.documents import GateOutcome, Summary
from kldeval.reports.moments import exact_mean
from kldeval.reports.significance import is_enumerated, max_statistic_p_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kldeval.reports.documents import Report, Resampling
    from kldeval.reports.rows import RowsReport


FAILURES = "failures"
"""The key that stands for the number of failed maps; it has no statistic."""

STATISTICS = tuple(field.name for field in fields(Summary) if field.name != "interval")

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_FORM = re.compile(r"(?P<subject>[^<>]+?)\s*(?P<operator>>=|<=|>|<)\s*(?P<threshold>[^<>=]+)")
_SUBJECT = re.compile(r"(?P<key>[^.()=]+(?:\(.*\))?)(?:\.(?P<statistic>[^.()]*))?")


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that must not hold; it fires if it does. `statistic` is "" for `failures`."""

    text: str
    key: str
    statistic: str
    operator: str
    threshold: float


def parse_gate(text: str) -> Gate:
    """Read `KEY[.STATISTIC] OPERATOR NUMBER`; the statistic is the mean if none is named.

    Raises:
        UsageProblem: the text has another form, an unknown statistic, or no number after the operator.

    >>> parse_gate("kld.max>=3")
    Gate(text='kld.max>=3', key='kld', statistic='max', operator='>=', threshold=3.0)
    """
    form = _FORM.fullmatch(text.strip())
    subject = _SUBJECT.fullmatch(form["subject"]) if form else None
    if form is None or subject is None:
        msg = f"gate {text!r} is not of the form METRIC>NUMBER, such as kld>1.2, cc.mean<0.5 or failures>0"
        raise UsageProblem(msg)
    statistic = _statistic(text, subject["key"], subject["statistic"])
    return Gate(text, subject["key"], statistic, form["operator"], _threshold(text, form["threshold"]))


def check_gates(gates: Iterable[Gate], keys: Iterable[str]) -> None:
    """Refuse gates on metrics that a report will not have; worth asking before anything is scored.

    Raises:
        UnknownName: naming every such gate.
    """
    known = [*keys, FAILURES]
    wrong = [gate for gate in gates if gate.key not in known]
    if wrong:
        problems = (f"gate {gate.text!r}: no metric {gate.key!r}{did_you_mean(gate.key, known)}" for gate in wrong)
        msg = f"{'; '.join(problems)}; known: {', '.join(known)}"
        raise UnknownName(msg)


def evaluate_gates(gates: Iterable[Gate], report: Report | RowsReport) -> tuple[GateOutcome, ...]:
    """The outcome of every gate, in the order given. A value that is nan or absent fires.

    Raises:
        UnknownName: a gate is on a metric that the report does not have.
    """
    every = tuple(gates)
    check_gates(every, report.summaries)
    return tuple(_evaluate(gate, report) for gate in every)


def _evaluate(gate: Gate, report: Report | RowsReport) -> GateOutcome:
    value = len(report.failures) if gate.key == FAILURES else getattr(report.summaries[gate.key], gate.statistic)
    undefined = value is None or math.isnan(value)
    return GateOutcome(gate.text, value, undefined or _OPERATORS[gate.operator](value, gate.threshold))


def _statistic(text: str, key: str, statistic: str | None) -> str:
    if key == FAILURES:
        if statistic is None:
            return ""
        msg = f"gate {text!r}: failures is a number of maps and has no statistic, as in failures>0"
        raise UsageProblem(msg)
    chosen = "mean" if statistic is None else statistic
    if chosen not in STATISTICS:
        hint = did_you_mean(chosen, STATISTICS)
        msg = f"gate {text!r}: no statistic {chosen!r}{hint}; known: {', '.join(STATISTICS)}"
        raise UsageProblem(msg)
    return chosen


def _threshold(text: str, number: str) -> float:
    try:
        threshold = float(number)
    except ValueError:
        threshold = math.nan
    if math.isnan(threshold):
        msg = f"gate {text!r}: {number.strip()!r} is not a number to compare with, such as 1.2"
        raise UsageProblem(msg)
    return threshold


class Rival(NamedTuple):
    """Another model and a metric: on each unit (map or group), by its name, the new model's value minus the other's.

    `best` is `low` or `high`.
    """

    key: str
    model: str
    best: str
    differences: Mapping[str, float]


def worse_than(new: str, rivals: Sequence[Rival], unit: str, resampling: Resampling) -> tuple[GateOutcome, ...]:
    """The gate of each metric and rival, in their order; its value is the mean difference, new minus other.

    Each is of the units that have it; the signs of all are flipped together. One that is not finite fires.

    Raises:
        UsageProblem: so few units, or resamples, cannot reach the level.
    """
    import numpy as np

    level = (1 - resampling.confidence) / 2
    check_reach(min(len(rival.differences) for rival in rivals), unit, level, resampling.resamples)
    names = sorted(set().union(*(rival.differences for rival in rivals)))
    # a unit without the metric adds nothing to its statistic, whatever its sign
    units = np.array([[rival.differences.get(name, 0.0) for rival in rivals] for name in names], dtype=np.float64)
    finite = np.asarray(np.isfinite(units).all(axis=0))
    worsening = units * [1.0 if rival.best == "low" else -1.0 for rival in rivals]
    p_values = np.zeros(len(rivals))
    if finite.any():
        drawn = resampling.resamples, resampling.seed
        p_values[finite] = max_statistic_p_values(worsening[:, finite], *drawn, one_sided=True)
    outcomes = []
    for place, rival in enumerate(rivals):
        text = f"{rival.key}: {new} is worse than {rival.model}"
        p = float(p_values[place])
        if finite[place]:
            mean = exact_mean(rival.differences.values())
            outcomes.append(GateOutcome(text, mean, fired=p <= level, p_value=p))
        else:
            outcomes.append(GateOutcome(text, None, fired=True))
    return tuple(outcomes)


def check_reach(n: int, unit: str, level: float, resamples: int) -> None:
    """Refuse a gate that could not fire: the smallest one-sided p-value of n units is 2^-n.

    Raises:
        UsageProblem: saying how many units would do, or how many resamples.
    """
    if not is_enumerated(n, resamples) and 1 / (resamples + 1) > level:
        least = math.ceil(1 / level * (1 - 1e-12)) - 1
        msg = f"--fail-if-worse at {100 * level:.3g} % (one-sided) needs --resamples {least} at least"
        raise UsageProblem(msg)
    if 2.0 ** -min(n, 1000) > level:
        here = f"{n} {unit if n > 1 else unit.removesuffix('s')}"
        msg = (
            f"--fail-if-worse cannot fire: {here} cannot show at {100 * level:.3g} % (one-sided) that one is worse; "
            f"{math.ceil(-math.log2(level))} do"
        )
        raise UsageProblem(msg)
