"""Settings as a signature, and back: `kld(...)|pred:sum-to-one|gt:sum-to-one|scale:unit|...|v:1`.

The parts always stand in the same order. A part beyond those below stands only when it is not at its default. The
short form, for papers, is `kldeval:NAME+v1` where the settings are those of a named convention, else eight hex digits.
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from hashlib import sha256
from typing import TYPE_CHECKING

from kldeval._version import DEFINITIONS
from kldeval.errors import UsageProblem
from kldeval.maps.chain import ends_in_log, format_chain
from kldeval.names import did_you_mean, split_top_level
from kldeval.settings import Settings, default_metric, describe, make_settings

if TYPE_CHECKING:
    from kldeval.conventions import Convention

PARTS = ("pred", "gt", "scale", "resize", "color", "empty", "base", "reduce", "maps", "dtype")
"""The parts between the metrics and the version, in order."""


SHORT = "kldeval:"
"""What a short signature begins with."""


def format_signature(settings: Settings) -> str:
    """The full signature: the metrics, every part, and the version of the definitions."""
    texts = describe(settings)
    texts["reduce"] = texts["reduction"]
    texts["empty"] = _format_empty(settings.empty_gt, settings.empty_pred)
    return "|".join([texts["metrics"], *(f"{part}:{texts[part]}" for part in PARTS), f"v:{DEFINITIONS}"])


def signatures(settings: Settings) -> dict[str, str]:
    """The signature of each metric by its key."""
    pairs = zip(settings.keys, settings.metrics, strict=True)
    return {key: format_signature(replace(settings, metrics=(call,))) for key, call in pairs}


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
    if parts.pop("v") != str(DEFINITIONS):
        msg = f"the signature's part {rest[-1]!r} is another version of the definitions; here they are v:{DEFINITIONS}"
        raise UsageProblem(msg)
    if parts["maps"] != "mean":
        msg = f"the signature's part 'maps:{parts['maps']}' is unknown; known: maps:mean"
        raise UsageProblem(msg)
    empty_gt, empty_pred = _parse_empty(parts["empty"])
    explicit = ",".join(call if "(" in call else f"{call}()" for call in split_top_level(metrics, ","))
    texts = {"metric": explicit, "pred_norm": parts["pred"], "gt_norm": parts["gt"], "reduction": parts["reduce"]}
    texts |= {"empty_gt": empty_gt, "empty_pred": empty_pred}
    texts |= {key: parts[key] for key in ("scale", "resize", "color", "base", "dtype")}
    return make_settings(texts)


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
    name = matching_convention(settings)
    digest = sha256(format_signature(settings).encode()).hexdigest()[:8]
    return f"{SHORT}{name or digest}+v{DEFINITIONS}"


def matching_convention(settings: Settings) -> str | None:
    """The name of the convention that these settings are, for those metrics that conventions define.

    Only where every part agrees: the parts that conventions have, and the defaults of all others.
    """
    from kldeval.conventions import CONVENTIONS

    others = (item for item in fields(settings) if item.name not in _CONVENTIONAL)
    if any(getattr(settings, item.name) != item.default for item in others):
        return None
    return next((name for name, row in CONVENTIONS.items() if _is_row(settings, row)), None)


_CONVENTIONAL = frozenset(
    ("metrics", "pred", "gt", "scale", "resize", "empty_gt", "empty_pred", "base", "reduction", "dtype")
)
"""The settings that a convention says; it leaves the others at their defaults."""

_WORDS = ("scale", "empty_gt", "empty_pred", "base", "reduction", "dtype")


def _is_row(settings: Settings, row: Convention) -> bool:
    # texts are compared, which are canonical on both sides: making the settings of every row would take far longer
    return (
        all(getattr(settings, word) == getattr(row, word) for word in _WORDS)
        and (format_chain(settings.pred), format_chain(settings.gt)) == (row.pred, row.gt)
        and str(settings.resize) == row.resize
        and set(map(str, settings.metrics)) <= _metric_texts(settings, row)
    )


def _metric_texts(settings: Settings, row: Convention) -> set[str]:
    """What each metric of the settings would read under the convention."""
    said = {text.partition("(")[0]: text for text in row.metrics}
    log_domain = ends_in_log(settings.pred)
    return {said.get(call.name) or str(default_metric(call.name, log_domain=log_domain)) for call in settings.metrics}


def _split_parts(rest: list[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in rest:
        name, colon, value = piece.partition(":")
        if not colon or name not in (*PARTS, "v") or name in parts:
            fault = "stands twice" if name in parts else f"is unknown{did_you_mean(name, PARTS)}"
            msg = f"the signature's part {piece!r} {fault}; known: {', '.join((*PARTS, 'v'))}"
            raise UsageProblem(msg)
        parts[name] = value
    missing = [name for name in (*PARTS, "v") if name not in parts]
    if missing:
        msg = f"the signature lacks the part {missing[0]!r}; it needs {', '.join((*PARTS, 'v'))}"
        raise UsageProblem(msg)
    return parts


def _format_empty(gt: str, pred: str) -> str:
    return "error" if gt == pred == "error" else f"gt={gt},pred={pred}"


def _parse_empty(text: str) -> tuple[str, str]:
    if text == "error":
        return "error", "error"
    sides = dict(side.partition("=")[::2] for side in text.split(","))
    if set(sides) != {"gt", "pred"}:
        msg = f"the signature's part 'empty:{text}' is not of the form empty:error or empty:gt=zero,pred=keep"
        raise UsageProblem(msg)
    return sides["gt"], sides["pred"]
