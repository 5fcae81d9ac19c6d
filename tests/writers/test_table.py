"""The table for people: its looks to the letter, and what it never does to a name."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_files import REST, example, report, reports
from report_files import write as written
from rich.cells import cell_len

from kldeval.errors import UsageProblem
from kldeval.records import Failure, Score
from kldeval.writers.lines import one_line


def write(made: Any, **looks: Any) -> str:
    return written(made, "table", **looks)


FIRST_MAP = Score("a", {"kld": 0.5})


def lines(made: Any, **options: Any) -> list[str]:
    return write(made, **options).splitlines()


# looks


def test_the_whole_table() -> None:
    assert write(example(), per_map=True, worst=1) == (
        """metric       n     mean      std    median       min      max   not finite
kld ↓ nats   3      inf      nan   11.5000    0.2500      inf            1
cc  ↑        3   0.1042   0.6260    0.0625   -0.5000   0.7500            –

map        kld ↓      cc ↑   uncovered      mass
a/0001    0.2500    0.7500           0         0
a/0002       inf   -0.5000          12   0.03125
b_1      11.5000    0.0625           0         0

worst 1 of 3 maps by kld
map      kld ↓      cc ↑   uncovered      mass
a/0002     inf   -0.5000          12   0.03125

1 map could not be scored
c|1   load   pred/c|1.png is not an image

note: the prediction is exactly 0 (1 of 3 maps)

