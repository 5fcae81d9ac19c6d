"""The group of a map: its video or category, from its name or as a manifest or a saved report gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from kldeval.templates import parse_template

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
    check_grouping(group_by)
    if group_by == MANIFEST:
        found = dict(recorded)
    elif group_by == PARENT:
        found = {name: name.rpartition("/")[0] for name in recorded}
    else:
        found = _by_template(group_by, recorded)
    lacking = sorted(name for name, group in found.items() if not group)
    if lacking:
        msg = f"{OPTION} {group_by}: {len(lacking)} of {len(found)} maps have no group (such as {lacking[0]!r})"
        raise UsageProblem(msg)
    return found


def _by_template(group_by: str, names: Mapping[str, str]) -> dict[str, str]:
    from kldeval.templates import parse_template

    template = parse_template(group_by, OPTION)
    field = "group" if "group" in template.formats else next(iter(template.formats))
    values = {name: template.values(name) for name in names}
    return {
        name: "" if found is None else format(found[field], template.formats[field]) for name, found in values.items()
    }
