"""Templates of names: what they match, the names they form, and every refusal in full."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from looping import each_of

import kldeval
from kldeval.data.listing import namers
from kldeval.errors import UsageProblem
from kldeval.templates import groups_of, parse_template

if TYPE_CHECKING:
    from pathlib import Path

words = st.text(
    st.characters(codec=None, blacklist_characters="/{}", blacklist_categories=["Cs"]), min_size=1, max_size=8
)


@each_of(
    ("template", "path", "expected"),
    [
        ("{name}", "a/b/1", {"name": "a/b/1"}),
        ("{name}_fixMap", "a/i1_fixMap", {"name": "a/i1"}),
        ("{name}_fixMap", "i1_fixPts", None),
        ("{video}", "a/1", None),
        ("{video}/maps/{frame:04d}", "0601/maps/0007", {"video": "0601", "frame": 7}),
        ("{video}/maps/{frame:04d}", "0601/maps/000007", {"video": "0601", "frame": 7}),
        ("{video}/maps/{frame:04d}", "0601/maps/x", None),
        ("{video}/maps/{frame:04d}", "0601/fixation/maps/0007", None),
        ("{clip}_{frame:d}", "Golf_Swing_012", {"clip": "Golf_Swing", "frame": 12}),
        ("{video}/{video}_{frame:03d}", "run/run_001", {"video": "run", "frame": 1}),
        ("{video}/{video}_{frame:03d}", "run/jump_001", None),
        ("frame ({name}).x+", "frame (1).x+", {"name": "1"}),
        ("{frame:d}", "١٢", None),
    ],
)
def test_a_template_finds_its_fields(template: str, path: str, expected: dict[str, object] | None) -> None:
    assert parse_template(template).values(path) == expected


@given(words, st.integers(0, 10**9), st.integers(0, 12))
def test_any_zeros_before_a_number_are_the_same_number(video: str, frame: int, zeros: int) -> None:
    template = parse_template("{video}/{frame:05d}")
    values = template.values(f"{video}/{'0' * zeros}{frame}")
    assert values == {"video": video, "frame": frame}
    assert template.name(values) == f"{video}/{frame:05d}"


@given(words)
def test_a_literal_is_no_pattern(text: str) -> None:
    template = parse_template(f"{text}{{name}}{text}")
    assert template.values(f"{text}x{text}") == {"name": "x"}
    assert template.values(f"{text}x") is None or text in f"{text}x"[1:]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("maps", "it has no field such as {name}"),
        ("", "it has no field such as {name}"),
        ("{a}{b}", "two fields need some text between them"),
        ("{name}.png}", "its braces do not match"),
        ("{{name}}", "its braces do not match"),
        ("{}", "{} is no field; fields look like {video} and, for numbers, {frame:05d}"),
        ("{frame:5x}", "{frame:5x} is no field; fields look like {video} and, for numbers, {frame:05d}"),
        ("{1st}", "{1st} is no field; fields look like {video} and, for numbers, {frame:05d}"),
        ("{n:d}/{n}", "the field 'n' stands there in two forms"),
    ],
)
def test_malformed_templates(text: str, reason: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        namers(None, text)
    assert str(problem.value) == f"--gt-name {text!r}: {reason}"


def test_both_sides_get_the_names_of_the_ground_truth() -> None:
    pred, gt = namers("{video}/pred_sal_{frame:06d}.jpg", "{video}/maps/eyeMap_{frame:05d}.jpg")
    assert pred("a/pred_sal_000012.jpg") == gt("a/maps/eyeMap_00012.jpg") == "a/00012"
    assert pred("a/pred_sal_000012.png") is None


def test_one_template_is_enough_where_the_other_side_has_plain_names() -> None:
    pred, gt = namers(None, "{video}/maps/{frame:04d}.png")
    assert pred("0601/1.jpg") == gt("0601/maps/0001.png") == "0601/0001"
    pred, gt = namers("Judd_{name}", None)
    assert pred("x/Judd_i1.png") is None
    assert pred("Judd_x/i1.png") == gt("x/i1.jpg") == "x/i1"


def test_a_template_with_a_suffix_is_matched_with_it_and_one_without_is_not() -> None:
    _, gt = namers(None, "{name}_fixMap.jpg")
    assert (gt("i1_fixMap.jpg"), gt("i1_fixMap.png")) == ("i1", None)
    _, gt = namers(None, "{name}_fixMap")
    assert (gt("i1_fixMap.jpg"), gt("i1_fixMap.png")) == ("i1", "i1")


def test_names_are_compared_in_one_unicode_form() -> None:
    _, gt = namers(None, "u\u0308_{name}")
    assert gt("\u00fc_1.png") == gt("u\u0308_1.png") == "1"


@pytest.mark.parametrize(
    ("pred", "gt", "message"),
    [
        (
            "{name}",
            "{video}/{frame:d}",
            (
                "--pred-name '{name}' and --gt-name '{video}/{frame:d}' must have the same fields; "
                "only one of them has 'frame', 'name', 'video'"
            ),
        ),
        (
            "{video}/{frame}",
            "{video}/{frame:04d}",
            (
                "the field 'frame' is a number in one of --pred-name '{video}/{frame}' and --gt-name "
                "'{video}/{frame:04d}' alone; write {frame:d} in both"
            ),
        ),
    ],
)
def test_templates_that_do_not_speak_of_the_same(pred: str, gt: str, message: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        namers(pred, gt)
    assert str(problem.value) == message


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("a/x_overlay.png", "*_overlay.png", True),
        ("a/x.png", "*_overlay.png", False),
        ("v/fixation/1.png", "fixation", True),
        ("v/fixation/1.png", "fixation/", True),
        ("v/fixations/1.png", "fixation", False),
        ("b/c/1.png", "b/*", True),
        ("a/b/1.png", "b/*", False),
        ("A/1.png", "a/*", False),
    ],
)
def test_globs_leave_out_files_and_folders(path: str, glob: str, *, expected: bool, tmp_path: Path) -> None:
    for name in (path, "kept.npy"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        np.save((tmp_path / name).with_suffix(".npy"), np.eye(2) + 1)
    pattern = glob.replace(".png", ".npy")
    found = kldeval.evaluate(tmp_path, tmp_path, metric="kld", exclude=["nothing", pattern])
    assert (len(found.scores) == 1) is expected


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("parent", {"a/b/01": "a/b", "c/02": "c"}),
        ("manifest", {"a/b/01": "x", "c/02": "y"}),
        ("{name}/{frame:d}", {"a/b/01": "a/b", "c/02": "c"}),
        ("{name}/{group:04d}", {"a/b/01": "0001", "c/02": "0002"}),
    ],
)
def test_groups(group_by: str, expected: dict[str, str]) -> None:
    assert groups_of(group_by, {"a/b/01": "x", "c/02": "y"}) == expected


@pytest.mark.parametrize(
    ("group_by", "message"),
    [
        (
            "folder",
            (
                "--group-by 'folder' is none of parent (the folder of a map), manifest (as the manifest or the saved "
                "report says) and a template of the names such as '{video}_{frame:03d}', whose field 'group', or else "
                "the first, is the group"
            ),
        ),
        ("{a}|{b}", "--group-by '{a}|{b}': the characters | ( ) cannot stand in it"),
        ("{a}{b}", "--group-by '{a}{b}': two fields need some text between them"),
        ("parent", "--group-by parent: 1 of 2 maps have no group (such as 'lone')"),
        ("{video}/{frame:d}", "--group-by {video}/{frame:d}: 2 of 2 maps have no group (such as 'lone')"),
        ("manifest", "--group-by manifest: 2 of 2 maps have no group (such as 'lone')"),
    ],
)
def test_maps_without_a_group_are_refused(group_by: str, message: str) -> None:
    with pytest.raises(UsageProblem) as problem:
        groups_of(group_by, {"v/x": "", "lone": ""})
    assert str(problem.value) == message