kldeval:mit+v1
kld|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
cc|pred:sum-to-one|gt:sum-to-one|scale:unit|v:1
"""
    )


def test_one_map_needs_no_statistics() -> None:
    assert lines(report(Score("x", {"kld": 0.125, "cc": 1.0})), worst=3)[:3] == [
        "map   kld ↓ nats     cc ↑",
        "x         0.1250   1.0000",
        "",
    ]


def test_no_map_has_dashes() -> None:
    assert lines(report(), per_map=True, worst=3)[:3] == [
        "metric       n   mean   std   median   min   max",
        "kld ↓ nats   0      –     –        –     –     –",
        "",
    ]


def test_no_number_per_map_leaves_the_signature() -> None:
    made = replace(report(FIRST_MAP), summaries={}, scores=(Score("a", {}),))
    assert lines(made, per_map=True, worst=1) == ["kldeval:mit+v1", f"kld{REST}"]


def test_styles_on_a_terminal_and_none_elsewhere() -> None:
    coloured = write(example(), color=True)
    assert (
        "\x1b[1mkld\x1b[0m ↓ \x1b[2mnats\x1b[0m   3   \x1b[1;33m   inf\x1b[0m   \x1b[33m   nan\x1b[0m   11.5000"
        in coloured
    )
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured).replace(" \n", "\n") == write(example())


def test_precision_is_the_digits_after_the_point() -> None:
    assert lines(report(Score("x", {"kld": 1 / 3})), precision=2)[1] == "x           0.33"


# the worst maps


def ranked(made: Any, worst: int) -> list[str]:
    table = lines(made, worst=worst)
    start = next(number for number, line in enumerate(table) if line.startswith("worst"))
    return [line.split()[0] for line in table[start + 2 : start + 2 + worst]]


def test_the_worst_are_undefined_then_far_from_the_better_direction() -> None:
    low = report(*(Score(name, {"kld": value}) for name, value in zip("abcd", (1, math.inf, math.nan, 2), strict=True)))
    assert ranked(low, 3) == ["c", "b", "d"]
    high = report(*(Score(name, {"cc": value}) for name, value in zip("abcd", (1, -1, math.nan, 0.5), strict=True)))
    assert ranked(high, 3) == ["c", "b", "d"]


def test_the_first_metric_with_a_direction_ranks() -> None:
    made = report(Score("a", {"entropy-gt": 9.0, "cc": 0.1}), Score("b", {"entropy-gt": 1.0, "cc": 0.2}))
    assert ranked(made, 1) == ["a"]


def test_no_metric_with_a_direction_ranks_nothing() -> None:
    made = report(Score("a", {"entropy-gt": 9.0}), Score("b", {"entropy-gt": 1.0}))
    message = "the worst maps are asked for, but no metric has a better direction: entropy-gt"
    with pytest.raises(UsageProblem, match=f"^{message}$"):
        write(made, worst=1)


# nothing is cut


@given(reports())
def test_without_a_width_every_name_and_message_is_whole(made: Any) -> None:
    text = write(made, per_map=True)
    for score in made.scores:
        assert one_line(score.name).strip() in text
    for failure in made.failures:
        assert one_line(failure.name).strip() in text
        assert one_line(failure.message).strip() in text


def test_a_piped_table_does_not_care_for_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    long = report(Score("n" * 300, {"kld": 1.0}), notes=("word " * 60,))
    expected = write(long)
    for name, value in (("COLUMNS", "40"), ("FORCE_COLOR", "1"), ("TERM", "dumb"), ("NO_COLOR", "1")):
        monkeypatch.setenv(name, value)
    assert write(long) == expected
    assert "n" * 300 in expected


def test_a_terminal_wraps_names_behind_separators_and_prose_between_words() -> None:
    name = "val/video_0001/maps/frame_00012_fixMap"
    made = report(
        *(Score(f"{name}{number}", {"kld": 0.5}) for number in (1, 2)),
        failures=(Failure("b", "check", "640x480 is not 320x240; " + "resize " * 5),),
        notes=("careful " * 6,),
    )
    assert lines(made, per_map=True, width=40)[6:-3] == [
        "map                           kld ↓",
        "val/video_0001/maps/frame_   0.5000",
        "  00012_fixMap1",
        "val/video_0001/maps/frame_   0.5000",
        "  00012_fixMap2",
        "",
        "1 map could not be scored",
        "b  check",
        "  640x480 is not 320x240; resize resize",
        "  resize resize resize",
        "",
        "note: careful careful careful careful",
        "      careful careful",
        "",
    ]


@given(st.lists(st.text("abc/_ 猫", min_size=1, max_size=150), min_size=2, max_size=4), st.integers(40, 120))
def test_on_a_terminal_no_row_is_wider_than_it(names: list[str], width: int) -> None:
    made = report(*(Score(name, {"kld": 0.5}) for name in names), signatures={"kld": ""})
    table = lines(made, per_map=True, width=width)[3:]
    assert max(map(cell_len, table)) <= width
    assert sum(line.count("猫") for line in table) == sum(name.count("猫") for name in names)


def test_the_same_metric_twice_breaks_between_arguments() -> None:
    keys = ("kld(log_eps=1e-07,num_eps=1e-07,ratio_eps=1e-07)", "kld(log_eps=1e-12)")
    scores = [Score(name, dict.fromkeys(keys, 0.5)) for name in "ab"]
    made = report(*scores)
    assert lines(made, width=80)[1:5] == [
        "kld(log_eps=1e-07, ↓ nats   2   0.5000   0.0000   0.5000   0.5000   0.5000",
        "  num_eps=1e-07,",
        "  ratio_eps=1e-07)",
        "kld(log_eps=1e-12) ↓ nats   2   0.5000   0.0000   0.5000   0.5000   0.5000",
    ]


def test_a_signature_breaks_at_its_bars_alone_and_on_a_terminal_alone() -> None:
    long = "|".join(["kld", "x" * 200, "y" * 30, "z" * 30])
    made = report(FIRST_MAP, signatures={"kld": long})
    assert lines(made)[-2:] == ["kldeval:mit+v1", long]
    assert lines(made, width=80)[-4:] == ["kldeval:mit+v1", "kld|", f"  {'x' * 200}|", f"  {'y' * 30}|{'z' * 30}"]


def test_what_signatures_have_in_common_is_said_once_on_a_terminal() -> None:
    made = report(FIRST_MAP, signatures={key: f"{key}|a:1|b:{key}|v:1" for key in ("kld", "cc")})
    full = ["kld|a:1|b:kld|v:1", "cc|a:1|b:cc|v:1"]
    assert lines(made)[-2:] == lines(made, width=80, signatures="full")[-2:] == full
    assert lines(made, width=80)[-3:] == lines(made, signatures="short")[-3:] == ["a:1|v:1", "kld: b:kld", "cc: b:cc"]


def test_markup_and_control_characters_in_names_are_text() -> None:
    made = report(Score("[bold]x[/bold] :smile:\x1b[31m\n\udc80", {"kld": 0.5}))
    assert lines(made)[1] == r"[bold]x[/bold] :smile:\x1b[31m\n\udc80       0.5000"


def test_many_failures_are_counted_and_all_listed_with_all_maps() -> None:
    failures = tuple(Failure(f"m/{number:02}", "pair", "no prediction") for number in range(22))
    made = report(FIRST_MAP, failures=failures)
    short = lines(made)
    assert short[3] == "22 maps could not be scored"
    assert short[23:25] == ["m/19   pair   no prediction", "and 2 more; the JSON report lists all of them"]
    assert lines(made, per_map=True)[25] == "m/21   pair   no prediction"


# start-up


def test_the_table_costs_no_more_imports_than_richs_table_and_console() -> None:
    """Progress bars, markdown, syntax colouring and tracebacks of rich stay out."""
    code = (
        "import sys, numpy, rich.table, rich.console; before = set(sys.modules)\n"
        "from report_files import example\n"
        "from report_files import example, write\n"
        "import kldeval.writers.formats.table, kldeval.writers.text, kldeval.writers.report_page\n"
        "import kldeval.reports.aggregate; loaded = set(sys.modules)\n"
        "write(example(), 'table', per_map=True, worst=1, width=80, color=True)\n"
        "print([name for name in sorted(set(sys.modules) - loaded) if not name.startswith('rich._unicode_data')])"
    )
    here = Path(__file__).parent.parent
    search = f"import sys; sys.path[:0] = [{str(here.parent)!r}, {str(here)!r}]\n"
    done = subprocess.run([sys.executable, "-c", search + code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
