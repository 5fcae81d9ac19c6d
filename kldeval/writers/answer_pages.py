"""The pages and JSON of questions that are asked of an evaluation: `reproduce`, `fit`, `optimal`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kldeval.errors import count
from kldeval.reports.fitting import FIT_SCHEMA
from kldeval.reports.json_numbers import json_interval, json_number
from kldeval.reports.optimal_maps import OPTIMAL_SCHEMA
from kldeval.reports.reproduction import REPRODUCTION_SCHEMA
from kldeval.writers.json import as_json, failure_row
from kldeval.writers.page import (
    Cell,
    MissingMaps,
    Notes,
    Page,
    Paragraphs,
    Signatures,
    Table,
    filled,
    missing_of,
    plain_heads,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.reports.fitting import Fitted
    from kldeval.reports.optimal_maps import OptimalMaps
    from kldeval.reports.reproduction import Reproduction
    from kldeval.writers.page import Block

SHOWN = 20
"""Differences that people see; JSON has all."""


def reproduction_json(found: Reproduction) -> str:
    """A reproduction as JSON: everything that was compared."""
    return as_json(
        {
            "schema": REPRODUCTION_SCHEMA,
            "file": found.file,
            "source": found.source,
            "agrees": found.agrees,
            "signatures": list(found.signatures),
            "maps": found.n_maps,
            "numbers": found.n_numbers,
            "same": found.n_same,
            "largest_relative_difference": json_number(found.largest),
            "tolerance": found.tolerance,
            "differences": [
                {"kind": one.kind, "name": one.name, "saved": one.saved, "now": one.now} for one in found.differences
            ],
            "provenance": dict(found.provenance),
            "notes": list(found.notes),
        }
    )


def reproduction_page(found: Reproduction) -> Page:
    """Whether all digits agree, and what differs."""
    return Page(filled(_reproduction_blocks(found)))


def _reproduction_blocks(found: Reproduction) -> Iterator[Block]:
    within = f" within {found.tolerance:g}" if found.tolerance else " in every digit"
    numbers = f"{found.n_same} of {count(found.n_numbers, 'number')} agree{within}"
    verdict = "reproduced" if found.agrees else "not reproduced"
    lines = (f"{verdict}: {numbers}, of {count(found.n_maps, 'map')}", *((found.source,) if found.source else ()))
    yield Paragraphs(lines, title=found.file)
    if found.differences:
        rows = tuple(tuple(map(Cell, (one.kind, one.name, one.saved, one.now))) for one in found.differences[:SHOWN])
        yield Table(plain_heads("text", "differs", "what", "saved", "now"), rows)
    more = len(found.differences) - SHOWN
    notes = (f"{more} more differences; --format json has all",) if more > 0 else ()
    largest = (f"the largest relative difference of a number is {found.largest:.2g}",) if found.largest else ()
    yield Notes((*notes, *largest, *found.notes))
    yield Signatures((), found.signatures)


def fit_json(found: Fitted) -> str:
    """The chain, what it is worth, and every held-out map."""
    return as_json(
        {
            "schema": FIT_SCHEMA,
            "chain": found.chain,
            "parameters": {name: json_number(value) for name, value in found.parameters.items()},
            "before": json_number(found.before),
            "after": json_number(found.after),
            "share": json_number(found.share),
            "interval": json_interval(found.interval),
            "units": found.units,
            "folds": list(found.folds),
            "signature": found.signature,
            "maps": [
                {
                    "name": row.name,
                    "fold": row.fold,
                    "before": json_number(row.before),
                    "after": json_number(row.after),
                }
                for row in found.maps
            ],
            "failures": [failure_row(one) for one in found.failures],
            "provenance": dict(found.provenance),
            "notes": list(found.notes),
        }
    )


def fit_page(found: Fitted) -> Page:
    """What goes away on held-out maps, and the chain to use."""
    return Page(filled(_fit_blocks(found)))


def _fit_blocks(found: Fitted) -> Iterator[Block]:
    interval = "" if found.interval is None else f" [{found.interval[0]:.1%}, {found.interval[1]:.1%}]"
    said = (
        f"{found.share:.1%}{interval} of the KLD of held-out {found.units} goes away: {found.before:.4f} as it is, "
        f"{found.after:.4f} under the chain of the other folds"
    )
    yield Paragraphs((said,), title=f"KLD of {count(len(found.maps), 'map')} in {count(len(found.folds), 'fold')}")
    heads = plain_heads("text", "part", "value", "is")
    rows = tuple(tuple(map(Cell, (name, f"{found.parameters[name]:.3g}", meaning))) for name, meaning in _PARTS.items())
    yield Table(heads, rows, "fitted on all maps")
    yield Paragraphs((f"--pred-norm '{found.chain}'",), title="to use it")
    missing = missing_of(found.failures)
    yield MissingMaps(f"{count(len(missing), 'map')} had no part in it", missing, SHOWN)
    yield Notes(found.notes)
    yield Signatures((), (found.signature,))


_PARTS = {
    "temperature": "p^(1/t): above 1 flattens, below sharpens (1: none)",
    "blur": "the standard deviation of a Gaussian, in pixels (below 0.3: none)",
    "centre": "that of a centred Gaussian factor, as a share of the sides (above 3: none)",
    "uniform": "the weight of a uniform map",
}


def optimal_json(found: OptimalMaps) -> str:
    """What was made of every prediction."""
    request = found.request
    return as_json(
        {
            "schema": OPTIMAL_SCHEMA,
            "for": request.target,
            "map": found.note,
            "sigma": request.sigma,
            "baseline": None if request.baseline is None else str(request.baseline),
            "n_fixations": request.n_fixations,
            "norm": request.norm,
            "bits": request.bits,
            "seed": request.seed,
            "maps": dict(found.maps),
            "failures": [{"name": one.name, "message": one.message} for one in found.failures],
        }
    )


def optimal_page(found: OptimalMaps) -> Page:
    """What the maps are, and where they stand."""
    title = f"{count(len(found.maps), 'map')} for {found.request.target}: {found.note}"
    rows = tuple((Cell(name), Cell(path)) for name, path in list(found.maps.items())[:SHOWN])
    more = len(found.maps) - SHOWN
    blocks: list[Block] = [Paragraphs((), title=title)]
    if rows:
        blocks.append(Table(plain_heads("text", "prediction", "written to"), rows))
    missing = missing_of(found.failures)
    blocks.append(MissingMaps(f"{count(len(missing), 'map')} could not be made", missing, SHOWN))
    blocks.append(Notes((f"{more} more",) if more > 0 else ()))
    return Page(filled(blocks))
