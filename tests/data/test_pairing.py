"""Which file belongs to which: by name, every name accounted for exactly once."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from many import few_or_many

from kldeval import evaluate
from kldeval.data.pairing import find_pairs
from kldeval.errors import UsageProblem
from kldeval.records import Failure, Pair

pytestmark = pytest.mark.usefixtures("few_or_many")
__all__ = ["few_or_many"]

READABLE = (
    ".avif .bin .bmp .dib .exr .gif .h5 .hdf5 .hdr .jp2 .jpe .jpeg .jpg .mat .nc .nc4 .nhdr .nii .nii.gz .npy .npz "
    ".nrrd .pam .pbm .pfm .pgm .pic .png .pnm .ppm .pt .pth .pxm .safetensors .tif .tiff .webp .zarr .zarr.zip"
)


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


@pytest.fixture
def pred(tmp_path: Path) -> Path:
    folder = tmp_path / "pred"
    folder.mkdir()
    return folder


@pytest.fixture
def gt(tmp_path: Path) -> Path:
    folder = tmp_path / "gt"
    folder.mkdir()
    return folder


def test_two_files_are_named_after_the_prediction(pred: Path, gt: Path) -> None:
    first, second = fill(pred, "a.b.png") / "a.b.png", fill(gt, "other.npy") / "other.npy"
    assert find_pairs(first, second).pairs == (Pair("a.b", first, second),)


def test_folders_pair_by_relative_path_whatever_the_suffix(pred: Path, gt: Path) -> None:
    fill(pred, "a/1.png", "a/2.PNG", "b/1.jpg", "c.tif")
    fill(gt, "c.npz", "b/1.npy", "a/2.png", "a/1.npy")
    assert find_pairs(pred, gt).pairs == (
        Pair("a/1", pred / "a/1.png", gt / "a/1.npy"),
        Pair("a/2", pred / "a/2.PNG", gt / "a/2.png"),
        Pair("b/1", pred / "b/1.jpg", gt / "b/1.npy"),
        Pair("c", pred / "c.tif", gt / "c.npz"),
    )


def test_pairs_are_sorted_as_plain_text(pred: Path, gt: Path) -> None:
    names = ["10", "9", "a/1", "a-b", "B", "ä", "z"]
    for folder in (pred, gt):
        fill(folder, *(f"{name}.png" for name in names))
    assert [pair.name for pair in find_pairs(pred, gt).pairs] == ["10", "9", "B", "a-b", "a/1", "z", "ä"]


def test_only_the_last_suffix_is_none_of_the_name(pred: Path, gt: Path) -> None:
    for folder in (pred, gt):
        fill(folder, "video.mp4/frame.0001.png")
    assert [pair.name for pair in find_pairs(pred, gt).pairs] == ["video.mp4/frame.0001"]


def test_both_unicode_forms_of_a_name_are_one_name(pred: Path, gt: Path) -> None:
    fill(pred, "u\u0308bung 1.png", "显著.png")
    fill(gt, "\u00fcbung 1.png", "显著.npy")
    assert [pair.name for pair in find_pairs(pred, gt).pairs] == ["\u00fcbung 1", "显著"]
    assert Path(str(find_pairs(pred, gt).pairs[0].pred)).is_file()


def test_hidden_junk_and_unreadable_files_are_ignored(pred: Path, gt: Path) -> None:
    junk = [".a.png", ".git/b.png", "__MACOSX/a.png", "Thumbs.db", "desktop.ini", "b.txt", "c.json", "d.csv", "e.md"]
    fill(pred, "a.png", *junk)
    fill(gt, "a.png", "f.mat", ".DS_Store")
    assert find_pairs(pred, gt).pairs == (Pair("a", pred / "a.png", gt / "a.png"),)
    assert find_pairs(pred, gt).failures == ()


def test_a_folder_in_a_hidden_place_is_read_when_it_is_given(tmp_path: Path) -> None:
    pred, gt = fill(tmp_path / ".cache/pred", "a.png"), fill(tmp_path / ".cache/gt", "a.png")
    assert len(find_pairs(pred, gt).pairs) == 1


def test_names_without_a_partner_are_failures_that_say_where_it_was_looked_for(pred: Path, gt: Path) -> None:
    fill(pred, "both.png", "x/only.png")
    fill(gt, "both.png", "lone.npy")
    pairing = find_pairs(pred, gt)
    assert pairing.failures == (
        Failure(
            "lone",
            "pair",
            f"the ground truth {gt}/lone.npy has no prediction: no map of this name in {pred}; "
            "--allow-missing leaves such maps out",
            "no-partner",
        ),
        Failure(
            "x/only",
            "pair",
            f"the prediction {pred}/x/only.png has no ground truth: no map of this name in {gt}; "
            "--allow-extra leaves such maps out",
            "no-partner",
        ),
    )
    assert (pairing.n_missing, pairing.n_extra) == (0, 0)


def test_allowed_names_without_a_partner_are_counted(pred: Path, gt: Path) -> None:
    fill(pred, "both.png", "p1.png", "p2.png", "p3.png")
    fill(gt, "both.png", "g1.png", "g2.png")
    missing = find_pairs(pred, gt, allow_missing=True)
    assert (missing.n_missing, missing.n_extra, len(missing.failures)) == (2, 0, 3)
    extra = find_pairs(pred, gt, allow_extra=True)
    assert (extra.n_missing, extra.n_extra, len(extra.failures)) == (0, 3, 2)
    either = find_pairs(pred, gt, allow_missing=True, allow_extra=True)
    assert (either.n_missing, either.n_extra, either.failures) == (2, 3, ())


def test_two_files_of_one_name_are_a_failure_and_never_a_choice(pred: Path, gt: Path) -> None:
    fill(pred, "a.png", "a.jpg", "b.png", "c.png", "c.tif", "ok.png")
    fill(gt, "a.png", "b.npy", "b.png", "c.png", "c.npy", "ok.png")
    pairing = find_pairs(pred, gt, allow_missing=True, allow_extra=True)
    assert [pair.name for pair in pairing.pairs] == ["ok"]
    assert pairing.failures == (
        Failure(
            "a",
            "pair",
            f"2 files of the predictions in {pred} bear this name (a.jpg, a.png); keep one",
            "ambiguous-name",
        ),
        Failure(
            "b",
            "pair",
            f"2 files of the ground truths in {gt} bear this name (b.npy, b.png); keep one",
            "ambiguous-name",
        ),
        Failure(
            "c",
            "pair",
            f"2 files of the predictions in {pred} bear this name (c.png, c.tif); "
            f"2 files of the ground truths in {gt} bear this name (c.npy, c.png); keep one",
            "ambiguous-name",
        ),
    )


def test_a_shared_name_is_not_reported_as_missing_too(pred: Path, gt: Path) -> None:
    fill(pred, "a.png", "a.jpg", "b.png")
    fill(gt, "b.png")
    assert [failure.name for failure in find_pairs(pred, gt).failures] == ["a"]


NAMED = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 2), min_size=1)


@given(pred=NAMED, gt=NAMED, allow_missing=st.booleans(), allow_extra=st.booleans())
def test_every_name_is_accounted_for_once(
    pred: dict[str, int], gt: dict[str, int], *, allow_missing: bool, allow_extra: bool
) -> None:
    with TemporaryDirectory() as root:
        sides = []
        for side, files in (("pred", pred), ("gt", gt)):
            names = (f"{name}{suffix}" for name, count in files.items() for suffix in (".png", ".npy")[:count])
            sides.append(fill(Path(root) / side, *names))
        if not pred.keys() & gt.keys():
            with pytest.raises(UsageProblem, match="no name is common"):
                find_pairs(*sides)
            return
        pairing = find_pairs(*sides, allow_missing=allow_missing, allow_extra=allow_extra)
    named = [pair.name for pair in pairing.pairs] + [failure.name for failure in pairing.failures]
    assert len(named) == len(set(named))
    assert len(named) + pairing.n_missing + pairing.n_extra == len(pred.keys() | gt.keys())


def test_folders_without_a_common_name_show_examples_of_both(pred: Path, gt: Path) -> None:
    fill(pred, "d.png", "c.png", "b.png", "a.png")
    fill(gt, "a_fixMap.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"no name is common to {pred} (such as 'a', 'b', 'c') and {gt} (such as 'a_fixMap'); "
        "maps pair by their relative path without suffix"
    )


def test_a_folder_that_is_one_level_too_high_is_noticed(pred: Path, gt: Path) -> None:
    fill(pred, "0001.png")
    fill(gt, "maps/0001.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"no name is common to {pred} (such as '0001') and {gt} (such as 'maps/0001'); "
        "maps pair by their relative path without suffix; "
        "the last parts of the names do agree (such as '0001'): name the folders that hold the files"
    )


def test_a_path_that_does_not_exist(tmp_path: Path, gt: Path) -> None:
    with pytest.raises(UsageProblem) as problem:
        find_pairs(tmp_path / "prde", gt)
    assert str(problem.value) == f"{tmp_path}/prde does not exist; give two files or two folders of maps"


def test_a_path_that_is_neither_file_nor_folder(gt: Path) -> None:
    with pytest.raises(UsageProblem, match=r"^/dev/null is neither a file nor a folder; give two files or two folders"):
        find_pairs(Path("/dev/null"), gt)


def test_a_folder_does_not_pair_with_a_file(pred: Path, gt: Path) -> None:
    file = fill(gt, "a.png") / "a.png"
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, file)
    assert str(problem.value) == (
        f"{pred} is a folder but {file} is a file; give two files or two folders, or, where the folder holds several "
        f"predictions of one map, {pred}/* in its place"
    )


def test_an_empty_folder(pred: Path, gt: Path) -> None:
    fill(pred, ".hidden.png")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == f"{pred} holds no map: no files at all, hidden ones aside"


def test_a_folder_of_other_files_alone(pred: Path, gt: Path) -> None:
    fill(pred, "a.ckpt", "b.txt", "LICENSE")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"{pred} holds no map: only files of other kinds (no suffix, .ckpt); readable are {READABLE}"
    )


def test_a_folder_that_may_not_be_listed(pred: Path, gt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: str) -> None:
        raise PermissionError(13, "Permission denied", directory)

    fill(gt, "a.png")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == f"cannot list {pred}: permission denied"


def test_links_are_followed_to_files_and_folders_anywhere(tmp_path: Path, pred: Path, gt: Path) -> None:
    """Research data are links: to another disk, into a cache."""
    outside = fill(tmp_path / "scratch", "blob1.png", "b/c.png")
    fill(pred, "own.png")
    (pred / "a.png").symlink_to(outside / "blob1.png")
    (pred / "b").symlink_to(outside / "b")
    (pred / "again").symlink_to(pred / "b")
    fill(gt, "own.png", "a.png", "b/c.png", "again/c.png")
    pairing = find_pairs(pred, gt)
    assert [pair.name for pair in pairing.pairs] == ["a", "again/c", "b/c", "own"]
    assert pairing.pairs[0].pred == pred / "a.png"
    assert (pairing.failures, pairing.notes) == ((), ())


def test_links_in_a_circle_end_and_are_noted(tmp_path: Path, pred: Path, gt: Path) -> None:
    fill(pred, "run/a.png")
    (pred / "run/back").symlink_to(pred)
    (pred / "up").symlink_to(tmp_path)
    (pred / "self").symlink_to(pred / "self")
    (gt / "run").mkdir(parents=True)
    fill(gt, "run/a.png")
    pairing = find_pairs(pred, gt, allow_extra=True)
    assert [pair.name for pair in pairing.pairs] == ["run/a"]
    (note,) = pairing.notes
    assert note == (
        f"not followed among the predictions in {pred}, links that lead back to a folder above them: "
        "2 (such as 'run/back', 'up/pred')"
    )


def test_links_that_double_with_every_level_are_refused(tmp_path: Path) -> None:
    fill(tmp_path / "20", "a.png")
    for level in range(20):
        (tmp_path / str(level)).mkdir()
        for name in ("x", "y"):
            (tmp_path / str(level) / name).symlink_to(tmp_path / str(level + 1))
    with pytest.raises(UsageProblem, match=r"^links lead to .* on more than 1000 ways$"):
        find_pairs(tmp_path / "0", tmp_path / "20")


def test_a_link_to_nothing_is_a_failure_of_its_map_alone(tmp_path: Path, pred: Path, gt: Path) -> None:
    """That of a file is found when the file is read, like any other that cannot be opened."""
    arrays = {name: np.arange(6.0).reshape(2, 3) for name in ("a", "b")}
    for side in (pred, gt):
        side.mkdir(exist_ok=True)
        for name, array in arrays.items():
            np.save(side / f"{name}.npy", array)
    (pred / "a.npy").unlink()
    (pred / "a.npy").symlink_to(tmp_path / "gone.npy")
    (pred / "videos").symlink_to(tmp_path / "away")
    report = evaluate(pred, gt, metric="kld", on_failure="ignore")
    assert [score.name for score in report.scores] == ["b"]
    assert [(failure.name, failure.stage, failure.code) for failure in report.failures] == [
        ("a", "load", "dangling-link"),
        ("videos", "pair", "dangling-link"),
    ]
    assert report.failures[0].message == (
        f"{pred / 'a.npy'} is a link to {tmp_path / 'gone.npy'}, which does not exist"
    )
    assert report.failures[1].message == (
        f"among the predictions, {pred / 'videos'} is a link to {tmp_path / 'away'}, which does not exist"
    )


def test_a_map_below_a_link_to_nothing_says_so(tmp_path: Path, pred: Path, gt: Path) -> None:
    fill(pred, "a.png")
    fill(gt, "a.png", "videos/b.png")
    (pred / "videos").symlink_to(tmp_path / "away")
    messages = [failure.message for failure in find_pairs(pred, gt).failures]
    assert messages[1] == (
        f"the ground truth {gt}/videos/b.png has no prediction: no map of this name in {pred} "
        "but videos, a link to what does not exist; --allow-missing leaves such maps out"
    )


def test_a_folder_may_itself_be_a_link(tmp_path: Path, pred: Path, gt: Path) -> None:
    fill(pred, "a.png")
    (pred / "b.png").symlink_to(pred / "a.png")
    fill(gt, "a.png", "b.png")
    link = tmp_path / "link"
    link.symlink_to(pred)
    assert [pair.pred for pair in find_pairs(link, gt).pairs] == [link / "a.png", link / "b.png"]


def test_a_folder_of_links_to_nothing_says_so(tmp_path: Path, pred: Path, gt: Path) -> None:
    pred.mkdir(exist_ok=True)
    (pred / "videos").symlink_to(tmp_path / "away")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == f"{pred} holds no map: links to what does not exist (such as 'videos')"


def test_a_pipe_that_is_called_like_a_map_is_not_dropped(pred: Path, gt: Path) -> None:
    """Whoever reads it refuses it."""
    os.mkfifo(pred / "a.png")
    fill(gt, "a.png")
    assert [pair.pred for pair in find_pairs(pred, gt).pairs] == [pred / "a.png"]


def test_a_name_with_a_line_break_stays_on_one_line(pred: Path, gt: Path) -> None:
    fill(pred, "a.png", "b\nc.png")
    fill(gt, "a.png")
    (failure,) = find_pairs(pred, gt).failures
    assert failure.message.startswith(f"the prediction '{pred}/b\\nc.png' has no ground truth: ")


def test_maps_without_a_partner_are_looked_up_among_files_of_other_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is named a few times, however many maps have no partner."""
    named: list[str] = []

    def name_of(relative: str) -> str:
        named.append(relative)
        return relative.partition(".")[0]

    monkeypatch.setattr("kldeval.data.unpaired.name_of", name_of)
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "both.npy").touch()
    for number in range(60):
        (tmp_path / "gt" / f"{number}.npy").touch()
        (tmp_path / "pred" / f"{number}.txt").touch()
    failures = find_pairs(tmp_path / "pred", tmp_path / "gt").failures
    assert [failure.name for failure in failures] == sorted(f"{number}" for number in range(60))
    assert all(f"pred but {failure.name}.txt, of a kind that is not read" in failure.message for failure in failures)
    assert len(named) <= 60
