"""The published ways to compute KLD and CE, by name: data made of strings that a user could type.

Goal: every published number is one name away, with the file it comes from and what to beware of.
Conventions: a row computes in float64 even where the original uses float32, and its note says so; constants are the
literals of the source (2.2204e-16 is not 2^-52); a row is one map, whatever the original does with a batch.
Code bases that compute the same are aliases of one row.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import TYPE_CHECKING

from kldeval.conventions import rows
from kldeval.conventions.convention import Convention
from kldeval.grammar import spelt_as, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ALIASES", "CONVENTIONS", "Convention", "convention"]


def _rows() -> Iterator[Convention]:
    """Every convention of the modules of `kldeval.conventions.rows`, by module and then as it stands there."""
    for found in iter_modules(rows.__path__):
        module = import_module(f"{rows.__name__}.{found.name}")
        yield from (value for value in vars(module).values() if isinstance(value, Convention))


_ROWS = tuple(_rows())

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({row.name: row for row in _ROWS})
"""Every convention by its name, in the order of the table."""

ALIASES: Mapping[str, str] = MappingProxyType({alias: row.name for row in _ROWS for alias in row.aliases})
"""The name of the row for every code base that shares one."""


def convention(name: str) -> Convention:
    """The convention that `name`, or an alias of it, stands for, whatever its case, hyphens and underscores.

    >>> convention("TranSalNet").name, convention("EML_Net").name
    ('mit-python', 'eml-net')

    Raises:
        UnknownName: neither a convention nor an alias; the message names the nearest.
    """
    names = [*CONVENTIONS, *ALIASES]
    spelt = name if name in names else spelt_as(name, names)
    if spelt is None:
        raise unknown("convention", name, names)
    return CONVENTIONS[ALIASES.get(spelt, spelt)]
