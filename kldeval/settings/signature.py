"""Settings as a signature, and back: `kld(...)|pred:sum-to-one|gt:sum-to-one|scale:unit|...|v:1`.

The parts always stand in the same order. A part that cannot move a metric by its definition does not stand in that
metric's signature, a part beyond `PARTS` only when it is not at its default. The short form, for papers, is
`kldeval:NAME+v1` where the settings are those of a named convention, `kldeval:NAME-preset+v1` where they are those of a
preset, else eight hex digits of the text.
"""

from __future__ import annotations

import math
import re
from dataclasses import fields, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

from kldeval.conventions import CONVENTIONS
from kldeval.errors import UsageProblem
from kldeval.grammar import format_value, split_call, split_top_level, suggestion
from kldeval.metrics.registry import METRICS, with_epsilon
from kldeval.normalization.chain import format_chain
from kldeval.records import OF_PIXELS
from kldeval.settings.auxiliary import FIELDS, FIXATIONS, chains_for, idle_parts
from kldeval.settings.build import alone, checked, make_settings
from kldeval.settings.metric_options import is_of_pixels, reverse_of
from kldeval.settings.nodata import nodata_texts
from kldeval.settings.settings import CHOICES, Settings
from kldeval.settings.versions import upgraded, version_of
from kldeval.templates import PARENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kldeval.conventions.convention import Convention
    from kldeval.conventions.presets import Preset
    from kldeval.grammar import Call


PARTS = ("pred", "gt", "scale", "resize", "color", "empty", "base", "reduce", "maps", "dtype")
"""The parts between the metrics and the version, in order."""

OPTIONAL = {
    "baseline": "none",
    "context": "",
    "density": "",
    "fixations": "read",
    "groups": PARENT,
    "mask": "none",
    "masks": "",
    "missing": "error",
    "nodata": "",
    "other": "none",
    "weights": "none",
}
"""The parts that stand before the version where they are not at their default, in order."""

_NEEDED = (*PARTS, "v")
_KNOWN = (*_NEEDED, *OPTIONAL)

SHORT = "kldeval:"
"""What a short signature begins with."""


def format_signature(settings: Settings) -> str:
    """The full signature: the metrics, every part that moves one of them, and the version of the definitions."""
    texts = describe(settings)
    texts["reduce"] = texts["reduction"]
    texts["scale"] = _format_scale(settings)
    texts["empty"] = _format_empty(settings.empty_gt, settings.empty_pred)
    idle = frozenset.intersection(*(idle_parts(settings, call) for call in settings.metrics))
    parts = [part for part in PARTS if part not in idle]
    parts += [part for part, default in OPTIONAL.items() if texts[part] != default]
    return "|".join([texts["metrics"], *(f"{part}:{texts[part]}" for part in parts), f"v:{version_of(settings)}"])


def signatures(settings: Settings) -> dict[str, str]:
    """The signature of each metric by its key, of what moves that metric."""
    pairs = zip(settings.keys, settings.metrics, strict=True)
    return {key: format_signature(alone(settings, call)) for key, call in pairs}


def parse_signature(text: str) -> Settings:
    """The settings that a signature stands for, exactly: `parse_signature(format_signature(x)) == x`.

    The short form of a convention or a preset stands for its metrics, `kldeval:mit+v1|kld,cc` for these. A signature of
    an earlier version is read as what it meant.

    Raises:
        UsageProblem: a part is unknown, missing or given twice, a definition is of another version and gone, or the
            text is a short form of eight digits.
    """
    if text.strip().startswith(SHORT):
        return _parse_short(text.strip())
    metrics, *rest = split_top_level(text.strip(), "|")
    parts = _split_parts(metrics, rest)
    version = _version(parts["v"])
    _check_maps(parts)
    empty_gt, empty_pred = _parse_empty(parts["empty"])
    explicit = ",".join(call if "(" in call else f"{call}()" for call in split_top_level(metrics, ","))
    texts = {"metric": explicit, "pred_norm": parts["pred"], "gt_norm": parts["gt"], "reduction": parts.get("reduce")}
    texts |= {"empty_gt": empty_gt, "empty_pred": empty_pred, "base": parts.get("base")}
    texts |= {key: parts[key] for key in ("resize", "color", "maps", "dtype")}
    texts |= _parse_scale(parts["scale"])
    texts |= {"masks": parts["masks"]} if parts.get("masks") else {}
    texts |= {name: parts[field] for name, field in FIELDS.items() if field in parts}
    texts |= {"missing": parts["missing"]} if "missing" in parts else {}
    texts |= nodata_texts(parts["nodata"]) if "nodata" in parts else {}
    found = make_settings({**texts, **_reading(parts), "group_by": parts.get("groups")}, complete=True)
    found = replace(found, density=parts.get("density", ""), context=parts.get("context", ""))
    now = upgraded(found, version)
    if version > 1:
        _check_chains(parts, now)
    return now


