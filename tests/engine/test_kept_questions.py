"""Answers of audit and identify that are kept between runs: the output stays that of a run without a cache."""

from __future__ import annotations

import time
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looked_at import LookedAt, make_looked_at

import kldeval as library

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Outcome


QUESTIONS = {
    "audit": "audit {model} {pred} {gt} --format json",
    "a page": "audit {pred} {gt}",
    "some conventions": "audit {pred} {gt} --convention mit,scipy,exact --format json",
    "curve and bounds": "audit {model} {pred} {gt} --eps-curve --bounds round --format json --convention mit,exact",
    "companion": "audit {model} {pred} {gt} --metric nss --fixations {fixations} --format json",
    "identify": "identify --value 0.27 {pred} {gt}",
    "a row": "identify --value 0.27 --value cc=0.61 {pred} {gt} --format json",
}


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LookedAt:
    """Maps, of which one is 0 in a row and a column: some conventions refuse it, others give inf."""
    found = make_looked_at(tmp_path / "maps", dtype=np.float32)
    (found.root / "model").mkdir()
    for image, array in found.gts.items():
        scarce = array.astype(np.uint8) * (image != "b")
        scarce[2:5, 3:7] = array[2:5, 3:7]
        np.save(found.root / "model" / f"{image}.npy", scarce)
    monkeypatch.setattr("kldeval.digests.SETTLED_NS", 0)
    time.sleep(0.005)
    return found


def words(seen: LookedAt, question: str) -> list[str]:
    pred, gt = seen.maps
    return question.format(pred=pred, gt=gt, model=seen.root / "model", fixations=seen.fixations).split()


def answer(words: list[str], cache: Path | None = None) -> Outcome:
    """By this process alone: what workers look at is not noted here."""
    found = kldeval(*words, "--jobs", "1", *(() if cache is None else ("--cache", cache)))
    assert found.code in (0, 1), found.err
    return found


@pytest.fixture
def worked_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the pairs whose maps were looked at."""
    found: list[str] = []

    def spy(name: str, name_of: Any) -> None:
        begin = resolve_name(name)

        def noted(evaluator: Any, first: Any, *others: Any) -> Any:
            found.append(name_of(first))
            return begin(evaluator, first, *others)

        monkeypatch.setattr(name, noted)

    spy("kldeval.scoring.evaluator.SharedEvaluator.begin", str)
    spy("kldeval.scoring.evaluator.Evaluator.begin", lambda pair: pair.name)
    return found


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_asked_again_works_on_no_pair(seen: LookedAt, question: str, worked_on: list[str]) -> None:
    asked = words(seen, question)
    new, first = answer(asked), answer(asked, seen.root / "cache")
    assert worked_on
    worked_on.clear()
    assert new == first == answer(asked, seen.root / "cache")
    assert worked_on == []


def test_numbers_are_those_of_the_first_run_to_the_bit(seen: LookedAt) -> None:
    """As are their types: what Python prints of an audit is the same."""
    preds, gt = {"a": seen.root / "model", "b": seen.maps[0]}, seen.maps[1]
    options: dict[str, Any] = {"conventions": "mit,exact,scipy", "eps_curve": True, "bounds": "round"}
    new = library.audit(preds, gt, **options)
    kept = [library.audit(preds, gt, cache=seen.root / "cache", **options) for _ in range(2)]
    values = {repr(value) for rows in new.maps.values() for row in rows for value in row.values.values()}
    assert "inf" in values
    assert any(row.refusals for rows in new.maps.values() for row in rows)
    assert repr(kept[0].maps) == repr(kept[1].maps) == repr(new.maps)


def test_a_map_that_changed_is_the_only_one_worked_on(seen: LookedAt, worked_on: list[str]) -> None:
    asked = words(seen, QUESTIONS["some conventions"])
    answer(asked, seen.root / "cache")
    np.save(seen.root / "pred" / "b.npy", np.random.default_rng(5).random(seen.gts["b"].shape).astype(np.float32))
    new = answer(asked)
    worked_on.clear()
    assert answer(asked, seen.root / "cache") == new
    assert worked_on == ["b"]


@pytest.mark.parametrize(
    "other",
    [
        "--convention mit,sam",
        "--eps-curve",
        "--convention mit --bounds round",
        "--resize both(size=6x6)",
    ],
)
def test_another_audit_has_rows_of_its_own(seen: LookedAt, other: str) -> None:
    cache, asked = seen.root / "cache", words(seen, "audit {model} {gt} --convention exact,keras --format json")
    first = answer(asked, cache)
    assert answer([*asked, *other.split()], cache) == answer([*asked, *other.split()])
    assert answer(asked, cache) == first


@pytest.mark.parametrize("question", [QUESTIONS["some conventions"], QUESTIONS["companion"], QUESTIONS["identify"]])
def test_shares_fill_the_rows_of_the_whole(seen: LookedAt, question: str, worked_on: list[str]) -> None:
    """What they print is of a share alone, and says so."""
    asked, cache = words(seen, question), seen.root / "cache"
    for number in (1, 2):
        share = answer([*asked, "--shard", f"{number}/2"], cache)
        assert f"over the share {number}/2 of the pairs alone" in share.out + share.err
    new = answer(asked)
    worked_on.clear()
    assert answer(asked, cache) == new
    assert worked_on == []


def test_what_was_worked_out_before_an_interruption_stays(
    seen: LookedAt, worked_on: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, cache = words(seen, QUESTIONS["some conventions"]), seen.root / "cache"
    new = answer(asked)
    begin = resolve_name("kldeval.scoring.evaluator.SharedEvaluator.begin")

    def interrupted(evaluator: Any, name: str, *maps: Any) -> Any:
        if name == "c":
            raise KeyboardInterrupt
        return begin(evaluator, name, *maps)

    with monkeypatch.context() as patch:
        patch.setattr("kldeval.executors.local.LARGEST_CHUNK", 1)
        patch.setattr("kldeval.scoring.evaluator.SharedEvaluator.begin", interrupted)
        assert kldeval(*asked, "--cache", cache, "--jobs", "1").code == 130
    worked_on.clear()
    assert answer(asked, cache) == new
    assert set(worked_on) == {"c"}


def test_a_map_that_cannot_be_read_ends_identify_and_the_others_are_kept(seen: LookedAt, worked_on: list[str]) -> None:
    asked, cache = words(seen, QUESTIONS["identify"]), seen.root / "cache"
    whole = (seen.root / "pred" / "c.npy").read_bytes()
    (seen.root / "pred" / "c.npy").write_bytes(whole[:-9])
    refused = kldeval(*asked, "--cache", cache)
    assert (refused.code, refused.out) == (1, "")
    (seen.root / "pred" / "c.npy").write_bytes(whole)
    worked_on.clear()
    answer(asked, cache)
    assert worked_on == ["c"]


def test_notes_on_shares_are_in_the_words_of_python(seen: LookedAt) -> None:
    found = library.audit(*seen.maps, conventions="mit", shard="1/2"), library.identify("0.27", *seen.maps, shard="1/2")
    for one in found:
        (note,) = (note for note in one.notes if "share 1/2" in note)
        assert note.endswith("with one cache, the same of all pairs scores none again: leave out shard")


@pytest.mark.parametrize("question", [QUESTIONS["audit"], QUESTIONS["identify"]], ids=["audit", "identify"])
def test_rows_are_not_kept_among_the_maps(seen: LookedAt, question: str) -> None:
    refused = kldeval(*words(seen, question), "--cache", seen.root / "pred" / "cache")
    assert (refused.code, refused.out) == (2, "")
    assert "the next run would read it as maps of" in refused.err
