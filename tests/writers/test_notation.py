"""How numbers are written for people, and what a stream decides about width and colour."""

from __future__ import annotations

import io
import math
import re

import pytest
from command_line import kldeval
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of
from report_files import report, write

from kldeval.records import Score
from kldeval.writers.numbers import notation_for

NUMBERS = st.integers(-(10**8), 10**8).map(lambda number: number / 1000)

# numbers


@each_of(
    ("typical", "value", "text"),
    [
        (0.27, 0.271456, "0.2715"),
        (11.4, 11.402104, "11.4021"),
        (0.0271, 0.0271456, "0.02715"),
        (0.0015, 0.001505931, "0.001506"),
        (1.5e-8, 1.505931e-8, "1.506e-08"),
        (2.5e8, 2.512345e8, "2.512e+08"),
        (0.27, 0.0, "0.0000"),
        (0.27, 3.21e-9, "3.2e-09"),
        (0.27, 1.25e12, "1.2e+12"),
        (0.27, -math.inf, "-inf"),
        (0.27, math.nan, "nan"),
        (0.27, None, "–"),
        (0.0, 0.5, "0.5000"),
        (math.inf, 0.5, "0.5000"),
    ],
)
def test_numbers_have_the_digits_of_their_metric(typical: float, value: float | None, text: str) -> None:
    assert notation_for([typical], 4).text(value) == text


@given(st.floats(min_value=1e-4, max_value=1e6), st.integers(2, 8))
def test_a_typical_number_keeps_its_digits(value: float, precision: int) -> None:
    assert float(notation_for([value], precision).text(value)) == pytest.approx(value, rel=10.0 ** (1 - precision))


@given(st.lists(NUMBERS | st.sampled_from([math.inf, math.nan]), min_size=1, max_size=9))
def test_points_stand_under_each_other(values: list[float]) -> None:
    made = report(*(Score(f"m{place}", {"kld": value}) for place, value in enumerate(values)))
    rows = [line for line in write(made, "table", per_map=True).splitlines() if re.match(r"m\d ", line)]
    assert len(rows) == len(values)
    points = {match.start() for row in rows for match in [re.search(r"(?<=\d)\.", row)] if match}
    assert len(points) <= 1


# the stream


class Screen(io.StringIO):
    """A terminal without a file number, as one in a test is."""

    def isatty(self) -> bool:
        """Always."""
        return True


def shown(stream: type[io.StringIO], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What a command with wide tables and a failure prints on a stream, where the environment says so much."""
    for name in ("COLUMNS", "TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
        if name in environ:
            monkeypatch.setenv(name, environ[name])
    out = stream()
    models = ("sample_data/bold", "sample_data/careful", "sample_data/gt")
    assert kldeval(*models, "-m", "kld,cc,sim,mse,mae,jsd", "--resamples", "100", out=out).code == 0
    return out.getvalue()


@each_of(
    ("stream", "environ", "width"),
    [
        (Screen, {"COLUMNS": "99"}, 99),
        (Screen, {"COLUMNS": "0"}, None),
        (Screen, {"COLUMNS": "wide"}, None),
        (Screen, {}, None),
        (io.StringIO, {"COLUMNS": "99"}, None),
    ],
)
def test_columns_count_on_a_terminal_alone(
    stream: type[io.StringIO], environ: dict[str, str], width: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = shown(stream, environ, monkeypatch).splitlines()
    longest = max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines)
    assert longest <= width if width else longest > 99


@each_of(
    ("stream", "environ", "color"),
    [
        (Screen, {"TERM": "xterm"}, True),
        (Screen, {"TERM": "dumb"}, False),
        (Screen, {"NO_COLOR": "1"}, False),
        (Screen, {"NO_COLOR": ""}, True),
        (Screen, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (io.StringIO, {"TERM": "xterm"}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": ""}, False),
    ],
)
def test_who_decides_on_colour(
    stream: type[io.StringIO], environ: dict[str, str], *, color: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ("\x1b[" in shown(stream, environ, monkeypatch)) is color