MOST_CHOICES = 4096
"""So many settings at most are tried for several signatures: those of one run differ in a few parts."""


def combined(texts: Iterable[str]) -> Settings:
    """The settings of one run that has all these signatures, of one metric each.

    Raises:
        UsageProblem: a signature is wrong, or no single run has them all.
    """
    each = [parse_signature(text) for text in dict.fromkeys(texts)]
    metrics = tuple(dict.fromkeys(call for one in each for call in one.metrics))
    names = [name for name in Settings.__dataclass_fields__ if name != "metrics"]
    # what does not move a metric is at its default there, so that another metric's value is the run's
    choices = {name: list({_text(getattr(one, name)): getattr(one, name) for one in each}.values()) for name in names}
    choices["masks"] += [OF_PIXELS] if len(choices["masks"]) > 1 else []
    if math.prod(map(len, choices.values())) > MOST_CHOICES:
        msg = f"no single run has these {len(each)} signatures, which differ in too much; run each by itself"
        raise UsageProblem(msg)
    for values in product(*choices.values()):
        chosen: dict[str, Any] = dict(zip(names, values, strict=True))
        found = _agreeing(replace(each[0], metrics=metrics, **chosen), each)
        if found:
            return found
    shown = " and ".join(format_signature(one) for one in each)
    msg = f"no single run has these signatures: {shown}; run each by itself, with --signature TEXT"
    raise UsageProblem(msg)


def _agreeing(settings: Settings, each: Iterable[Settings]) -> Settings | None:
    """The settings, if every metric has by itself the settings that its signature says."""
    try:
        found = checked(settings)
        is_one = all(alone(found, call) == alone(one, call) for one in each for call in one.metrics)
    except UsageProblem:
        return None
    return found if is_one else None


