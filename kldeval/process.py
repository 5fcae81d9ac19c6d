"""Whether this process may be ended by what it reads: a worker may, because its work is done again elsewhere."""

from __future__ import annotations

_expendable: list[bool] = []


def make_expendable() -> None:
    """Say that nothing is lost with this process but the item that it is at."""
    _expendable.append(True)


def is_expendable() -> bool:
    """Whether libraries that a damaged file might crash may be called here."""
    return bool(_expendable)
