"""Several models compared pair by pair: what takes part, who wins, what is noted, messages in full."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from comparing import compared, paired
from looping import each_of
from report_files import leaderboard, report

from kldeval.errors import UsageProblem
from kldeval.records import Score
from kldeval.reports.significance import detectable_effect, holm


def scores(models: int, maps: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(7)
    difficulty = rng.gamma(2.0, 0.4, maps)
    table = difficulty + 0.02 * np.arange(models)[:, None] + 0.2 * rng.normal(size=(models, maps))
    return {f"m{k}": {f"{i:03}x": float(row[i]) for i in range(maps)} for k, row in enumerate(table)}


def test_pairs_of_several_models_are_the_paired_results_holm_adjusted() -> None:
    values = scores(4, 30)
    comparison = compared(values)
    adjusted = holm([pair.result.p_value for pair in comparison.pairs])
    assert tuple(pair.adjusted_p for pair in comparison.pairs) == adjusted
    assert [(pair.first, pair.second) for pair in comparison.pairs] == [
        ("m0", "m1"),
        ("m0", "m2"),
        ("m0", "m3"),
        ("m1", "m2"),
        ("m1", "m3"),
        ("m2", "m3"),
    ]
    for pair in comparison.pairs:
        first, second = (np.array(list(values[model].values())) for model in (pair.first, pair.second))
        alone = paired(first - second)
        assert pair.result.p_value == alone.p_value
        assert pair.result.interval == pytest.approx(alone.interval, rel=1e-12)
        assert replace(pair.result, interval=None, detectable=None) == replace(alone, interval=None, detectable=None)
        assert pair.result.detectable == pytest.approx(
            detectable_effect(30, 0.05 / 6, 10_000) * (first - second).std(ddof=1), rel=1e-12
        )


def test_superscripts_name_the_models_that_differ() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (3, 40))
    levels = {"good": 0.1, "twin": 0.1, "bad": 0.5}
    values = {
        model: {f"x{i:02}y": level + float(noise[k, i]) for i in range(40)}
        for k, (model, level) in enumerate(levels.items())
    }
    comparison = compared(values)
    assert comparison.letters == {"good": "a", "twin": "b", "bad": "c"}
    assert comparison.superscripts == {"good": ("c",), "twin": ("c",), "bad": ("a", "b")}
    assert [pair.winner for pair in comparison.pairs] == ["", "good", "twin"]
    assert [pair.winner for pair in compared(values, "high").pairs] == ["", "bad", "bad"]
    assert [pair.winner for pair in compared(values, "").pairs] == ["", "", ""]
    assert [pair.significant for pair in compared(values, "").pairs] == [False, True, True]
    assert comparison.notes == ()


def test_only_maps_of_all_models_take_part() -> None:
    values = {"A": {"z": 1.0, "y": 2.0, "x": 3.0}, "B": {"x": 1.0, "z": 3.0, "w": 4.0}, "C": {"z": 0.0, "x": 0.0}}
    models = {
        model: report(*(Score(name, {"kld": value}) for name, value in row.items())) for model, row in values.items()
    }
    found = leaderboard(models)
    assert found.left_out == {"w": ("A", "C"), "y": ("B", "C")}
    assert found.comparison.maps == ("x", "z")
    assert found.comparison.comparisons["kld"].means == {"A": 2.0, "B": 2.0, "C": 0.0}


def test_the_order_of_maps_does_not_matter_to_the_last_byte() -> None:
    values = scores(3, 50)
    reordered = {model: dict(sorted(rows.items(), reverse=True)) for model, rows in values.items()}
    groups = {f"{i:03}x": f"v{i % 7}" for i in range(50)}
    assert repr(compared(reordered)) == repr(compared(values))
    assert repr(compared(reordered, groups=dict(reversed(groups.items())))) == repr(compared(values, groups=groups))


def test_the_seed_moves_the_draws() -> None:
    values = scores(2, 50)
    assert compared(values, seed=1).pairs != compared(values).pairs


def test_groups_of_several_models() -> None:
    values = scores(3, 60)
    groups = {name: f"video{index // 6}" for index, name in enumerate(values["m0"])}
    comparison = compared(values, groups=groups)
    assert (comparison.unit, comparison.n) == ("groups", 10)
    assert {pair.result.n for pair in comparison.pairs} == {10}
    assert comparison.means["m1"] == pytest.approx(np.mean(list(values["m1"].values())))


def test_eight_models_on_300_maps_are_compared_two_by_two() -> None:
    assert len(compared(scores(8, 300)).pairs) == 28


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"A": {"x": 1.0}}, {}, "a comparison needs two models or more, but here is A"),
        (
            {
                "A": dict.fromkeys("tuvwxyz", math.inf),
                "B": dict.fromkeys("tuvwxyz", 1.0),
                "C": {**dict.fromkeys("tuvwxyz", 1.0), "x": math.nan},
            },
            {},
            (
                "inf or nan has no difference: A on 7 of 7 maps (t, u, v, w, x and 2 more); C on 1 of 7 maps (x); "
                "leave such models out, or score with a metric that is finite, such as kld with --eps 1e-7"
            ),
        ),
        (
            {"A": {"x": 1.0}, "B": {"x": 2.0}},
            {"best": "lowest"},
            "best='lowest' is no direction: 'low', 'high', or '' where neither is better",
        ),
    ],
)
def test_refused_comparisons(values: dict[str, dict[str, float]], options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        compared(values, **options)
    assert str(caught.value) == message


def test_too_few_maps_are_noted() -> None:
    note = "5 maps cannot show a significant difference: p (Holm, pairs: 3) is never below 0.188"
    assert compared(scores(3, 5)).notes == (note,)


def test_too_few_resamples_are_noted() -> None:
    note = "100 resamples cannot show a significant difference: p (Holm, pairs: 6) is never below 0.0594"
    assert compared(scores(4, 30), resamples=100).notes == (note,)


def test_frames_without_groups_are_noted() -> None:
    values = {model: {f"v/{i:04}": float(i * k) for i in range(9)} for k, model in enumerate("AB")}
    note = (
        "the maps are numbered like the frames of videos; if they are, make the videos the units (compare --group-by "
        "parent, a leaderboard --maps groups): tests on single frames reject equal models in 40 to 75 % of runs"
    )
    assert compared(values).notes == (note,)
    assert note not in compared(values, groups=dict.fromkeys(values["A"], "v")).notes


@each_of(
    ("names", "expected"),
    [
        (["a/0001", "a/0002", "a/0003"], True),
        (["a/img_00005", "a/img_00010", "a/img_00015", "a/img_00025"], True),
        (["a/0001", "b/0002", "c/0003"], False),
        (["a/0001", "a/0002"], False),
        (["COCO_000000000810", "COCO_000000000836", "COCO_000000001017"], False),
        (["cat", "dog", "owl"], False),
    ],
)
def test_numbered_like_frames(names: list[str], *, expected: bool) -> None:
    values = {model: {name: float(place * k) for place, name in enumerate(names)} for k, model in enumerate("AB")}
    noted = [note for note in compared(values).notes if note.startswith("the maps are numbered like the frames")]
    assert bool(noted) is expected