def _text(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def short_signature(settings: Settings) -> str:
    """The form for papers: the name of a convention or a preset where one matches, else eight digits of the text."""
    name = matching_convention(settings)
    if name:
        from kldeval.conventions import CONVENTIONS

        return f"{SHORT}{name}+v{CONVENTIONS[name].version}"
    found = matching_preset(settings)
    if found:
        return short_of_preset(found, settings)
    versions = [version_of(alone(settings, call)) for call in settings.metrics]
    return f"{SHORT}{_digest(settings)}+v{max(versions)}"


def short_of_preset(preset: Preset, settings: Settings | None = None) -> str:
    """The short form of a preset, with the names of the metrics where they are not all of its own."""
    from kldeval.conventions.presets import PRESET

    named = f"{SHORT}{preset.name}{PRESET}+v{preset.version}"
    own = preset.names
    names = tuple(call.name for call in settings.metrics) if settings else own
    return named if names == own else f"{named}|{','.join(names)}"


def _parse_short(text: str) -> Settings:
    """The settings behind `kldeval:NAME+v1`, `kldeval:NAME-preset+v1` and either of them with `|METRICS`."""
    from kldeval.conventions.presets import convention_or_preset

    head, bar, metrics = text.removeprefix(SHORT).partition("|")
    name, _, version = head.partition("+v")
    if re.fullmatch("[0-9a-f]{8}", name):
        msg = (
            f"the short signature {text!r} is a digest, which cannot be turned back into settings; "
            "give the full signature, which stands beside it in every report, or the saved report: --signature REPORT"
        )
        raise UsageProblem(msg)
    if bar and not metrics.strip():
        msg = f"the short signature {text!r} names no metric after its '|'"
        raise UsageProblem(msg)
    found = convention_or_preset(name)
    if version != str(found.version):
        said = f"v{version} is another version of the definitions" if version else "it ends in no version"
        msg = (
            f"the short signature {text!r}: {said}; here they are v{found.version}, as in "
            f"{SHORT}{name}+v{found.version}"
        )
        moved = found.moved if version.isdigit() and int(version) < found.version else ""
        raise UsageProblem(f"{msg}. {moved}" if moved else msg)
    return make_settings({"metric": metrics or found.metric}, convention=found.texts)


def _digest(settings: Settings) -> str:
    from hashlib import sha256

    from kldeval.grammar import with_fixation_count

    # of a part of the data, the definitions are the same
    text = format_signature(replace(settings, context=""))
    return sha256(with_fixation_count(text, 0).encode()).hexdigest()[:8]


def _version(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        msg = f"the signature's part 'v:{text}' is no version of the definitions, which are whole numbers"
        raise UsageProblem(msg)
    return int(text)


def _check_maps(parts: Mapping[str, str]) -> None:
    if parts["maps"] not in CHOICES["maps"]:
        known = ", ".join(f"maps:{name}" for name in CHOICES["maps"])
        msg = f"the signature's part 'maps:{parts['maps']}' is unknown; known: {known}"
        raise UsageProblem(msg)
    if "groups" in parts and parts["maps"] != "groups":
        msg = f"the signature's part 'groups:{parts['groups']}' has no meaning under 'maps:{parts['maps']}'"
        raise UsageProblem(msg)


def _check_chains(parts: Mapping[str, str], settings: Settings) -> None:
    """Refuse a chain that moves none of the metrics: who wrote it believes that it does."""
    taken = [chains_for(settings, call) for call in settings.metrics]
    for place, side in enumerate(("pred", "gt")):
        is_idle = all(_text(chains[place]) == "stored" for chains in taken)
        if is_idle and parts[side] != "stored":
            (name, *_) = (call.name for call in settings.metrics)
            msg = (
                f"the signature's part '{side}:{parts[side]}' does not move {name}, whose part is {side}:stored; "
                f"{name}(of=norm) takes what the chain makes"
            )
            raise UsageProblem(msg)


def _split_parts(metrics: str, rest: list[str]) -> dict[str, str]:
    parts: dict[str, str] = {}
    for piece in rest:
        name, _, value = piece.partition(":")
        fault = _fault(name, value, parts)
        if fault:
            msg = f"the signature's part {piece!r} {fault}"
            raise UsageProblem(msg)
        parts[name] = value
    needed = [name for name in _NEEDED if name not in _idle_for(metrics, parts)]
    missing = [name for name in needed if name not in parts]
    if missing:
        msg = f"the signature lacks {', '.join(missing)}; after the metrics it needs {', '.join(needed)}"
        raise UsageProblem(msg)
    return parts


def _idle_for(metrics: str, parts: Mapping[str, str]) -> frozenset[str]:
    """The parts that may be missing after these metrics; none where a metric is unknown."""
    from kldeval.settings.auxiliary import idle_parts_of

    is_labels = parts.get("gt", "").partition("(")[0] == "labels"
    names = [split_call(text)[0] for text in split_top_level(metrics, ",")]
    return frozenset.intersection(*(idle_parts_of(name, is_labels=is_labels) for name in names))


def _fault(name: str, value: str, parts: Mapping[str, str]) -> str | None:
    if name not in _KNOWN:
        return f"is unknown{suggestion(name, _KNOWN)}"
    if name in parts:
        return "stands there twice"
    return None if value else "has no value"


def _reading(parts: Mapping[str, str]) -> dict[str, str]:
    """What a signature says of the reading of fixations, as texts of options."""
    if "fixations" not in parts:
        return {}
    call = FIXATIONS.parse(parts["fixations"])
    scale = {"fixation_on": "stored"} if "threshold" in call.keywords else {}
    return {**scale, **{f"fixation_{name}": format_value(value) for name, value in call.arguments}}


def _format_scale(settings: Settings) -> str:
    if not settings.raw:
        return settings.scale
    return ",".join(f"{side}={'raw' if side == settings.raw else 'unit'}" for side in ("pred", "gt"))


def _parse_scale(text: str) -> dict[str, str]:
    if "=" not in text:
        return {"scale": text}
    sides = dict(part.partition("=")[::2] for part in text.split(","))
    if set(sides) != {"pred", "gt"}:
        msg = f"the signature's part 'scale:{text}' is not of the form scale:unit or scale:pred=raw,gt=unit"
        raise UsageProblem(msg)
    return {f"{side}_scale": value for side, value in sides.items()}


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


_WORDS = ("scale", "empty_gt", "empty_pred", "base", "reduction", "dtype")
"""The settings that are one word, and that a convention says."""

_SAID = frozenset((*_WORDS, "metrics", "pred", "gt", "resize"))
"""All settings that a convention says; the others it leaves at their defaults."""


def matching_convention(settings: Settings) -> str | None:
    """The name of the convention that these settings are, for those metrics that conventions define.

    Only where every part agrees: the parts that a convention says, and the defaults of all others. Where a chain moves
    none of the metrics it is not asked for.
    """
    others = (item for item in fields(settings) if item.compare and item.name not in {*_SAID, "context"})
    if any(getattr(settings, item.name) != item.default for item in others):
        return None
    if settings.is_labels or all(map(is_of_pixels, settings.metrics)):
        return None  # a convention is about densities
    # texts are compared, which are canonical on both sides: making the settings of every row would take far longer
    idle, resize = _idle(settings), str(settings.resize)
    words = [(word, getattr(settings, word)) for word in _WORDS if word not in idle]
    chains = [format_chain(chain) for chain in (settings.pred, settings.gt)]
    alike = (
        name
        for name, row in CONVENTIONS.items()
        if resize == row.resize
        and all(said == getattr(row, word) for word, said in words)
        and all(text in (of_row, "stored") for text, of_row in zip(chains, (row.pred, row.gt), strict=True))
        and all(_is_of_row(call, row) for call in settings.metrics)
    )
    return next(alike, None)


def matching_preset(settings: Settings) -> Preset | None:
    """The preset whose definitions those of every metric are."""
    from kldeval.conventions.presets import PRESETS

    if settings.is_labels:
        return None
    return next((preset for preset in PRESETS.values() if _is_of_preset(settings, preset)), None)


def _is_of_preset(settings: Settings, preset: Preset) -> bool:
    if not {call.name for call in settings.metrics} <= set(preset.names):
        return False
    whole = _settings_of_preset(preset.name)
    # of whatever data set: the other images are named in full signatures alone
    of_any_data = replace(settings, context="")
    return all(call in whole.metrics and alone(of_any_data, call) == alone(whole, call) for call in settings.metrics)


@cache
def _settings_of_preset(name: str) -> Settings:
    from kldeval.conventions.presets import PRESETS

    texts = PRESETS[name].texts
    return make_settings({"metric": texts["metric"]}, convention=texts)


def _idle(settings: Settings) -> set[str]:
    """The settings that move none of the metrics."""
    idle = frozenset.intersection(*(idle_parts(settings, call) for call in settings.metrics))
    return {{"reduce": "reduction"}.get(part, part) for part in idle} | ({"dtype"} if "reduce" in idle else set())


def _is_of_row(call: Call, row: Convention) -> bool:
    """Whether a metric is as the convention says, or takes no constants: then the densities are all that it needs."""
    said = {text.partition("(")[0]: text for text in (*row.metrics, *row.auxiliary_metrics)}
    if call.name in said:
        return str(call) == said[call.name]
    if call.name == "kld-reverse" and "kld" in said:
        return call == reverse_of(METRICS.parse(said["kld"]))
    return not with_epsilon(call.name, 0.0) and not call.arguments


def describe(settings: Settings) -> dict[str, str]:
    """Every part of the settings as text, in the order of the fields."""
    texts = {}
    for item in (item for item in fields(settings) if item.compare):
        value = getattr(settings, item.name)
        if item.name == "metrics":
            texts[item.name] = ",".join(map(str, value))
        else:
            texts[item.name] = format_chain(value) if isinstance(value, tuple) else str(value)
    return texts
