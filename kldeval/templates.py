"""Names of files as templates: `{video}/maps/{frame:05d}.png` says which part of a path is what.

A field `{word}` stands for a text without slashes, `{name}` for one that may have them, `{frame:05d}` for a whole
number with any number of zeros before it. A field that stands twice must be the same text in both places.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


WHOLE = "name"
"""The field that may hold slashes."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_INSIDE = re.compile(r"(?P<name>[^\W\d]\w*)(?::(?P<format>0?\d*d)(?P<shift>[+-]\d{1,9})?)?")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: its fields in order, each with the format of its number or "", and what it matches.

    A number may be shifted: `{frame:04d+1}` stands for a file whose number is the frame's and 1.

    >>> template = parse_template("{video}/img_{frame:05d}")
    >>> template.values("jump/img_12")
    {'video': 'jump', 'frame': 12}
    >>> template.name({"frame": 12, "video": "jump"})
    'jump/00012'
    >>> parse_template("{frame:04d+1}").values("0013"), parse_template("{frame:04d+1}").name({"frame": 12})
    ({'frame': 12}, '0013')
    """

    text: str
    formats: Mapping[str, str]
    pattern: re.Pattern[str]
    shifts: Mapping[str, int]

    def values(self, path: str) -> dict[str, str | int] | None:
        """The fields of a path that fits the template; None if it does not."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        fields = found.groupdict().items()
        return {name: int(text) - self.shifts[name] if self.formats[name] else text for name, text in fields}

    def name(self, values: Mapping[str, str | int]) -> str:
        """The fields as one name, joined by slashes in the order of this template, numbers in its formats."""
        return "/".join(
            format(int(values[name]) + self.shifts[name], form) if form else str(values[name])
            for name, form in self.formats.items()
        )


def parse_template(text: str, option: str = "template") -> Template:
    """Read a template; `option` is what messages call it.

    Raises:
        UsageProblem: it has no field, a malformed one, one with two formats, or two with nothing between them.
    """
    pieces = _FIELD.split(text)  # literal, field, literal, field, ..., literal
    formats: dict[str, str] = {}
    shifts: dict[str, int] = {}
    pattern = _literal(pieces[0], text, option)
    for place in range(1, len(pieces), 2):
        pattern += _field(pieces[place], formats, shifts, text, option) + _literal(pieces[place + 1], text, option)
        if not pieces[place + 1] and place + 2 < len(pieces):
            raise _problem(text, option, "two fields need some text between them")
    if not formats:
        raise _problem(text, option, "it has no field such as {name}")
    return Template(text, formats, re.compile(pattern), shifts)


def _literal(piece: str, text: str, option: str) -> str:
    if "{" in piece or "}" in piece:
        raise _problem(text, option, "its braces do not match")
    return re.escape(piece)


def _field(inside: str, formats: dict[str, str], shifts: dict[str, int], text: str, option: str) -> str:
    """The pattern of one field, which is noted in `formats` and `shifts`."""
    found = _INSIDE.fullmatch(inside)
    if found is None:
        wrong = f"{{{inside}}} is no field; fields look like {{video}} and, for numbers, {{frame:05d}}"
        raise _problem(text, option, wrong)
    name, form, shift = found["name"], found["format"] or "", int(found["shift"] or 0)
    if name in formats:
        if (formats[name], shifts[name]) != (form, shift):
            raise _problem(text, option, f"the field {name!r} stands there in two forms")
        return f"(?P={name})"
    formats[name], shifts[name] = form, shift
    return f"(?P<{name}>{'[0-9]+' if form else '.+' if name == WHOLE else '[^/]+'})"


def _problem(text: str, option: str, reason: str) -> UsageProblem:
    return UsageProblem(f"{option} {text!r}: {reason}")


def plain_template(formats: Mapping[str, str]) -> str:
    """The template of names that these fields form: all of them, joined by slashes.

    >>> plain_template({"video": "", "frame": "05d"})
    '{video}/{frame:05d}'
    """
    return "/".join(f"{{{name}:{form}}}" if form else f"{{{name}}}" for name, form in formats.items())


