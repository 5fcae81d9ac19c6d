"""Nothing that is written takes the place of what is read, and nothing without an end is read."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import kldeval


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Predictions, ground truths, and one file of each kind that stands beside them."""
    root = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for side in ("pred", "gt", "kld"):
        (root / side).mkdir()
        for name in "ab":
            np.save(root / side / f"{name}.npy", rng.random((6, 7)) + 0.1)
    (root / "pairs.csv").write_text("pred,gt\npred/a.npy,gt/a.npy\n")
    (root / "fixations.csv").write_text("name,x,y\na,3,4\nb,2,2\n")
    (root / "made.toml").write_text('metric = "kld"\n')
    with pytest.MonkeyPatch.context() as there:
        there.chdir(root)
        assert kldeval("density", "fixations.csv", "made", "--sigma", "1", "--size", "7x6").code == 0
        assert kldeval("pred", "gt", "-o", "report.json").code == 0
    (root / "link.json").symlink_to("pred/a.npy")
    (root / "link.npy").symlink_to("gt/a.npy")
    return root


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of that for one test, which runs there."""
    root = Path(shutil.copytree(made, tmp_path / "root", symlinks=True))
    monkeypatch.chdir(root)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


OVER_INPUTS = {
    "pred gt -o json:pred/a.npy": "pred/a.npy: it would be an input among those of pred; name another file",
    "pred gt -o json:gt/new.png": "gt/new.png: it would be an input among those of gt; name another file",
    "pred gt -o link.json": "link.json: it would be an input among those of pred; name another file",
    "pred/a.npy gt/a.npy -o json:gt/a.npy": "gt/a.npy: it is read by this run; name another file",
    "--manifest pairs.csv -o pairs.csv": "pairs.csv: it is read by this run; name another file",
    "--manifest pairs.csv -o json:pred/a.npy": "pred/a.npy: it is read by this run; name another file",
    "pred gt -m nss --fixations fixations.csv -o fixations.csv": (
        "fixations.csv: it is read by this run; name another file"
    ),
    "pred gt --config made.toml -o json:made.toml": "made.toml: it is read by this run; name another file",
    "pred gt --signature report.json -o report.json": "report.json: it is read by this run; name another file",
    "show report.json -o report.json": "report.json: it is read by this run; name another file",
    "compare report.json report.json -o report.json": "report.json: it is read by this run; name another file",
    "merge report.json -o report.json": "report.json: it is read by this run; name another file",
    "audit pred gt --metric nss --fixations fixations.csv -o fixations.csv": (
        "fixations.csv: it is read by this run; name another file"
    ),
    "explain pred/a.npy gt/a.npy --save gt/a.png": None,
    "pred made -o made/a.json": "made/a.json: it says how the map beside it was made; name another file",
    "pred gt --save-maps pred": "pred: the next run would read it as maps of pred; name another folder",
    "pred gt --save-maps gt/terms": "gt/terms: the next run would read it as maps of gt; name another folder",
    "kld gt --save-maps .": ".: kld would be among its files; name another folder",
    "pred/a.npy gt/a.npy --save-maps gt": ("gt: gt/a.npy, which is read, lies there; name another folder, as terms"),
    "--manifest pairs.csv --save-maps .": (".: pairs.csv, which is read, lies there; name another folder, as terms"),
    "pred/a.npy link.npy --save-maps .": ".: link.npy, which is read, lies there; name another folder, as terms",
    "density fixations.csv made --sigma 1 --like made": (
        "made: the next run would read it as maps of made; name another folder"
    ),
    "density pred pred/new --sigma 1": "pred/new: the next run would read it as maps of pred; name another folder",
}


@pytest.mark.parametrize("command", OVER_INPUTS)
def test_an_input_is_never_overwritten(folder: Path, command: str) -> None:
    before, message = contents(folder), OVER_INPUTS[command]
    done = kldeval(*command.split())
    if message is None:  # beside two files, which are not all that their folder holds
        assert done.code == 0
        return
    assert (done.code, done.out, done.err) == (2, "", f"kldeval: cannot write {message}\n")
    assert contents(folder) == before


@pytest.mark.parametrize("command", ["pred gt -o report.json", "audit pred gt -o report.json"])
def test_a_read_only_file_stays(folder: Path, command: str) -> None:
    """Its modes count for the superuser, too, whom they do not bind."""
    (folder / "report.json").chmod(stat.S_IRUSR)
    before = contents(folder)
    done = kldeval(*command.split())
    assert (done.code, done.out, done.err) == (2, "", "kldeval: cannot write report.json: it is read-only\n")
    assert contents(folder) == before


def test_read_only_maps_stay(folder: Path) -> None:
    assert kldeval("pred", "gt", "--save-maps", "terms").code == 0
    (folder / "terms" / "kld" / "a.npy").chmod(stat.S_IRUSR)
    (folder / "made" / "a.npy").chmod(stat.S_IRUSR)
    before = contents(folder)
    done = kldeval("pred", "gt", "--save-maps", "terms", "--format", "csv")
    assert done.code == 1
    assert "its terms were not saved: cannot write terms/kld/a.npy: it is read-only" in done.err
    done = kldeval("density", "fixations.csv", "made", "--sigma", "2", "--size", "7x6")
    assert (done.code, done.err) == (2, "kldeval: cannot write made/a.npy: it is read-only\n")
    assert contents(folder) == before


def test_a_json_of_another_program_is_no_sidecar_to_replace(folder: Path) -> None:
    (folder / "made" / "a.json").write_text('{"mine": 1}')
    done = kldeval("density", "fixations.csv", "made", "--sigma", "2", "--size", "7x6")
    message = "made/a.json: it is there, and says nothing of a map that was made of fixations"
    assert (done.code, done.err) == (2, f"kldeval: cannot write {message}\n")
    assert (folder / "made" / "a.json").read_text() == '{"mine": 1}'


def test_a_second_run_may_replace_what_the_first_wrote(folder: Path) -> None:
    for command in (
        "pred gt -o report.json -o pred/report.csv --save-maps terms",
        "density fixations.csv made --sigma 2 --size 7x6",
        "audit pred gt -o audit.json",
    ):
        assert [kldeval(*command.split()).code for _ in range(2)] == [0, 0], command
    assert folder


if sys.platform != "win32":
    WITHOUT_END = {
        "a FIFO": "endless.json",
        "a device": "zero.json",
    }

    READING = {
        "--manifest {}": "cannot read the manifest {}: it is {}, not a regular file",
        "show {}": "cannot read {}: it is {}, not a regular file",
        "compare {} report.json": "cannot read {}: it is {}, not a regular file",
        "merge {} report.json": "cannot read {}: it is {}, not a regular file",
        "methods {}": "cannot read {}: it is {}, not a regular file",
        "pred gt --config {}": "cannot read {}: it is {}, not a regular file",
        "pred gt --mask {}": "cannot read {}: it is {}, not a regular file",
        "pred gt --weights {}": "cannot read {}: it is {}, not a regular file",
        "pred gt -m ig --fixations fixations.csv --baseline {}": "cannot read {}: it is {}, not a regular file",
        "pred gt -m ce --class-weights {}": "--class-weights {}: it is {}, not a regular file",
    }

    @pytest.mark.parametrize("kind", WITHOUT_END)
    @pytest.mark.parametrize("command", READING)
    def test_what_has_no_end_is_not_read(folder: Path, command: str, kind: str) -> None:
        os.mkfifo(folder / "endless.json")
        (folder / "zero.json").symlink_to("/dev/zero")
        done = kldeval(*command.format(WITHOUT_END[kind]).split())
        message = READING[command].format(WITHOUT_END[kind], kind)
        assert (done.code, done.out, done.err) == (2, "", f"kldeval: {message}\n")

    @pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".mat", ".png", ".npy", ".npz"])
    def test_fixations_without_end_are_not_read(folder: Path, suffix: str) -> None:
        os.mkfifo(folder / f"endless{suffix}")
        done = kldeval("pred", "gt", "-m", "nss", "--fixations", f"endless{suffix}")
        message = f"kldeval: endless{suffix}: it is a FIFO, not a regular file\n"
        assert (done.code, done.out, done.err) == (2, "", message)

    def test_no_configuration_may_be_named(folder: Path) -> None:
        (folder / "kldeval.toml").write_text('metric = "ce"\n')
        done = kldeval("pred", "gt", "--config", os.devnull, "--format", "csv", "-q")
        assert done.code == 0
        assert done.out.startswith("name,kld,ce,")
