"""Charts as geometry: where bars, points, lines and ticks of a drawing stand, in its own coordinates.

The templates draw them as SVG; nothing here knows of text formats. A drawing is `WIDTH` wide; y grows downwards.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kldeval.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from kldeval.reports.reliability import ReliabilityBin, ReliabilityDiagram


WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 30
"""What axes and their labels take of a drawing at each side."""

ROW = 22
"""The height of a row of a chart of rows."""

LABELS = 130
"""The width of the names beside a chart of rows."""

INTERVALS = 8
"""The series of lines that are intervals."""

_SHORT = 18
"""So many letters of a name stand beside a chart; its title tells the whole."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point, a bar or the end of a line: its place, its size, what it is, and the strip that it opens, if any."""

    x: float
    y: float
    text: str
    width: float = 0.0
    height: float = 0.0
    series: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line through places, with its name and the number of its series."""

    places: tuple[tuple[float, float], ...]
    text: str
    series: int = 0

    @property
    def points(self) -> str:
        """The places as an SVG polyline takes them."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.places)


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing: its kind (which the template draws), its title, what it shows in words, and what stands in it."""

    kind: str
    title: str
    text: str
    width: float = WIDTH
    height: float = HEIGHT
    bars: tuple[Mark, ...] = ()
    points: tuple[Mark, ...] = ()
    lines: tuple[Line, ...] = ()
    x_ticks: tuple[Tick, ...] = ()
    y_ticks: tuple[Tick, ...] = ()
    labels: tuple[Mark, ...] = ()
    x_title: str = ""
    y_title: str = ""


def short(name: str) -> str:
    """A name as long as a chart has room for.

    >>> short("a-very-long-name-of-a-model")
    'a-very-l…-a-model'
    """
    return name if len(name) <= _SHORT else f"{name[: _SHORT // 2 - 1]}…{name[-_SHORT // 2 + 1 :]}"


def ticks(low: float, high: float, number: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about so many.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    raw = (high - low) / number
    if not raw > 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12 - math.floor(math.log10(step))) + 0.0 for place in range(first, last + 1)]


def _scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """From numbers between `low` and `high` to places between `start` and `stop`; a single number is in the middle."""
    if not high > low:
        return lambda _: (start + stop) / 2
    return lambda value: start + (value / 2 - low / 2) / (high / 2 - low / 2) * (stop - start)


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The least and the largest, a little apart from the edges."""
    low, high = min(values), max(values)
    room = (high - low) * 0.05 or abs(high) * 0.05 or 0.5
    return (low - room, high + room) if math.isfinite(high - low) else (low, high)


def _x_ticks(low: float, high: float, start: float, stop: float) -> tuple[Tick, ...]:
    place = _scale(low, high, start, stop)
    return tuple(Tick(place(value), f"{value:g}") for value in ticks(low, high))


def histogram(title: str, values: Sequence[float], x_title: str, what: str = "maps") -> Chart | None:
    """How the values of the maps, or of what they are of, are distributed; None where fewer than two are finite."""
    finite = sorted(_finite(values))
    if len(finite) < 2:  # noqa: PLR2004 - one value has no distribution
        return None
    low, high = finite[0], finite[-1]
    edges, counts = _bins(finite)
    x, y = _scale(low, high, LEFT, WIDTH - RIGHT), _scale(0, max(counts), HEIGHT - BOTTOM, TOP)
    bars = tuple(
        Mark(
            x(left), y(number), f"{left:.4g} to {right:.4g}: {number}", x(right) - x(left), HEIGHT - BOTTOM - y(number)
        )
        for left, right, number in zip(edges, edges[1:], counts, strict=False)
    )
    if low == high:
        bars = (Mark((LEFT + WIDTH - RIGHT) / 2 - 10, TOP, f"{low:.4g}: {counts[0]}", 20, HEIGHT - BOTTOM - TOP),)
    odd = len(values) - len(finite)
    text = f"{len(finite)} {what} from {low:.4g} to {high:.4g}" + (f"; {odd} not finite, not drawn" if odd else "")
    y_ticks = tuple(Tick(y(number), f"{number:g}") for number in ticks(0, max(counts), 4) if number == int(number))
    return Chart(
        "histogram", title, text, bars=bars, x_ticks=_x_ticks(low, high, LEFT, WIDTH - RIGHT), y_ticks=y_ticks,
        x_title=x_title, y_title=what,
    )  # fmt: skip


