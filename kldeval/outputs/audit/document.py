"""The audit as JSON: everything, at full precision, one convention or map a line; see docs/audit.schema.json."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from kldeval.results.audit import AUDIT_SCHEMA

if TYPE_CHECKING:
    from kldeval.outputs.options import Options
    from kldeval.results.audit import Audit, AuditedMap, Curve, Flip, Side, Standing, Traits


def write(audit: Audit, options: Options) -> str:
    """The audit as strict JSON in ASCII, which any parser in any locale reads."""
    del options
    members = (f"  {_text(key)}: {_block(value)}" for key, value in document(audit).items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def document(audit: Audit) -> dict[str, Any]:
    """The audit as plain values."""
    return {
        "schema": AUDIT_SCHEMA,
        "provenance": dict(audit.provenance),
        "models": list(audit.models),
        "reference": audit.reference,
        "conventions": {name: _convention(audit, name, traits) for name, traits in audit.conventions.items()},
        "groups": [list(group) for group in audit.groups],
        "causes": {
            model: [{"name": cause.name, "text": cause.text, "by_definition": cause.by_definition} for cause in causes]
            for model, causes in audit.causes.items()
        },
        "flips": [_flip(flip) for flip in audit.flips],
        "intervals": {"confidence": audit.confidence, "resamples": audit.resamples, "seed": audit.seed},
        "kendall_tau": {name: dict(row) for name, row in audit.agreement.items()},
        "eps_curve": _curve(audit.curve) if audit.curve else None,
        "maps": {model: [_map(one) for one in maps] for model, maps in audit.maps.items()},
        "failures": {
            model: [{"name": one.name, "stage": one.stage, "message": one.message} for one in failures]
            for model, failures in audit.failures.items()
        },
        "notes": list(audit.notes),
    }


def _convention(audit: Audit, name: str, traits: Traits) -> dict[str, Any]:
    return {
        "signature": traits.signature,
        "short": traits.short,
        "formula": traits.formula,
        "models": {model: _standing(standing) for model, standing in audit.standings[name].items()},
    }


def _standing(standing: Standing) -> dict[str, Any]:
    counts = {"n": standing.n, "n_nonfinite": standing.n_nonfinite, "n_refused": standing.n_refused}
    return {"mean": _number(standing.mean), "ratio": _number(standing.ratio), "rank": standing.rank, **counts}


def _flip(flip: Flip) -> dict[str, Any]:
    return {
        "first": flip.first,
        "second": flip.second,
        "decisive": flip.decisive,
        "first_better": [_side(side) for side in flip.first_better],
        "second_better": [_side(side) for side in flip.second_better],
    }


def _side(side: Side) -> dict[str, Any]:
    interval = None if side.interval is None else list(side.interval)
    return {"convention": side.convention, "difference": _number(side.difference), "interval": interval}


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "eps": list(curve.epsilons),
        "n": curve.n,
        "models": {
            model: {
                "kld": [_number(value) for value in values],
                "slope": [_number(value) for value in curve.slope[model]],
                "uncovered_mass": curve.uncovered_mass[model],
            }
            for model, values in curve.kld.items()
        },
    }


def _map(one: AuditedMap) -> dict[str, Any]:
    return {
        "name": one.name,
        "kld": {name: _number(value) for name, value in one.values.items()},
        "refused": dict(one.refusals),
        "n_uncovered": one.n_uncovered,
        "uncovered_mass": one.uncovered_mass,
    }


def _number(value: float | None) -> float | str | None:
    """The number, or its name in quotes where JSON has no number for it."""
    return value if value is None or math.isfinite(value) else str(float(value))


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _block(value: Any) -> str:
    """A list or an object with a line for each member; anything else on one line."""
    if isinstance(value, dict) and value:
        return "{\n" + ",\n".join(f"    {_text(key)}: {_text(item)}" for key, item in value.items()) + "\n  }"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(f"    {_text(item)}" for item in value) + "\n  ]"
    return _text(value)
