"""The published ways to compute KLD and CE, by name: data made of strings that a user could type.

Goal: every published number is one name away, with the file it comes from and what to beware of.
Conventions: a row computes in float64 even where the original uses float32, and its note says so; constants are the
literals of the source (2.2204e-16 is not 2^-52); a row is one map, whatever the original does with a batch.
Code bases that compute the same are aliases of one row.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from kldeval.conventions import benchmarks, libraries, losses
from kldeval.conventions import other_fields as domains
from kldeval.conventions import softmax_losses as softmaxes
from kldeval.conventions.convention import Convention
from kldeval.grammar import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALIASES", "CONVENTIONS", "Convention", "convention"]


_ROWS = (
    benchmarks.DEFAULT,
    libraries.EXACT,
    benchmarks.MIT,
    benchmarks.MIT_PYTHON,
    benchmarks.TUEBINGEN,
    benchmarks.PYSALIENCY,
    benchmarks.FIXATONS,
    benchmarks.LEDOV_FIRST,
    losses.HD2S,
    losses.EML_NET,
    losses.SAM,
    losses.MSI_NET,
    losses.TWOS_LOSS,
    losses.GAZEGAN,
    losses.ACLNET_PYTORCH,
    losses.ACLNET,
    domains.DREYEVE_LOSS,
    domains.DREYEVE,
    domains.SCOUT_WEIGHTS,
    domains.RAM1N,
    domains.SALIENCY360,
    domains.SALIENT360,
    domains.AFFORDANCE,
    softmaxes.UNISAL,
    softmaxes.SALFBNET,
    softmaxes.FLATTEN_SOFTMAX,
    softmaxes.ROW_SOFTMAX,
    libraries.KERAS,
    softmaxes.TORCH_SUM,
    softmaxes.TORCH_MEAN,
    softmaxes.TORCH_BATCHMEAN,
    libraries.TORCHMETRICS,
    libraries.SCIPY,
)

CONVENTIONS: Mapping[str, Convention] = MappingProxyType({row.name: row for row in _ROWS})
"""Every convention by its name, in the order of the table."""

ALIASES: Mapping[str, str] = MappingProxyType({alias: row.name for row in _ROWS for alias in row.aliases})
"""The name of the row for every code base that shares one."""


def convention(name: str) -> Convention:
    """The convention that `name`, or an alias of it, stands for.

    >>> convention("transalnet").name
    'mit-python'

    Raises:
        UnknownName: neither a convention nor an alias; the message names the closest and lists all.
    """
    row = CONVENTIONS.get(ALIASES.get(name, name))
    if row is None:
        raise unknown("convention", name, [*CONVENTIONS, *ALIASES])
    return row