def check_fields(pred: Template, gt: Template, options: tuple[str, str] = ("--pred-name", "--gt-name")) -> None:
    """Refuse two templates that do not speak of the same fields.

    Raises:
        UsageProblem: a field is in one alone, or is a number in one and a text in the other.
    """
    both = f"{options[0]} {pred.text!r} and {options[1]} {gt.text!r}"
    lone = sorted(pred.formats.keys() ^ gt.formats.keys())
    if lone:
        raise UsageProblem(f"{both} must have the same fields; only one of them has {', '.join(map(repr, lone))}")
    mixed = [name for name, form in pred.formats.items() if bool(form) != bool(gt.formats[name])]
    if mixed:
        msg = f"the field {mixed[0]!r} is a number in one of {both} alone"
        raise UsageProblem(f"{msg}; write {{{mixed[0]}:d}} in both")


PARENT, MANIFEST = "parent", "manifest"

OPTION = "--group-by"

_RESERVED = "|()"
"""What has a meaning in a signature, where the pattern stands."""


def check_grouping(group_by: str) -> None:
    """Refuse a text that says no grouping.

    Raises:
        UsageProblem: it is neither `parent` nor `manifest` nor a template such as `{video}_{frame:03d}`.
    """
    if group_by in (PARENT, MANIFEST):
        return
    if "{" not in group_by:
        msg = (
            f"{OPTION} {group_by!r} is none of {PARENT} (the folder of a map), {MANIFEST} (as the manifest or the "
            "saved report says) and a template of the names such as '{video}_{frame:03d}', whose field 'group', or "
            "else the first, is the group"
        )
        raise UsageProblem(msg)
    if any(character in group_by for character in _RESERVED):
        msg = f"{OPTION} {group_by!r}: the characters {' '.join(_RESERVED)} cannot stand in it"
        raise UsageProblem(msg)

    parse_template(group_by, OPTION)


def groups_of(group_by: str, recorded: Mapping[str, str]) -> dict[str, str]:
    """The group of every name of `recorded`, which has the groups of a manifest or a report ("" where there is none).

    >>> groups_of("parent", {"jump/0001": "", "run/0001": ""})
    {'jump/0001': 'jump', 'run/0001': 'run'}
    >>> groups_of("{video}_{frame:03d}", {"long_jump_001": ""})
    {'long_jump_001': 'long_jump'}

    Raises:
        UsageProblem: the text says no grouping, or some names have no group by it.
    """
    group_of = grouping(group_by, recorded)
    check_groups(group_by, recorded, group_of)
    return {name: group_of(name) for name in recorded}


def grouping(group_by: str, recorded: Mapping[str, str]) -> Callable[[str], str]:
    """What tells the group of a name, "" where it has none; `recorded` are the groups of a manifest or a report.

    Raises:
        UsageProblem: the text says no grouping.
    """
    check_grouping(group_by)
    if group_by == MANIFEST:
        return recorded.__getitem__
    if group_by == PARENT:
        return _parent
    template = parse_template(group_by, OPTION)
    field = "group" if "group" in template.formats else next(iter(template.formats))
    return partial(_field_of, template, field)


def check_groups(group_by: str, names: Iterable[str], group_of: Callable[[str], str]) -> None:
    """Refuse names without a group.

    Raises:
        UsageProblem: there are some.
    """
    n, lacking = 0, list[str]()
    for n, name in enumerate(names, 1):  # noqa: B007 - the last number is how many there are
        if not group_of(name):
            lacking.append(name)
    refuse_without_group(group_by, lacking, n)


def refuse_without_group(group_by: str, lacking: Sequence[str], n: int) -> None:
    """Refuse names without a group, of `n` names.

    Raises:
        UsageProblem: there are some.
    """
    if lacking:
        msg = f"{OPTION} {group_by}: {len(lacking)} of {n} maps have no group (such as {min(lacking)!r})"
        raise UsageProblem(msg)


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _field_of(template: Template, field: str, name: str) -> str:
    found = template.values(name)
    return "" if found is None else format(found[field], template.formats[field])
