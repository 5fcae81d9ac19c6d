"""Settings as a signature, and back: `kld(...)|pred:sum-to-one|gt:sum-to-one|scale:unit|...|v:1`.

The parts always stand in the same order. A part beyond those below stands only when it is not at its default. The
short form, for papers, is `kldeval:NAME+v1` where the settings are those of a named convention, else eight hex digits.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kldeval._version import DEFINITIONS
from kldeval.errors import UsageProblem
from kldeval.grouping import PARENT
from kldeval.names import among, format_value, split_top_level
from kldeval.settings import CHOICES, Settings, alone, make_settings
from kldeval.settings.beside import FIELDS, FIXATIONS
from kldeval.settings.described import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTS = ("pred", "gt", "scale", "resize", "color", "empty", "base", "reduce", "maps", "dtype")
"""The parts between the metrics and the version, in order."""

OPTIONAL = {
    "baseline": "none",
    "density": "",
    "fixations": "read",
    "groups": PARENT,
    "mask": "none",
    "other": "none",
    "weights": "none",
}
"""The parts that stand before the version where they are not at their default, in order."""

_NEEDED = (*PARTS, "v")
_KNOWN = (*_NEEDED, *OPTIONAL)

SHORT = "kldeval:"
"""What a short signature begins with."""


def format_signature(settings: Settings) -> str:
    """The full signature: the metrics, every part, and the version of the definitions."""
    texts = describe(settings)
    texts["reduce"] = texts["reduction"]
    texts["empty"] = _format_empty(settings.empty_gt, settings.empty_pred)
    parts = [*PARTS, *(part for part, default in OPTIONAL.items() if texts[part] != default)]
    return "|".join([texts["metrics"], *(f"{part}:{texts[part]}" for part in parts), f"v:{DEFINITIONS}"])


def signatures(settings: Settings) -> dict[str, str]:
    """The signature of each metric by its key, of what moves that metric."""
    pairs = zip(settings.keys, settings.metrics, strict=True)
    return {key: format_signature(alone(settings, call)) for key, call in pairs}


def parse_signature(text: str) -> Settings:
    """The settings that a signature stands for, exactly: `parse_signature(format_signature(x)) == x`.

    The short form of a convention, `kldeval:mit+v1`, stands for that convention's `kld` and `ce`.

    Raises:
        UsageProblem: a part is unknown, missing or given twice, the version of the definitions is another, or the text
            is a short form of eight digits.
    """
    if text.strip().startswith(SHORT):
        return _parse_short(text.strip())
    metrics, *rest = split_top_level(text.strip(), "|")
    parts = _split_parts(rest)
    version = parts["v"]
    if version != str(DEFINITIONS):
        msg = f"the signature's part 'v:{version}' is another version of the definitions; here they are v:{DEFINITIONS}"
        raise UsageProblem(msg)
    if parts["maps"] not in CHOICES["maps"]:
        known = ", ".join(f"maps:{name}" for name in CHOICES["maps"])
        msg = f"the signature's part 'maps:{parts['maps']}' is unknown; known: {known}"
        raise UsageProblem(msg)
    if "groups" in parts and parts["maps"] != "groups":
        msg = f"the signature's part 'groups:{parts['groups']}' has no meaning under 'maps:{parts['maps']}'"
        raise UsageProblem(msg)
    empty_gt, empty_pred = _parse_empty(parts["empty"])
    explicit = ",".join(call if "(" in call else f"{call}()" for call in split_top_level(metrics, ","))
    texts = {"metric": explicit, "pred_norm": parts["pred"], "gt_norm": parts["gt"], "reduction": parts["reduce"]}
    texts |= {"empty_gt": empty_gt, "empty_pred": empty_pred}
    texts |= {key: parts[key] for key in ("scale", "resize", "color", "base", "maps", "dtype")}
    texts |= {name: parts[field] for name, field in FIELDS.items() if field in parts}
    found = make_settings({**texts, **_reading(parts), "group_by": parts.get("groups")}, complete=True)
    return replace(found, density=parts["density"]) if "density" in parts else found


def _parse_short(text: str) -> Settings:
    """The settings behind `kldeval:NAME+v1`."""
    from kldeval.conventions import convention

    name, _, version = text.removeprefix(SHORT).partition("+v")
    if version != str(DEFINITIONS):
        found = f"v{version} is another version of the definitions" if version else "it ends in no version"
        msg = f"the short signature {text!r}: {found}; here they are v{DEFINITIONS}, as in {SHORT}mit+v{DEFINITIONS}"
        raise UsageProblem(msg)
    if re.fullmatch("[0-9a-f]{8}", name):
        msg = (
            f"the short signature {text!r} is a digest, which cannot be turned back into settings; "
            "give the full signature, which stands beside it in every report"
        )
        raise UsageProblem(msg)
    return make_settings({}, convention=convention(name).texts)


def short_signature(settings: Settings) -> str:
    """The form for papers: a convention's name where one matches, else eight hex digits of the full text."""
    from kldeval.matching import matching_convention

    return f"{SHORT}{matching_convention(settings) or _digest(settings)}+v{DEFINITIONS}"


def _digest(settings: Settings) -> str:
    from hashlib import sha256

    from kldeval.signature_parts import with_fixations

    # of a part of the data, the definitions are the same
    return sha256(with_fixations(format_signature(settings), 0).encode()).hexdigest()[:8]


def _split_parts(rest: list[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in rest:
        name, _, value = piece.partition(":")
        fault = _fault(name, value, parts)
        if fault:
            msg = f"the signature's part {piece!r} {fault}"
            raise UsageProblem(msg)
        parts[name] = value
    missing = [name for name in _NEEDED if name not in parts]
    if missing:
        msg = f"the signature lacks {', '.join(missing)}; after the metrics it needs {', '.join(_NEEDED)}"
        raise UsageProblem(msg)
    return parts


def _fault(name: str, value: str, parts: Mapping[str, str]) -> str | None:
    if name not in _KNOWN:
        return f"is unknown{among(name, _KNOWN)}"
    if name in parts:
        return "stands there twice"
    return None if value else "has no value"


def _reading(parts: Mapping[str, str]) -> dict[str, str]:
    """What a signature says of the reading of fixations, as texts of options."""
    if "fixations" not in parts:
        return {}
    return {f"fixation_{name}": format_value(value) for name, value in FIXATIONS.parse(parts["fixations"]).arguments}


def _format_empty(gt: str, pred: str) -> str:
    return "error" if gt == pred == "error" else f"gt={gt},pred={pred}"


def _parse_empty(text: str) -> tuple[str, str]:
    if text == "error":
        return "error", "error"
    given = [side.partition("=")[::2] for side in text.split(",")]
    sides = dict(given)
    if set(sides) != {"gt", "pred"} or len(given) > len(sides):
        msg = f"the signature's part 'empty:{text}' is not of the form empty:error or empty:gt=zero,pred=keep"
        raise UsageProblem(msg)
    return sides["gt"], sides["pred"]
