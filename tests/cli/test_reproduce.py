"""A saved report computed again: exit codes, what differs, and published rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from looping import each_of
from schemas import validate

import kldeval as library

SAMPLE = Path(__file__).parent.parent.parent / "sample_data"
FIXATIONS = "--fixations", SAMPLE / "fixations.csv"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the sample and a report of it with digests."""
    for name in ("bold", "careful", "gt"):
        shutil.copytree(SAMPLE / name, tmp_path / name)
    shutil.copy(SAMPLE / "fixations.csv", tmp_path)
    done = kldeval(
        *(tmp_path / "bold", tmp_path / "gt", "-m", "kld,sauc", "--fixations", tmp_path / "fixations.csv"),
        *("--digests", "-o", tmp_path / "report.json", "-q"),
    )
    assert done.code == 0
    return tmp_path


def differences(*arguments: Any) -> tuple[int, list[tuple[str, str]]]:
    done = kldeval("reproduce", *arguments, "--format", "json", "-q")
    document = json.loads(done.out)
    validate(document, "reproduction")
    assert document["agrees"] == (done.code == 0)
    return done.code, [(one["kind"], one["name"]) for one in document["differences"]]


def test_every_digit_agrees(files: Path) -> None:
    assert differences(files / "report.json") == (0, [])
    assert kldeval("reproduce", files / "report.json").out.splitlines()[1] == (
        "reproduced: 10 of 10 numbers agree in every digit, of 5 maps"
    )


def test_the_numbers_of_reference_rows_are_compared_as_well(files: Path) -> None:
    some = files / "bold", files / "gt", "-m", "nss", "--fixations", files / "fixations.csv", "--baselines", "--digests"
    assert kldeval(*some, "-o", files / "r.json", "-q").code == 0
    assert differences(files / "r.json") == (0, [])
    document = json.loads((files / "r.json").read_text())
    document["maps"][0]["references"]["ceiling"]["nss"] += 1
    (files / "r.json").write_text(json.dumps(document))
    assert differences(files / "r.json") == (1, [("number", "harbour ceiling nss")])


def test_digests_are_those_of_every_file(files: Path) -> None:
    import hashlib

    saved = json.loads((files / "report.json").read_text())["provenance"]["inputs"]
    assert saved["request"] == {"fixations": str(files / "fixations.csv")}
    for role, folder in (("pred", "bold"), ("gt", "gt"), ("fixations", ".")):
        for name, digest in saved["digests"][role].items():
            assert hashlib.sha256((files / folder / name).read_bytes()).hexdigest() == digest
    assert {role: len(found) for role, found in saved["digests"].items()} == {"pred": 5, "gt": 5, "fixations": 1}


def test_another_file_is_named_with_the_numbers_that_it_moves(files: Path) -> None:
    shutil.copy(files / "careful" / "market.png", files / "bold" / "market.png")
    code, found = differences(files / "report.json")
    assert code == 1
    assert found == [
        *(("file", "pred market.png"), ("number", "market kld"), ("number", "market sauc")),
        *(("headline", "kld"), ("headline", "sauc")),
    ]