def _bins(ordered: Sequence[float]) -> tuple[list[float], list[int]]:
    """Edges and counts after Freedman and Diaconis (10.1007/BF01025868), at most 40 bins and at least 5."""
    low, high, n = ordered[0], ordered[-1], len(ordered)
    if low == high:
        return [low, high], [n]
    iqr = ordered[(3 * n) // 4] - ordered[n // 4]
    wide = high / 2 - low / 2
    number = wide / (iqr / n ** (1 / 3)) if iqr > 0 else math.sqrt(n)
    number = min(40, max(5, math.ceil(number))) if math.isfinite(number) else 40
    place = _scale(low, high, 0, number)
    counts = [0] * number
    for value in ordered:
        counts[min(number - 1, int(place(value)))] += 1
    edge = _scale(0, number, low, high)
    return [edge(at) for at in range(number + 1)], counts


def forest(
    title: str,
    rows: Sequence[tuple[str, float | None, tuple[float, float] | None]],
    x_title: str,
    *,
    with_zero: bool = False,
) -> Chart | None:
    """A row for each name: its number as a point, its interval as a line; None where no number is finite."""
    ends = _finite([end for _, _, interval in rows if interval for end in interval])
    finite = _finite([value for _, value, _ in rows])
    if not finite:
        return None
    low, high = _span([*finite, *ends, *([0.0] if with_zero else [])])
    x = _scale(low, high, LABELS, WIDTH - RIGHT)
    points, lines, labels = [], [], []
    for place, (name, value, interval) in enumerate(rows):
        y = TOP + ROW * (place + 0.5)
        shown = "no number" if value is None else f"{value:.4g}"
        said = f"{name}: {shown}"
        if interval and all(map(math.isfinite, interval)):
            said += f" [{interval[0]:.4g}, {interval[1]:.4g}]"
            lines.append(Line(((x(interval[0]), y), (x(interval[1]), y)), said))
        if value is not None and math.isfinite(value):
            points.append(Mark(x(value), y, said))
        else:
            said = f"{short(name)}: {shown}"
        labels.append(Mark(LABELS - 8, y, short(name) if value is not None and math.isfinite(value) else said))
    height = TOP + ROW * len(rows) + BOTTOM
    if with_zero:
        lines.insert(0, Line(((x(0.0), TOP), (x(0.0), height - BOTTOM)), "no difference", 9))
    text = "; ".join(label.text for label in points) or "no number is finite"
    ticks_ = _x_ticks(low, high, LABELS, WIDTH - RIGHT)
    return Chart(
        "forest", title, text, height=height, points=tuple(points), lines=tuple(lines), labels=tuple(labels),
        x_ticks=ticks_, x_title=x_title,
    )  # fmt: skip


def scatter(
    title: str, names: Sequence[str], xs: Sequence[float], ys: Sequence[float], axes: tuple[str, str],
    links: Mapping[str, str],
) -> Chart | None:  # fmt: skip
    """A point for each map: one model against another; a point opens the strip of its map, where there is one."""
    finite = [(name, x, y) for name, x, y in zip(names, xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not finite:
        return None
    low, high = _span([value for _, x, y in finite for value in (x, y)])
    size = WIDTH
    x, y = _scale(low, high, LEFT, size - RIGHT), _scale(low, high, size - BOTTOM, TOP)
    points = tuple(Mark(x(a), y(b), f"{name}: {a:.4g}, {b:.4g}", link=links.get(name, "")) for name, a, b in finite)
    diagonal = Line(((x(low), y(low)), (x(high), y(high))), "equal", 9)
    odd = len(names) - len(finite)
    text = f"{len(finite)} maps; on the line both models are equal" + (f"; {odd} not finite, not drawn" if odd else "")
    y_ticks = tuple(Tick(y(value), f"{value:g}") for value in ticks(low, high))
    return Chart(
        "scatter", title, text, height=size, points=points, lines=(diagonal,),
        x_ticks=_x_ticks(low, high, LEFT, size - RIGHT), y_ticks=y_ticks, x_title=axes[0], y_title=axes[1],
    )  # fmt: skip


def slopes(title: str, stations: Sequence[str], ranks: Mapping[str, Sequence[int | None]]) -> Chart:
    """The rank of each model from station to station: lines that cross are models that change places."""
    width = max(WIDTH, LABELS * 2 + 44 * len(stations))
    most = max((rank for found in ranks.values() for rank in found if rank), default=1)
    x, y = _scale(0, max(1, len(stations) - 1), LABELS, width - LABELS), _scale(1, max(2, most), 20, 20 + ROW * most)
    lines, labels, points = [], [], []
    for series, (name, found) in enumerate(ranks.items()):
        places = [(x(at), y(rank)) for at, rank in enumerate(found) if rank is not None]
        said = f"{name}: " + ", ".join(
            f"{rank} under {station}" for station, rank in zip(stations, found, strict=True) if rank is not None
        )
        lines.append(Line(tuple(places), said, series % 8))
        points += [Mark(at, level, said, series=series % 8) for at, level in places]
        if places:
            labels.append(Mark(LABELS - 8, places[0][1], short(name)))
            labels.append(Mark(width - LABELS + 8, places[-1][1], short(name), series=1))
    height = 20 + ROW * most + 110
    x_ticks = tuple(Tick(x(at), name) for at, name in enumerate(stations))
    return Chart(
        "slopes", title, "; ".join(line.text for line in lines), width=width, height=height, lines=tuple(lines),
        points=tuple(points), labels=tuple(labels), x_ticks=x_ticks,
    )  # fmt: skip


def curves(title: str, xs: Sequence[float], ys: Mapping[str, Sequence[float]], axes: tuple[str, str]) -> Chart | None:
    """A line for each name over a logarithmic axis; None where no number is finite."""
    finite = _finite([value for values in ys.values() for value in values])
    if not finite:
        return None
    low, high = _span(finite)
    logs = [math.log10(value) for value in xs]
    x, y = _scale(logs[0], logs[-1], LEFT, WIDTH - RIGHT), _scale(low, high, HEIGHT - BOTTOM, TOP)
    lines = tuple(
        Line(
            tuple((x(at), y(value)) for at, value in zip(logs, values, strict=True) if math.isfinite(value)),
            f"{name}: {values[0]:.4g} at {xs[0]:.0e}, {values[-1]:.4g} at {xs[-1]:.0e}",
            series % 8,
        )
        for series, (name, values) in enumerate(ys.items())
    )
    decades = [power for power in range(math.ceil(logs[0]), math.floor(logs[-1]) + 1) if power % 4 == 0]
    x_ticks = tuple(Tick(x(power), f"1e{power:+03d}") for power in decades)
    y_ticks = tuple(Tick(y(value), f"{value:g}") for value in ticks(low, high))
    labels = tuple(Mark(0, 0, name, series=series % 8) for series, name in enumerate(ys)) if len(ys) > 1 else ()
    text = "; ".join(line.text for line in lines)
    return Chart(
        "curves", title, text, lines=lines, x_ticks=x_ticks, y_ticks=y_ticks, labels=labels, x_title=axes[0],
        y_title=axes[1],
    )  # fmt: skip


def learning_chart(
    title: str,
    xs: Sequence[int],
    ys: Mapping[str, Sequence[float]],
    bars: Sequence[tuple[float, float] | None],
    end: float | None,
    y_title: str,
) -> Chart | None:
    """A line for each name over numbers that double; None where no number is finite.

    `bars` are the intervals of the first line, `end` where it is extrapolated to.
    """
    ends = _finite(value for bar in bars if bar for value in bar)
    finite = _finite([*(value for values in ys.values() for value in values), *ends, end])
    if not finite:
        return None
    low, high = _span(finite)
    logs = [math.log2(number) for number in xs]
    x, y = _scale(logs[0], logs[-1], LEFT + 8, WIDTH - RIGHT - 8), _scale(low, high, HEIGHT - BOTTOM, TOP)
    lines, points = [], []
    if end is not None and math.isfinite(end):
        lines.append(Line(((LEFT, y(end)), (WIDTH - RIGHT, y(end))), f"extrapolated: {end:.4g}", 9))
    for at, bar in zip(logs, bars, strict=True):
        if bar and all(map(math.isfinite, bar)):
            lines.append(
                Line(((x(at), y(bar[0])), (x(at), y(bar[1]))), f"interval: {bar[0]:.4g} to {bar[1]:.4g}", INTERVALS)
            )
    for series, (name, values) in enumerate(ys.items()):
        places = [
            (x(at), y(value), n, value) for at, n, value in zip(logs, xs, values, strict=True) if math.isfinite(value)
        ]
        text = f"{name}: {values[0]:.4g} at {xs[0]}, {values[-1]:.4g} at {xs[-1]}"
        lines.append(Line(tuple(place[:2] for place in places), text, series % 8))
        points += [Mark(*place[:2], f"{name}, n={place[2]}: {place[3]:.4g}", series=series % 8) for place in places]
    labels = [Mark(0, 0, name, series=series % 8) for series, name in enumerate(ys)]
    said = "; ".join(line.text for line in lines if line.series != INTERVALS)
    return Chart(
        "learning", title, said, points=tuple(points), lines=tuple(lines), labels=tuple(labels),
        x_ticks=tuple(Tick(x(at), str(n)) for at, n in zip(logs, xs, strict=True)),
        y_ticks=tuple(Tick(y(value), f"{value:g}") for value in ticks(low, high)), x_title="observers", y_title=y_title,
    )  # fmt: skip


def reliability_chart(title: str, diagrams: Mapping[str, ReliabilityDiagram]) -> Chart | None:
    """The share that occurred over the predicted probability, a line for each name; None where no bin is filled.

    Vertical lines are consistency bands of the first: of a calibrated model 95 % of the points lie within.
    """
    if not any(diagram.bins for diagram in diagrams.values()):
        return None
    size = 300
    x, y = _scale(0, 1, LEFT, size - RIGHT), _scale(0, 1, size - BOTTOM, TOP)
    lines = [Line(((x(0), y(0)), (x(1), y(1))), "calibrated", 9)]
    points, labels = [], []
    for series, (name, diagram) in enumerate(diagrams.items()):
        if len(diagrams) == 1:
            lines += [
                Line(
                    ((x(one.probability), y(one.band[0])), (x(one.probability), y(one.band[1]))),
                    f"band of {one.probability:.3g}: {one.band[0]:.3g} to {one.band[1]:.3g}",
                    8,
                )
                for one in diagram.bins
            ]
        places = tuple((x(one.probability), y(one.share)) for one in diagram.bins)
        lines.append(Line(places, f"{name}: error {diagram.error:.4g}", series % 8))
        points += [
            Mark(x(one.probability), y(one.share), _bin_words(one, name, len(diagrams)), series=series % 8)
            for one in diagram.bins
        ]
        labels.append(Mark(0, 0, f"{name}: error {diagram.error:.4g}", series=series % 8))
    ticks_ = tuple(Tick(x(value / 5), f"{value / 5:g}") for value in range(6))
    y_ticks = tuple(Tick(y(value / 5), f"{value / 5:g}") for value in range(6))
    bands = "; vertical lines are 95 % consistency bands" if len(diagrams) == 1 else ""
    return Chart(
        "reliability", title, "; ".join(label.text for label in labels) + bands, width=size, height=size,
        points=tuple(points), lines=tuple(lines), labels=tuple(labels) if len(labels) > 1 else (), x_ticks=ticks_,
        y_ticks=y_ticks, x_title="predicted probability", y_title="share that occurred",
    )  # fmt: skip


def _bin_words(one: ReliabilityBin, name: str, several: int) -> str:
    inside = "" if one.low is None else f" in ({one.low:.3g}, {one.high:.3g}]"
    whose = f"{name}: " if several > 1 else ""
    return f"{whose}{one.n:g} positions{inside}, mean {one.probability:.3g}, occurred {one.share:.3g}"
