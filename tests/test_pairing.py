"""Which file belongs to which: by name, every name accounted for exactly once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kldeval.data.listing import list_folder, name_of
from kldeval.data.pairing import Side, find_pairs, match
from kldeval.errors import UsageProblem
from kldeval.records import Failure, Pair

READABLE = (
    ".avif .bmp .dib .exr .gif .hdr .jp2 .jpe .jpeg .jpg .npy .npz .pam .pbm .pfm .pgm .pic .png .pnm .ppm .pxm .tif "
    ".tiff .webp"
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


def test_only_the_last_suffix_is_none_of_the_name() -> None:
    assert name_of("video.mp4/frame.0001.png") == "video.mp4/frame.0001"


def test_both_unicode_forms_of_a_name_are_one_name(pred: Path, gt: Path) -> None:
    fill(pred, "u\u0308bung 1.png", "显著.png")
    fill(gt, "\u00fcbung 1.png", "显著.npy")
    assert [pair.name for pair in find_pairs(pred, gt).pairs] == ["\u00fcbung 1", "显著"]
    assert find_pairs(pred, gt).pairs[0].pred.is_file()


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
        ),
        Failure(
            "x/only",
            "pair",
            f"the prediction {pred}/x/only.png has no ground truth: no map of this name in {gt}; "
            "--allow-extra leaves such maps out",
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
        Failure("a", "pair", f"2 files of the predictions in {pred} bear this name (a.jpg, a.png); keep one"),
        Failure("b", "pair", f"2 files of the ground truths in {gt} bear this name (b.npy, b.png); keep one"),
        Failure(
            "c",
            "pair",
            f"2 files of the predictions in {pred} bear this name (c.png, c.tif); "
            f"2 files of the ground truths in {gt} bear this name (c.npy, c.png); keep one",
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
    sides = [
        Side(what, Path(what), {name: tuple(f"{name}.{i}" for i in range(count)) for name, count in files.items()})
        for what, files in (("prediction", pred), ("ground truth", gt))
    ]
    if not pred.keys() & gt.keys():
        with pytest.raises(UsageProblem, match="no name is common"):
            match(*sides)
        return
    pairing = match(*sides, allow_missing=allow_missing, allow_extra=allow_extra)
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
    assert str(problem.value) == f"{pred} is a folder but {file} is a file; give two files or two folders"


def test_an_empty_folder(pred: Path, gt: Path) -> None:
    fill(pred, ".hidden.png")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == f"{pred} holds no map: no files at all, hidden ones aside"


def test_a_folder_of_other_files_alone(pred: Path, gt: Path) -> None:
    fill(pred, "a.mat", "b.txt", "LICENSE")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"{pred} holds no map: only files of other kinds (no suffix, .mat, .txt); readable are {READABLE}"
    )


def test_a_folder_that_may_not_be_listed(pred: Path, gt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(directory: str) -> None:
        raise PermissionError(13, "Permission denied", directory)

    fill(gt, "a.png")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == f"cannot list {pred}: permission denied"


def test_links_that_lead_outside_are_not_followed(tmp_path: Path, pred: Path, gt: Path) -> None:
    outside = fill(tmp_path / "secret", "a.png", "b/c.png")
    fill(pred, "own.png")
    (pred / "a.png").symlink_to(outside / "a.png")
    (pred / "b").symlink_to(outside / "b")
    (pred / "up").symlink_to(tmp_path)
    fill(gt, "own.png", "a.png", "b/c.png")
    pairing = find_pairs(pred, gt)
    assert [pair.name for pair in pairing.pairs] == ["own"]
    message = (
        "the ground truth {}/{}.png has no prediction: no map of this name in {} "
        "but the link {}, which leads elsewhere and is not followed; --allow-missing leaves such maps out"
    )
    assert pairing.failures == (
        Failure("a", "pair", message.format(gt, "a", pred, "a.png")),
        Failure("b/c", "pair", message.format(gt, "b/c", pred, "b")),
    )


def test_a_link_to_a_sibling_with_a_longer_name_leads_outside(tmp_path: Path, pred: Path) -> None:
    (pred / "a.png").symlink_to(fill(tmp_path / "pred2", "a.png") / "a.png")
    assert list_folder(pred).unfollowed == ("a.png",)


def test_links_within_the_folder_are_followed_to_files(pred: Path) -> None:
    fill(pred, "run/a.png")
    (pred / "best.png").symlink_to(pred / "run/a.png")
    (pred / "loop").symlink_to(pred)
    (pred / "broken.png").symlink_to(pred / "gone.png")
    listing = list_folder(pred)
    assert listing.maps == ("best.png", "run/a.png")
    assert listing.unfollowed == ("broken.png", "loop")


def test_a_folder_may_itself_be_a_link(tmp_path: Path, pred: Path, gt: Path) -> None:
    fill(pred, "a.png")
    (pred / "b.png").symlink_to(pred / "a.png")
    fill(gt, "a.png", "b.png")
    link = tmp_path / "link"
    link.symlink_to(pred)
    assert [pair.pred for pair in find_pairs(link, gt).pairs] == [link / "a.png", link / "b.png"]


def test_a_folder_of_outside_links_alone_says_so(tmp_path: Path, pred: Path, gt: Path) -> None:
    (pred / "a.png").symlink_to(fill(tmp_path / "blobs", "a.png") / "a.png")
    fill(gt, "a.png")
    with pytest.raises(UsageProblem) as problem:
        find_pairs(pred, gt)
    assert str(problem.value) == (
        f"{pred} holds no map: only links that lead elsewhere and are not followed (such as 'a.png')"
    )


def test_pipes_are_no_maps(pred: Path) -> None:
    os.mkfifo(pred / "a.png")
    assert list_folder(pred).maps == ()


def test_a_name_with_a_line_break_stays_on_one_line(pred: Path, gt: Path) -> None:
    fill(pred, "a.png", "b\nc.png")
    fill(gt, "a.png")
    (failure,) = find_pairs(pred, gt).failures
    assert failure.message.startswith(f"the prediction '{pred}/b\\nc.png' has no ground truth: ")
