"""How numbers are written for people, and what a stream decides about width and colour."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kldeval.writers.numbers import Notation, aligned, notation_for
from kldeval.writers.text import color_of, width_of

# numbers


@pytest.mark.parametrize(
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


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([math.inf, math.nan]), min_size=1), st.integers(0, 6))
def test_points_stand_under_each_other(values: list[float], decimals: int) -> None:
    texts = [Notation(decimals).text(value) for value in values]
    padded = aligned(texts)
    assert [text.strip() for text in padded] == texts
    assert len({len(text) for text in padded}) == 1
    assert len({text.index(".") for text in padded if "." in text}) <= 1


# the stream


class Screen(io.StringIO):
    """A terminal without a file number, as one in a test is."""

    def isatty(self) -> bool:
        """Always."""
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "width"),
    [
        (Screen(), {"COLUMNS": "99"}, 99),
        (Screen(), {"COLUMNS": "0"}, None),
        (Screen(), {"COLUMNS": "wide"}, None),
        (Screen(), {}, None),
        (io.StringIO(), {"COLUMNS": "99"}, None),
    ],
)
def test_columns_count_on_a_terminal_alone(stream: io.StringIO, environ: dict[str, str], width: int | None) -> None:
    assert width_of(stream, environ) == width


@pytest.mark.parametrize(
    ("stream", "environ", "color"),
    [
        (Screen(), {"TERM": "xterm"}, True),
        (Screen(), {"TERM": "dumb"}, False),
        (Screen(), {"NO_COLOR": "1"}, False),
        (Screen(), {"NO_COLOR": ""}, True),
        (Screen(), {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (io.StringIO(), {"TERM": "xterm"}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, True),
        (io.StringIO(), {"FORCE_COLOR": ""}, False),
    ],
)
def test_who_decides_on_colour(stream: io.StringIO, environ: dict[str, str], *, color: bool) -> None:
    assert color_of(stream, environ) is color