def test_other_bytes_with_the_same_pixels_are_told_and_agree(files: Path) -> None:
    path = files / "bold" / "market.png"
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None
    cv2.imwrite(str(path), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert differences(files / "report.json") == (0, [("file", "pred market.png")])


def test_a_map_that_is_gone_is_a_difference(files: Path) -> None:
    (files / "bold" / "market.png").unlink()
    code, found = differences(files / "report.json")
    assert code == 1
    assert {("map", "market kld"), ("failure", "market"), ("file", "pred market.png")} <= set(found)


def test_versions_and_arithmetic_are_told(files: Path) -> None:
    path = files / "report.json"
    document = json.loads(path.read_text())
    document["provenance"] |= {"numpy": "1.0", "arithmetic": "000000000000"}
    path.write_text(json.dumps(document))
    assert differences(path) == (0, [("version", "numpy"), ("arithmetic", "arithmetic")])


def test_a_last_bit_is_seen(files: Path) -> None:
    path = files / "report.json"
    document = json.loads(path.read_text())
    row = document["maps"][0]
    row["kld"] = float(np.nextafter(row["kld"], 9))
    path.write_text(json.dumps(document))
    code, found = differences(path)
    assert (code, ("number", f"{row['name']} kld") in found) == (1, True)


def moved_by(share: float, path: Path) -> Path:
    """A copy of a report whose numbers another machine has computed."""
    document = json.loads(path.read_text())
    for row in document["maps"]:
        row["kld"] *= 1 + share
    document["summary"]["kld"]["mean"] *= 1 + share
    document["provenance"] |= {"arithmetic": "000000000000"}
    moved = path.with_name(f"moved by {share}.json")
    moved.write_text(json.dumps(document))
    return moved


ADVICE = "no number is further from the saved one than another processor or version rounds: a tolerance of 1e-12"


def test_numbers_of_another_processor_agree_within_a_tolerance(files: Path) -> None:
    moved = moved_by(1e-13, files / "report.json")
    code, found = differences(moved)
    assert (code, [kind for kind, _ in found]) == (1, ["arithmetic", *["number"] * 5, "headline"])
    refused = kldeval("reproduce", moved)
    assert refused.out.splitlines()[1] == "not reproduced: 5 of 10 numbers agree in every digit, of 5 maps"
    assert f"note: {ADVICE} takes such numbers as equal" in refused.out
    assert differences(moved, "--tolerance", "1e-12") == (0, [("arithmetic", "arithmetic")])
    taken = kldeval("reproduce", moved, "--tolerance", "1e-12")
    assert taken.out.splitlines()[1] == "reproduced: 10 of 10 numbers agree within 1e-12, of 5 maps"
    assert library.reproduce(moved, tolerance=1e-12).agrees
    assert not library.reproduce(moved).agrees


def test_what_is_no_rounding_is_not_called_that(files: Path) -> None:
    moved = moved_by(1e-9, files / "report.json")
    assert ADVICE not in kldeval("reproduce", moved).out
    assert differences(moved, "--tolerance", "1e-12")[0] == 1
    (files / "bold" / "market.png").unlink()
    gone = kldeval("reproduce", moved_by(1e-13, files / "report.json"), "--tolerance", "1e-12")
    assert (gone.code, ADVICE in gone.out) == (1, False)


def test_a_mean_that_is_moved_or_a_report_of_failures_is_no_rounding(files: Path) -> None:
    document = json.loads((files / "report.json").read_text())
    document["summary"]["kld"]["mean"] *= 1.5
    (files / "moved.json").write_text(json.dumps(document))
    assert ADVICE not in kldeval("reproduce", files / "moved.json").out
    assert differences(files / "moved.json", "--tolerance", "1e-12") == (1, [("headline", "kld")])
    np.save(files / "flat.npy", np.zeros((3, 4)))
    assert kldeval(files / "flat.npy", files / "flat.npy", "-o", files / "failed.json", "-q").code == 1
    failed = kldeval("reproduce", files / "failed.json")
    assert (failed.code, ADVICE in failed.out) == (1, False)


@each_of("tolerance", ["1e-12", None, True])
def test_a_tolerance_in_python_is_a_number(tolerance: Any, files: Path) -> None:
    with pytest.raises(library.UsageProblem, match="a number from 0 \\(every digit\\) to below 1"):
        library.reproduce(files / "report.json", tolerance=tolerance)


@each_of(("value", "message"), [("1", "a tolerance of 1 is no"), ("-1e-9", "-1e-09 is no"), ("nan", "of nan is no")])
def test_a_tolerance_is_a_share(value: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("{}")
    done = kldeval("reproduce", tmp_path / "report.json", "--tolerance", value)
    assert (done.code, message in done.err) == (2, True), done.err


def test_a_published_row_has_a_tolerance_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "row.toml").write_text(ROW.format(value="0.725"))
    done = kldeval("reproduce", tmp_path / "row.toml", SAMPLE / "bold", SAMPLE / "gt", "--tolerance", "1e-3")
    assert done.code == 2
    assert "is a published row, which says its own tolerance (the line `tolerance = ...`)" in done.err


def test_a_leaderboard_and_other_folders(files: Path) -> None:
    board = files / "board.json"
    assert kldeval(files / "bold", files / "careful", files / "gt", "-m", "kld", "-o", board, "-q").code == 0
    assert differences(board) == (0, [])
    assert differences(board, SAMPLE / "bold", SAMPLE / "careful", SAMPLE / "gt") == (0, [])
    done = kldeval("reproduce", board, SAMPLE / "bold", SAMPLE / "gt")
    assert done.code == 2
    assert "is of 2 models: give a path for each, and the ground truth last" in done.err


ROW = """
title = "A number"
source = "Table 3"
data = "the sample"
[[number]]
metric = "kld"
value = "{value}"
"""


@pytest.mark.parametrize(("value", "code"), [("0.725", 0), ("every digit", 0), ("0.726", 1)])
def test_a_published_number_by_its_digits(tmp_path: Path, value: str, code: int) -> None:
    path = tmp_path / "row.toml"
    if value == "every digit":  # of this processor
        (mean,) = score(SAMPLE / "bold", SAMPLE / "gt", "-m", "kld")
        value = repr(mean)
    path.write_text(ROW.format(value=value))
    assert differences(path, SAMPLE / "bold", SAMPLE / "gt")[0] == code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = 1", "it lacks the text 'title'"),
        (ROW.format(value="0.7") + "scael = 'raw'\n", "'scael' is no setting"),
        (ROW.format(value="0.7").replace('"0.7"', "0.7"), "the number as it was printed"),
        (ROW.format(value="0.7").replace("[[number]]", "[number]"), "a table [[number]] for each number"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_row_that_says_too_little_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "row.toml"
    path.write_text(text)
    done = kldeval("reproduce", path, SAMPLE / "bold", SAMPLE / "gt")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


def test_a_row_says_which_files_a_number_is_of(tmp_path: Path) -> None:
    """The cumulative lines of CrowdFix's sample results: a list of values that is not emptied between categories."""
    rng = np.random.default_rng(7)
    values, lines = [], []
    for category in ("DC", "DF", "SP"):
        for k in range(3):
            pred, gt = rng.integers(0, 256, (2, 12, 16)).astype(np.uint8)
            pred[rng.random(pred.shape) < 0.3] = 0
            p, q = (one.astype(float) / one.astype(float).sum() for one in (pred, gt))
            values.append(float((q * np.log(1e-12 + q / (p + 1e-12))).sum()))
            for side, kind, array in (
                ("pred", "SALIENCY_MAPS", pred),
                ("gt", "GND_SALIENCY_MAPS", gt),
                ("gt", "FIXATION_MAPS", gt),
            ):
                folder = tmp_path / side / category / kind
                folder.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / f"006_00{k}.png"), array)
        lines.append(float(np.mean(values)))
    row = (SAMPLE.parent / "docs" / "reproductions" / "crowdfix-kld.toml").read_text()
    printed = "1.0047320943712488", "1.0781281357790298", "1.0438951070214062"
    for text, value in zip(printed, lines, strict=True):
        assert row.count(text) == 1
        row = row.replace(text, repr(value))
    path = tmp_path / "row.toml"
    path.write_text(row)
    code, found = differences(path, tmp_path / "pred", tmp_path / "gt")
    assert (code, found) == (0, [])
    path.write_text(row.replace('files = { exclude = ["SP"] }', 'files = { exclude = ["DC", "SP"] }'))
    assert differences(path, tmp_path / "pred", tmp_path / "gt")[0] == 1, "no line is of its category alone"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("[files]\nscale = 'raw'\n", "'scale' names no files; in [files] stand pred_name, gt_name"),
        ("[files]\nexclude = 3\n", "exclude = 3 in [files] is no text"),
    ],
)
def test_files_that_mean_nothing_are_refused(tmp_path: Path, files: str, message: str) -> None:
    path = tmp_path / "row.toml"
    path.write_text(ROW.format(value="0.7") + files)
    done = kldeval("reproduce", path, SAMPLE / "bold", SAMPLE / "gt")
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    "path", sorted((SAMPLE.parent / "docs" / "reproductions").glob("*.toml")), ids=lambda path: path.stem
)
def test_the_rows_of_the_documentation_can_be_read(path: Path) -> None:
    done = kldeval("reproduce", path)
    assert done.code == 2
    assert "needs its files" in done.err


def test_the_library_answers_the_same(files: Path) -> None:
    found = library.reproduce(files / "report.json")
    assert found
    validate(found.to_dict(), "reproduction")
    assert str(found).splitlines()[1].startswith("reproduced: 10 of 10")
    assert not library.reproduce(files / "report.json", files / "careful", files / "gt")


def test_the_page(files: Path) -> None:
    assert (
        kldeval("reproduce", files / "report.json", "-o", files / "page.html", "-o", files / "page.md", "-q").code == 0
    )
    assert "reproduced: 10 of 10 numbers agree" in (files / "page.html").read_text()
    assert "reproduced: 10 of 10 numbers agree" in (files / "page.md").read_text()
