"""Shares of the pairs on many machines: each has the context of all, and together they are the whole run."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval
from looked_at import SHAPE, LookedAt, make_looked_at

import kldeval as library

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "maps")


def of(text: str) -> Any:
    document = json.loads(text)
    return {key: value for key, value in document.items() if key != "provenance"}


def merged(seen: LookedAt, count: int, *arguments: str) -> tuple[int, str, str]:
    parts = []
    for number in range(1, count + 1):
        part = seen.root / f"part{number}.json"
        outcome = kldeval(*seen.maps, *arguments, "--shard", f"{number}/{count}", "-o", part, "-q")
        assert outcome.code in (0, 1), outcome.err
        parts.append(part)
    outcome = kldeval("merge", *parts, "--format", "json")
    return outcome.code, outcome.out, outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-m", "sauc,kld"),
        ("-m", "ig", "--baseline", "others"),
        ("-m", "sim(of=norm),nss(of=norm)", "--norm", "max"),
        ("-m", "kld,nss", "--baselines"),
        ("-m", "kld,nss", "--confidence", "0.9", "--resamples", "500", "--seed", "3"),
    ],
    ids=" ".join,
)
def test_the_shares_together_are_the_whole_run(seen: LookedAt, arguments: tuple[str, ...]) -> None:
    """Also where an image is compared with all others; a share may have no pair at all."""
    given = (*arguments, "--fixations", str(seen.fixations)) if arguments else ()
    whole = kldeval(*seen.maps, *given, "--format", "json")
    for count in (1, 2, 5):
        code, out, err = merged(seen, count, *given)
        assert (code, whole.code) == (0, 0), err
        assert of(out) == of(whole.out)


def test_a_share_says_that_it_is_one(seen: LookedAt) -> None:
    """Whoever loses the others would publish a part of the maps."""
    said = "these are the pairs of the share 1/2 alone: kldeval merge makes one report of all shares"
    for models in (seen.maps, (*seen.maps, seen.maps[1])):
        assert said in kldeval(*models, "--shard", "1/2").out
        assert said not in kldeval(*models).out
    code, out, err = merged(seen, 2)
    assert (code, "of the share" in out) == (0, False), err


@pytest.mark.parametrize("alone", ["a", "b", "ab", "abc"])
def test_a_ceiling_that_some_maps_lack_is_noted_of_all(seen: LookedAt, alone: str) -> None:
    """With how many of all maps have one, and the first that has none, whichever shares they are in."""
    header, *rows = seen.fixations.read_text().splitlines()
    only = {name: next(row for row in rows if row.startswith(f"{name},")).rpartition(",")[2] for name in alone}
    kept = [row for row in rows if only.get(row[0], row.rpartition(",")[2]) == row.rpartition(",")[2]]
    seen.fixations.write_text("\n".join([header, *kept]) + "\n")
    words = ("-m", "kld,nss", "--baselines", "--fixations", str(seen.fixations))
    whole = kldeval(*seen.maps, *words, "--format", "json")
    assert "there is no ceiling row: only" in whole.out
    for count in (1, 2, 3, 5):
        code, out, err = merged(seen, count, *words)
        assert (code, whole.code) == (0, 0), err
        assert of(out) == of(whole.out)


def test_what_has_no_partner_is_in_the_first_share(seen: LookedAt) -> None:
    np.save(seen.root / "gt" / "lone.npy", np.ones((2, 2)))
    whole = kldeval(*seen.maps, "--format", "json")
    code, out, _ = merged(seen, 2)
    assert (code, whole.code) == (1, 1)
    assert of(out) == of(whole.out)
    report = library.evaluate(*seen.maps, shard="2/2")
    assert report.failures == ()


def test_an_empty_share_is_a_report_and_no_failure(seen: LookedAt) -> None:
    outcome = kldeval(*seen.maps, "--shard", "4/4", "--format", "json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["maps"] == []


@pytest.mark.parametrize("kept", [(1, 2), (1, 3), (2, 3), (1, 2, 3, "whole"), (1, 2, "other")])
def test_shares_that_are_not_all_of_one_run_are_refused(seen: LookedAt, kept: tuple[Any, ...]) -> None:
    merged(seen, 3)
    kldeval(*seen.maps, "-o", seen.root / "partwhole.json", "-q")
    kldeval(*seen.maps, "--limit", "2", "--shard", "3/3", "-o", seen.root / "partother.json", "-q")
    outcome = kldeval("merge", *(seen.root / f"part{name}.json" for name in kept))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kldeval: the reports are not the shares of one run (--shard): ")


OTHERS = {
    "given twice": "one is given twice",
    "of another number": "they are of different numbers of shares, or of different images",
    "of other files": "they are of different numbers of shares, or of different images",
    "of other names": "they are of different numbers of shares, or of different images",
}


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("which", OTHERS)
def test_shares_are_each_there_once_of_one_number_and_of_the_same_files(
    seen: LookedAt, which: str, models: int
) -> None:
    """A ground truth of another size shows that one share saw other files, whatever their names."""
    maps = seen.maps if models == 1 else make_models(seen)
    for number in (1, 2):
        kldeval(*maps, "--shard", f"{number}/2", "-o", seen.root / f"part{number}.json", "-q")
    if which == "of other names":
        for folder in maps:
            (folder / "b.png").rename(folder / "bb.png")  # which stands in its place
    if which == "of other files":
        with (seen.root / "gt" / "a.png").open("ab") as file:
            file.write(b"more")
    shard = "2/3" if which == "of another number" else "2/2"
    kldeval(*maps, "--shard", shard, "-o", seen.root / "again.json", "-q")
    parts = ["part1", "part2", "again"] if which == "given twice" else ["part1", "again"]
    outcome = kldeval("merge", *(seen.root / f"{part}.json" for part in parts))
    expected = f"kldeval: the reports are not the shares of one run (--shard): {OTHERS[which]}\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", expected)


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", "", "²/3"])
def test_what_is_no_share_is_refused(seen: LookedAt, shard: str) -> None:
    outcome = kldeval(*seen.maps, "--shard", shard)
    message = f"kldeval: --shard {shard}: a share is I/N with I from 1 to N, such as 1/8\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", message)


@pytest.mark.parametrize(
    "arguments", [("--score-only",), ("--fail-if", "kld>1"), ("--format", "scores"), ("-o", "scores:nowhere.txt")]
)
def test_what_is_asked_of_all_is_not_asked_of_a_share(seen: LookedAt, arguments: tuple[str, ...]) -> None:
    outcome = kldeval(*seen.maps, "--shard", "1/2", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "would not be about all of them; merge the shares first" in outcome.err


def test_a_share_with_nothing_to_score_says_nothing_of_its_files(tmp_path: Path) -> None:
    """How ground truths were made stands beside them, and is in the signature of those that were scored."""
    seen = make_looked_at(tmp_path / "maps", dtype=np.float32)
    for path in (seen.root / "gt").iterdir():
        path.with_suffix(".json").write_text('{"schema": "kldeval.density/1", "made": "by-hand", "fixations": 12}')
    (seen.root / "pred" / "a.npy").write_bytes(b"damaged")
    whole = kldeval(*seen.maps, "--format", "json")
    code, out, err = merged(seen, 3)
    assert (code, whole.code) == (1, 1), err
    assert of(out) == of(whole.out)
    assert "density:by-hand(fixations=24)" in of(out)["signature"]["kld"]


@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("made", ["a", "b", "ac", "bC", "aBC"])
def test_shares_whose_ground_truths_were_made_in_different_ways_are_the_whole_run(
    tmp_path: Path, made: str, models: int
) -> None:
    """What a share says of all its own maps need not be so of all maps; those that say nothing are counted, too."""
    seen = make_looked_at(tmp_path / "maps", dtype=np.float32)
    for name in made:
        way = "gaussian(sigma=3,border=reflect)" if name.islower() else "by-hand"
        members = {"schema": "kldeval.density/1", "made": way, "fixations": ord(name)}
        (seen.root / "gt" / f"{name.lower()}.json").write_text(json.dumps(members))
    maps = seen.maps if models == 1 else make_models(seen)
    words = ["-m", "kld,nss,cc", "--fixations", str(seen.fixations)] + ["--resamples", "100"] * (models > 1)
    whole = json.loads(kldeval(*maps, *words, "--format", "json").out)
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        kldeval(*maps, *words, "--shard", f"{number}/2", "-o", part, "-q")
    outcome = kldeval("merge", *parts, "--format", "json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert without_provenance(found) == without_provenance(whole)
    shorts = [
        [part["provenance"]["short"] for part in one.get("reports", {"": one}).values()] for one in (found, whole)
    ]
    assert shorts[0] == shorts[1]


def test_a_merged_report_says_what_all_shares_were_scored_with(seen: LookedAt) -> None:
    """It is no share itself, and says where shares read different files, as those of two models would."""
    whole = json.loads(kldeval(*seen.maps, "--format", "json").out)["provenance"]
    merged(seen, 2)
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    found = json.loads(kldeval("merge", *parts, "--format", "json").out)
    assert found["provenance"] == {**whole, "merged": [str(part) for part in parts]}
    assert found["notes"] == []
    elsewhere = seen.root / "elsewhere"
    elsewhere.symlink_to(seen.root / "pred")
    kldeval(elsewhere, seen.root / "gt", "--shard", "2/2", "--jobs", "7", "-o", parts[1], "-q")
    found = json.loads(kldeval("merge", *parts, "--format", "json").out)
    agreed = {key: value for key, value in whole.items() if key not in ("pred", "jobs")}
    assert found["provenance"] == {**agreed, "merged": [str(part) for part in parts]}
    places = f"{seen.root / 'pred'}, {elsewhere}"
    assert found["notes"] == [
        f"the shares were scored with predictions in several places: {places}; are they the same?"
    ]


@pytest.mark.parametrize("words", ["-m kld --baselines", "-m sauc --fixations {fixations}"])
def test_parts_that_do_not_say_what_other_images_they_saw_are_refused(seen: LookedAt, words: str) -> None:
    """Reference rows are made of all ground truths; and reports once were saved without the digest of the fixations."""
    parts = []
    for number, names in enumerate(("ab", "c")):
        for side in ("pred", "gt"):
            (seen.root / f"{side}{number}").mkdir()
            for name in names:
                (seen.root / f"{side}{number}" / f"{name}.png").symlink_to(seen.root / side / f"{name}.png")
        parts.append(seen.root / f"half{number}.json")
        maps = (seen.root / f"pred{number}", seen.root / f"gt{number}")
        kldeval(*maps, *words.format(fixations=seen.fixations).split(), "-o", parts[-1], "-q")
        parts[-1].write_text(re.sub(r"\|context:images\([^)]*\)", "", parts[-1].read_text()))
    outcome = kldeval("merge", *parts)
    what = {
        "kld": f"the reference rows of {parts[0]} were made of its own images, so they cannot be merged",
        "sauc": f"{parts[0]} does not say with which other images sauc was compared: it cannot be merged",
    }[words.split()[1]]
    way_out = "every image is compared with all others, so score the parts of one whole list of images, with --shard"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {what}; {way_out}\n")


def test_shares_with_intervals_of_different_kinds_are_refused(seen: LookedAt) -> None:
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    for part, words in zip(parts, (("--confidence", "0.9"), ("--confidence", "0.8")), strict=True):
        assert kldeval(*seen.maps, *words, "--shard", f"{part.stem[-1]}/2", "-o", part, "-q").code == 0
    outcome = kldeval("merge", *parts)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("kldeval: the shares have intervals that were drawn in different ways: interval(")


def test_what_rounding_leaves_open_is_asked_of_all_maps(seen: LookedAt) -> None:
    outcome = kldeval(*seen.maps, "--bounds", "round", "--shard", "1/2")
    assert (outcome.code, outcome.out) == (2, "")
    assert "--bounds says what is open of the means over all maps: score them without --shard" in outcome.err


@pytest.mark.parametrize("words", ["", "--reduction sum", "--weights latitude --maps pixels"])
def test_tables_per_class_are_those_of_the_whole_run(tmp_path: Path, words: str) -> None:
    """To the last bit, also of classes that only some shares have, and of a prediction that is certain and wrong."""
    rng = np.random.default_rng(4)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
    for number in range(7):
        logits = rng.normal(0, 30, (5, 6, 7))
        logits[0, 0, 0] = -1000 if number == 3 else 0
        np.save(tmp_path / "pred" / f"{number}.npy", logits)
        np.save(tmp_path / "gt" / f"{number}.npy", rng.integers(0, 2 + number % 4, (6, 7)))
    given = ("-m", "ce,brier,ece", "--norm", "softmax", "--axis", "0", "--per-class", *words.split())
    maps = (tmp_path / "pred", tmp_path / "gt")
    whole = of(kldeval(*maps, *given, "--format", "json", "-q").out)
    for count in (1, 2, 9):
        parts = [tmp_path / f"part{number}.json" for number in range(1, count + 1)]
        for number, part in enumerate(parts, 1):
            assert kldeval(*maps, *given, "--shard", f"{number}/{count}", "-o", part, "-q").code == 0
        outcome = kldeval("merge", *parts, "--format", "json", "-q")
        assert outcome.code == 0, outcome.err
        assert of(outcome.out) == whole
        assert len(of(outcome.out)["classes"]) == 5


def make_models(seen: LookedAt) -> tuple[Path, ...]:
    pred, gt = seen.maps
    other = seen.root / "other"
    other.mkdir()
    for path in sorted(gt.iterdir()):
        (other / path.name).write_bytes(path.read_bytes())
    return pred, other, gt


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-m", "sauc,kld", "--seed", "5", "--confidence", "0.9"),
        ("-m", "kld,nss", "--baselines"),
        ("-m", "kld", "--group-by", "{name}"),
    ],
    ids=" ".join,
)
def test_leaderboards_of_the_shares_together_are_the_whole_one(seen: LookedAt, arguments: tuple[str, ...]) -> None:
    given = (
        (*arguments, "--fixations", str(seen.fixations))
        if "sauc,kld" in arguments or "kld,nss" in arguments
        else arguments
    )
    pred, other, gt = make_models(seen)
    (other / "b.png").unlink()
    whole = kldeval(pred, other, gt, *given, "--format", "json")
    for count in (1, 5):
        parts = []
        for number in range(1, count + 1):
            parts.append(seen.root / f"part{number}.json")
            outcome = kldeval(pred, other, gt, *given, "--shard", f"{number}/{count}", "-o", parts[-1], "-q")
            assert outcome.code in (0, 1), outcome.err
        outcome = kldeval("merge", *parts, "--format", "json")
        assert outcome.code == whole.code == 1, outcome.err
        assert without_provenance(json.loads(outcome.out)) == without_provenance(json.loads(whole.out))


def without_provenance(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_provenance(item) for key, item in value.items() if key != "provenance"}
    return value


def test_leaderboards_are_sorted_when_they_are_merged(seen: LookedAt) -> None:
    pred, other, gt = make_models(seen)
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        assert kldeval(pred, other, gt, "--shard", f"{number}/2", "-o", part, "-q").code == 0
    whole = kldeval(pred, other, gt, "--sort", "kld", "--format", "json")
    sorted_ = kldeval("merge", *parts, "--sort", "kld", "--format", "json")
    assert list(json.loads(sorted_.out)["reports"]) == list(json.loads(whole.out)["reports"]) == ["other", "pred"]
    refused = kldeval(pred, other, gt, "--sort", "kld", "--shard", "1/2")
    assert (refused.code, "--sort would not be about all of them" in refused.err) == (2, True)
    assert kldeval("merge", *parts, "--fail-if", "kld>0.01").code == 3
    assert kldeval("merge", *parts, "--fail-if", "kld>100").code == 0


def test_leaderboards_that_were_drawn_in_different_ways_are_refused(seen: LookedAt) -> None:
    maps = make_models(seen)
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        words = ("--seed", str(number), "--resamples", "100", "--shard", f"{number}/2", "-o", part, "-q")
        assert kldeval(*maps, *words).code == 0
    outcome = kldeval("merge", *parts)
    drawn = [f"paired(confidence=0.95,resamples=100,seed={seed})" for seed in (1, 2)]
    expected = f"{parts[0]} was drawn by {drawn[0]}, but {parts[1]} by {drawn[1]}: they cannot be merged"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {expected}\n")


def test_notes_of_leaderboards_count_the_maps_of_each_model(seen: LookedAt) -> None:
    """Also those that another model lacks, and the comparison says what it was computed with."""
    pred, other, gt = make_models(seen)
    (other / "b.png").unlink()
    for name in ("a", "b", "c"):
        array = np.full(SHAPE, 9, np.uint8)
        array[0, 0] = 0 if name != "c" else 9
        cv2.imwrite(str(pred / f"{name}.png"), array)
    words = ("--resamples", "100", "--allow-missing")
    whole = json.loads(kldeval(pred, other, gt, *words, "--format", "json").out)
    parts = [seen.root / f"part{number}.json" for number in (1, 2)]
    for number, part in enumerate(parts, 1):
        kldeval(pred, other, gt, *words, "--shard", f"{number}/2", "-o", part, "-q")
    found = json.loads(kldeval("merge", *parts, "--format", "json").out)
    assert without_provenance(found) == without_provenance(whole)
    assert any("(2 of 3 maps)" in note for note in whole["reports"]["pred"]["notes"])
    assert found["comparison"]["provenance"] == whole["comparison"]["provenance"]


def test_parts_of_different_kinds_or_models_are_refused(seen: LookedAt) -> None:
    pred, other, gt = make_models(seen)
    board, renamed, report = (seen.root / f"{name}.json" for name in ("board", "renamed", "report"))
    kldeval(pred, other, gt, "--shard", "1/2", "-o", board, "-q")
    kldeval(pred, other, gt, "--shard", "2/2", "--name", "x", "--name", "y", "-o", renamed, "-q")
    kldeval(pred, gt, "--shard", "2/2", "-o", report, "-q")
    for parts, message in {
        (
            board,
            report,
        ): f"{board} is a leaderboard and {report} is a report: parts are all reports or all leaderboards",
        (board, renamed): f"{board} has the models other, pred, but {renamed} has x, y: they cannot be merged",
        (board,): "the reports are not the shares of one run (--shard): 2 of 2 missing",
    }.items():
        outcome = kldeval("merge", *parts)
        assert (outcome.code, outcome.out, outcome.err) == (2, "", f"kldeval: {message}\n")
