"""Rows as parts of a folder: those of the report in its order, whoever writes them and whatever ends on the way."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import Outcome, kldeval
from late import late
from looked_at import make_looked_at
from programs import python

import kldeval as library
from kldeval.errors import PartsMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

parquet = late("pyarrow.parquet")

HOME = Path(__file__).parents[2]


def make_maps(root: Path, number: int = 18) -> tuple[Path, Path]:
    """Pairs of which one has an empty ground truth, one is smaller, one is damaged and one has no partner."""
    rng = np.random.default_rng(11)
    for side in ("pred", "gt"):
        (root / side / "v").mkdir(parents=True)
        for place in range(number):
            array = rng.random((6, 8))[: 2 if place == 5 else 6] ** 3
            np.save(root / side / "v" / f"{place:02d}.npy", array * (side == "pred" or place != 7))
    (root / "gt" / "v" / "03.npy").write_bytes(b"damaged")
    shutil.copy(root / "gt" / "v" / "00.npy", root / "gt" / "v" / "lone.npy")
    return root / "pred", root / "gt"


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    return make_maps(tmp_path)


SMALL = {"kldeval.engine.parts.TASKS_OF_PART": 5, "kldeval.engine.parts.TASKS_OF_PIECE": 2}
BY_WORKERS = {**SMALL, "kldeval.reports.collected.MOST_IN_MEMORY": 3, "kldeval.executors.local.WORTH_WORKERS": 0}


@pytest.fixture(params=["by this process", "by workers"])
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Parts of five pairs, written by the process that collects or by those that score."""
    for name, value in (SMALL if request.param == "by this process" else BY_WORKERS).items():
        monkeypatch.setattr(name, value)
    return str(request.param)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """The rows of all parts in the order of their names, without what only the JSON report says."""
    rows = [row for path in sorted(folder.glob("part-*")) for row in parquet.read_table(path).to_pylist()]
    return [{key: value for key, value in row.items() if key != "details"} for row in rows]


def same(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> bool:
    return json.dumps(rows) == json.dumps(others)  # nan equals nan


REQUESTS = {
    "plain": "",
    "fixations": "-m kld,cc,nss,auc-judd --fixations {fixations}",
    "pooled": "-m bce --maps pixels --norm none",
    "groups": "--group-by parent",
    "skipped": "--empty-gt skip",
    "filled": "--missing uniform --scale raw",
    "references": "--baselines",
    "limit": "--limit 5",
    "share": "--shard 2/3",
    "empty share": "--shard 7/7 --limit 6",
}


@pytest.mark.parametrize("words", REQUESTS)
def test_parts_are_the_rows_of_the_report(tmp_path: Path, writer: str, words: str) -> None:
    """Read in the order of their names; and the report is that of a run without them."""
    maps, flags = make_maps(tmp_path), REQUESTS[words]
    if "{fixations}" in flags or words == "references":
        seen = make_looked_at(tmp_path / "seen")
        maps, flags = seen.maps, flags.format(fixations=seen.fixations)
    run: list[str | Path] = [*maps, *flags.split(), "--jobs", "2", "-q"]
    plain = kldeval(*run, "--format", "json", "-o", tmp_path / "rows.parquet")
    given = kldeval(*run, "--format", "json", "--output-dir", tmp_path / "rows", "-o", tmp_path / "again.parquet")
    assert given == plain, writer
    whole = parquet.read_table(tmp_path / "rows.parquet")
    assert parquet.read_table(tmp_path / "again.parquet").equals(whole)
    assert same(rows_of(tmp_path / "rows"), whole.to_pylist())
    part = parquet.read_table(tmp_path / "rows" / "part-000000.parquet")
    assert part.column_names == [*whole.column_names, "details"]


@pytest.mark.parametrize(
    "words",
    [
        "--format json",
        "--format jsonl",
        "--baselines --format csv",
        "--per-map",
        "--cache {}/kept",
        "-m binary-ece,bce --maps pixels --norm none --format json",
    ],
)
def test_who_writes_does_not_matter(
    maps: tuple[Path, Path], tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of parts and output are the same by this process, by one worker, by many, and from the cache."""
    found = []
    metrics = [] if "-m" in words else ["-m", "kld,cc"]
    run: list[str | Path] = [*maps, *words.format(tmp_path).split(), *metrics]
    for place, (constants, jobs) in enumerate([(SMALL, "1"), (BY_WORKERS, "1"), (BY_WORKERS, "3"), (BY_WORKERS, "3")]):
        for name, value in constants.items():
            monkeypatch.setattr(name, value)
        outcome = kldeval(*run, "--jobs", jobs, "--output-dir", tmp_path / f"rows{place}")
        found.append((outcome.code, outcome.out.replace(f'"jobs": {jobs}', ""), files_of(tmp_path / f"rows{place}")))
    assert found[0][0] == 1
    assert list(found[0][2]) == [f"part-{number:06d}.parquet" for number in range(5)]  # four of scores, one of failures
    assert all(one == found[0] for one in found)


def test_names_that_are_no_text_are_in_parts(tmp_path: Path, writer: str) -> None:
    """Parquet has no text that is not UTF-8: the report has the name all the same."""
    maps = make_maps(tmp_path, 9)
    for folder in maps:
        (folder / "v" / "01.npy").rename(folder / "v" / os.fsdecode(b"\xff\n.npy"))
    plain = kldeval(*maps, "--format", "json", "-q")
    assert kldeval(*maps, "--format", "json", "-q", "--output-dir", tmp_path / "rows") == plain, writer
    assert len(rows_of(tmp_path / "rows")) == 10


def test_parts_are_forced_onto_the_disk_before_they_have_their_names(
    maps: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fsync = os.fsync

    def noted(file: int) -> None:
        seen.append(Path(f"/proc/self/fd/{file}").readlink().name)
        fsync(file)

    monkeypatch.setattr("os.fsync", noted)
    kldeval(*maps, "-q", "--output-dir", tmp_path / "rows")
    assert len(seen) == len(files_of(tmp_path / "rows"))
    assert all(name.startswith(".kldeval-part-") for name in seen)


def test_a_part_says_what_it_is_of(maps: tuple[Path, Path], tmp_path: Path, writer: str) -> None:
    kldeval(*maps, "--shard", "1/2", "--output-dir", tmp_path / "rows", "-o", tmp_path / "report.json")
    report = json.loads((tmp_path / "report.json").read_text())
    for number, path in enumerate(sorted((tmp_path / "rows").iterdir())):
        metadata = {key.decode(): value.decode() for key, value in parquet.read_metadata(path).metadata.items()}
        metadata.pop("ARROW:schema")
        assert json.loads(metadata.pop("kldeval.settings.signature")) == report["signature"], writer
        assert json.loads(metadata.pop("kldeval.inputs")) == dict(zip(("pred", "gt"), map(str, maps), strict=True))
        assert len(bytes.fromhex(metadata.pop("kldeval.run"))) == 32
        assert metadata.pop("kldeval.names").startswith("n=9,sha256=")
        assert metadata == {"kldeval.schema": "kldeval.part/1", "kldeval.shard": "1/2", "kldeval.part": str(number)}


def test_a_second_run_replaces_the_parts_of_the_first(maps: tuple[Path, Path], tmp_path: Path, writer: str) -> None:
    """Whatever has changed in the files: what is there afterwards is what a run into a new folder writes."""
    rows = tmp_path / "rows"
    assert kldeval(*maps, "--output-dir", rows, "-q").code == 1, writer
    first = files_of(rows)
    for name in ("notes.txt", "part-000001.csv", ".kldeval-part-0123456789abcdef.tmp"):
        (rows / name).write_text("mine")
    assert kldeval(*maps, "--output-dir", rows, "-q").code == 1
    assert files_of(rows) == first | {"notes.txt": b"mine", "part-000001.csv": b"mine"}
    for change in ("mended", "fewer", "more"):
        if change == "mended":
            for side in maps:  # nothing fails any more, and there is one part less
                for name in ("03", "05", "07"):
                    shutil.copy(side / "v" / "00.npy", side / "v" / f"{name}.npy")
            (maps[1] / "v" / "lone.npy").unlink()
        if change == "fewer":
            for place in range(8, 18):
                (maps[0] / "v" / f"{place:02d}.npy").unlink()
                (maps[1] / "v" / f"{place:02d}.npy").unlink()
        if change == "more":
            for place in range(18, 38):
                shutil.copy(maps[0] / "v" / "01.npy", maps[0] / "v" / f"{place:02d}.npy")
                shutil.copy(maps[1] / "v" / "01.npy", maps[1] / "v" / f"{place:02d}.npy")
        kldeval(*maps, "--output-dir", rows, "-q")
        kldeval(*maps, "--output-dir", tmp_path / change, "-q")
        mine = {"notes.txt": b"mine", "part-000001.csv": b"mine"}
        assert files_of(rows) == files_of(tmp_path / change) | mine, change


OTHERS = {
    "-m cc": "metrics kld,ce, here cc",
    "--base 2": "kld: base e, here 2",
    "--shard 1/2": "share 1/1, here 1/2",
    "--max-pixels 4096": "another way to read files, other images beside each, or other versions",
}


@pytest.mark.parametrize("words", [*OTHERS, "pred"])
def test_parts_of_another_request_are_not_touched(maps: tuple[Path, Path], tmp_path: Path, words: str) -> None:
    rows, what = tmp_path / "rows", OTHERS.get(words, f"pred {maps[0]}, here {maps[1]}")
    kldeval(*maps, "--output-dir", rows, "-q")
    before = files_of(rows)
    flags = [] if words == "pred" else words.split()
    refused = kldeval(maps[1] if words == "pred" else maps[0], maps[1], *flags, "--output-dir", rows)
    way_out = "name another folder, or remove part-000000.parquet and its like"
    message = f"kldeval: --output-dir {rows} holds parts of another run ({what}); {way_out}\n"
    assert (refused.code, refused.out, refused.err) == (2, "", message)
    assert files_of(rows) == before


@pytest.mark.parametrize("contents", [b"mine", b"PAR1", None])
def test_files_of_others_are_not_touched(maps: tuple[Path, Path], tmp_path: Path, contents: bytes | None) -> None:
    rows = tmp_path / "rows"
    rows.mkdir()
    if contents is None:
        kldeval(*maps, "-o", rows / "part-000003.parquet", "-q")
    else:
        (rows / "part-000003.parquet").write_bytes(contents)
    before = files_of(rows)
    refused = kldeval(*maps, "--output-dir", rows)
    what = "part-000003.parquet is no part that this version wrote; name another folder"
    assert (refused.code, refused.out, refused.err) == (2, "", f"kldeval: --output-dir {rows}: {what}\n")
    assert files_of(rows) == before


def test_a_folder_among_inputs_and_one_of_two_models_is_refused(maps: tuple[Path, Path], tmp_path: Path) -> None:
    for among in (maps[0], maps[1] / "v"):
        refused = kldeval(*maps, "--output-dir", among)
        assert (refused.code, list(among.glob("*.parquet"))) == (2, [])
        assert refused.err.startswith(f"kldeval: cannot write {among}: the next run would read it as maps of ")
    both = kldeval(maps[0], maps[1], maps[1], "--output-dir", tmp_path / "more")
    assert both == Outcome(
        2, "", "kldeval: --output-dir holds the rows of one prediction; score each model by itself for it\n"
    )


def test_a_file_is_no_folder(maps: tuple[Path, Path]) -> None:
    other = maps[0].parent / "notes.txt"
    other.write_text("mine")
    refused = kldeval(*maps, "--output-dir", other)
    assert refused == Outcome(2, "", f"kldeval: --output-dir {other} is a file; name a folder\n")
    assert other.read_text() == "mine"


# from Python


def shuffled(maps: tuple[Path, Path]) -> Iterator[tuple[str, Path, Path]]:
    """Pairs as an iterable gives them, in any order."""
    names = [path.name for path in (maps[0] / "v").iterdir()]
    np.random.default_rng(2).shuffle(names)
    return ((f"v/{name[:-4]}", maps[0] / "v" / name, maps[1] / "v" / name) for name in names)


def without_inputs(folder: Path) -> list[Any]:
    """The rows of all parts as text, for nan equals nan, with their metadata but for the paths of both sides."""
    tables = [parquet.read_table(path) for path in sorted(folder.iterdir())]
    facts = [{**table.schema.metadata, b"kldeval.inputs": b""} for table in tables]
    return [(json.dumps(table.to_pylist()), its) for table, its in zip(tables, facts, strict=True)]


@pytest.mark.parametrize("words", ["", "--empty-gt skip", "-m kld,cc,sim --group-by parent"])
def test_python_writes_the_parts_of_the_command_line(
    tmp_path: Path, writer: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of folders every byte; of an iterable in any order, which has no paths, all but the paths."""
    monkeypatch.setattr("kldeval.api.sources.LARGEST_BLOCK", 7)
    maps = make_maps(tmp_path)
    (maps[1] / "v" / "lone.npy").unlink()
    kldeval(*maps, *words.split(), "--output-dir", tmp_path / "there", "-q")
    keywords = {"--empty-gt": "empty_gt", "-m": "metric", "--group-by": "group_by"}
    said = words.split()
    options: dict[str, Any] = {keywords[name]: value for name, value in zip(said[::2], said[1::2], strict=True)}
    options["on_failure"] = "ignore"
    report = library.evaluate(*maps, output_dir=tmp_path / "here", **options)
    assert files_of(tmp_path / "here") == files_of(tmp_path / "there"), writer
    assert [score.name for score in report.scores[6:9]] == [score.name for score in report.scores][6:9]
    library.evaluate(shuffled(maps), output_dir=str(tmp_path / "pairs"), **options)
    *scored, failed = without_inputs(tmp_path / "pairs")
    *expected, missing = without_inputs(tmp_path / "there")
    assert scored == expected
    names = [[row["name"] for row in json.loads(rows)] for rows, _ in (failed, missing)]
    assert names[0] == names[1] != []


def test_an_iterable_with_parts_of_another_run_is_refused_before_its_end(
    maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kldeval.api.sources.LARGEST_BLOCK", 7)
    rows, asked = maps[0].parent / "rows", []
    library.evaluate(shuffled(maps), output_dir=rows, on_failure="ignore")
    before = files_of(rows)

    def endless() -> Iterator[Any]:
        for place in range(50):
            asked.append(place)
            yield f"{place:04d}", np.ones((2, 2)), np.ones((2, 2))

    with pytest.raises(library.UsageProblem, match=r"holds parts of another run \(metrics kld,ce, here cc\)"):
        library.evaluate(endless(), metric="cc", output_dir=rows)
    assert len(asked) < 20
    assert files_of(rows) == before


def test_parts_are_of_one_prediction_and_in_a_folder_that_has_a_name(maps: tuple[Path, Path]) -> None:
    with pytest.raises(library.UsageProblem, match="output_dir holds the rows of one prediction"):
        library.evaluate({"a": maps[0], "b": maps[0]}, maps[1], output_dir=maps[0].parent / "rows")
    for name in ("output_dir", "cache", "save_maps"):
        options: dict[str, Any] = {name: ""}
        with pytest.raises(
            library.UsageProblem, match=rf'^{name} is empty \(""\); give the name of a folder or a file$'
        ):
            library.evaluate(*maps, **options)
    with pytest.raises(library.UsageProblem, match="the next run would read it as maps"):
        library.evaluate(*maps, output_dir=maps[0] / "v")


def remove(part: Path) -> None:
    part.unlink()


def cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-100])


def replaced(part: Path) -> None:
    """By a part of the same request about other maps, which nobody should take numbers from."""
    table = parquet.read_table(part)
    facts = {**table.schema.metadata, b"kldeval.names": b"n=18,sha256=0"}
    parquet.write_table(table.slice(2).replace_schema_metadata(facts), part)


@pytest.mark.parametrize("damage", [remove, cut, replaced])
def test_parts_that_somebody_removes_are_made_again(
    maps: tuple[Path, Path], tmp_path: Path, writer: str, damage: Callable[[Path], None]
) -> None:
    """However late: the report and the parts are those of a run that nobody disturbs."""
    whole = library.evaluate(*maps, output_dir=tmp_path / "whole", on_failure="ignore", progress=lambda *_: None)
    rows, done = tmp_path / "rows", []

    def told(*_: Any) -> None:
        done.append(1)
        if len(done) == 17:
            damage(rows / "part-000001.parquet")

    with contextlib.ExitStack() as stack:
        by_workers = writer == "by workers"
        if by_workers or damage is remove:
            stack.enter_context(
                pytest.warns(RuntimeWarning, match=r"cannot read .*part-000001.parquet, .* made again$")
            )
        found = library.evaluate(*maps, output_dir=rows, jobs=1, on_failure="ignore", progress=told)
    assert (found.scores[:], found.summaries) == (whole.scores[:], whole.summaries)
    if by_workers or damage is remove:
        assert files_of(rows) == files_of(tmp_path / "whole")


def test_a_folder_that_vanishes_costs_no_report(maps: tuple[Path, Path], tmp_path: Path, writer: str) -> None:
    whole = library.evaluate(*maps, on_failure="ignore")
    rows, done = tmp_path / "rows", []

    def told(*_: Any) -> None:
        done.append(1)
        if len(done) == 12:
            shutil.rmtree(rows)

    first = rows / "part-000000.parquet"
    with (
        pytest.raises(PartsMissing, match=rf"^cannot write {first}: .*; 5 of 5 parts missing: mend that") as missing,
        pytest.warns(RuntimeWarning),
    ):
        library.evaluate(*maps, output_dir=rows, jobs=1, on_failure="ignore", progress=told)
    report: Any = missing.value.report
    assert (list(report.scores), report.summaries) == (list(whole.scores), whole.summaries), writer


def test_the_command_line_reports_without_the_folder_that_vanished(
    undisturbed: tuple[Path, Outcome], tmp_path: Path, writer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some parts were written: the report is whole, the last line names the first part, the exit code is 2."""
    root, whole = undisturbed
    rows, write = tmp_path / "rows", resolve_name("kldeval.writers.parts.PartFolder.write")

    def writing(folder: Any, number: int, data: bytes) -> None:
        write(folder, number, data)
        if number == 2:
            shutil.rmtree(rows)

    monkeypatch.setattr("kldeval.writers.parts.PartFolder.write", writing)
    with pytest.warns(RuntimeWarning):
        found = kldeval(root / "pred", root / "gt", "--format", "csv", "--output-dir", rows, "--jobs", "1")
    assert (found.code, found.out) == (2, whole.out), writer
    why = "no such file or directory; 5 of 5 parts missing"
    way_out = "mend that and run it again (with --cache nothing is scored twice)"
    assert found.err.splitlines()[-1] == f"kldeval: cannot write {rows}/part-000000.parquet: {why}: {way_out}"


@pytest.mark.parametrize("command", ["show", "merge", "compare {}", "methods"])
def test_commands_on_reports_say_what_parts_are(maps: tuple[Path, Path], tmp_path: Path, command: str) -> None:
    rows = tmp_path / "rows"
    kldeval(*maps, "--output-dir", rows, "-q")
    if command.startswith("compare"):
        kldeval(*maps, "-o", tmp_path / "a.json", "-q")
    for path in (rows, rows / "part-000000.parquet"):
        words = command.format(tmp_path / "a.json").split()
        refused = kldeval(*words, path)
        assert (refused.code, refused.out) == (2, "")
        assert f"{path} holds rows, not a report: name the report of that run (--output report.json" in refused.err


# what ends on the way

HOOK = """
import os, shutil, signal, sys
driver = os.getpid()
def look(event, given):
    if event == {event!r} and {word!r} in str(given[0]) and ({who}) and not os.path.exists({flag!r}):
        os.close(os.open({flag!r}, os.O_CREAT))
        {what}
sys.addaudithook(look)
"""
"""What is done once in a process as it comes to something, such as giving a part its name."""

MAIN = """
from kldeval.cli.terminal import end_in_order, open_streams, say_warnings
end_in_order(), open_streams(), say_warnings()
from kldeval.process import settle_process
settle_process()
{constants}
{hook}
from kldeval.cli.main import run_arguments
sys.exit(run_arguments(sys.argv[1:]))
"""


def program(constants: dict[str, int], *arguments: str | Path, **of_hook: str) -> list[str]:
    """The command line in a process of its own, with small parts."""
    names = [(name.rpartition("."), value) for name, value in constants.items()]
    patches = "import sys\n" + "\n".join(f"import {name[0]}\n{name[0]}.{name[2]} = {value}" for name, value in names)
    code = MAIN.format(constants=patches, hook=HOOK.format(**of_hook) if of_hook else "")
    return [*python(), "-c", code, *map(str, arguments)]


def run(command: list[str], **options: Any) -> Outcome:
    # a compiled module that a full disk has cut would stay
    environment = {**os.environ, "PYTHONPATH": str(HOME), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, **options)
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """Maps, what is said of them, and the parts of a run to which nothing happens."""
    root = tmp_path_factory.mktemp("undisturbed")
    return root, run_again(make_maps(root), root / "rows")


def run_again(arguments: Sequence[str | Path], rows: Path) -> Outcome:
    """A run to which nothing happens."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(name, value)
        return kldeval(*arguments, "--format", "csv", "--output-dir", rows)


AT_RENAME = {"event": "os.rename", "word": ".kldeval-part-"}


@pytest.mark.slow
@pytest.mark.parametrize(("how", "constants"), [("a full disk", BY_WORKERS), ("a folder that vanishes", SMALL)])
def test_parts_that_cannot_be_written_cost_no_report(
    undisturbed: tuple[Path, Outcome], tmp_path: Path, how: str, constants: dict[str, int]
) -> None:
    """The report is printed whole, a message says what is missing, and the exit code is that of other outputs."""
    root, whole = undisturbed
    rows = tmp_path / "rows"
    hook = (
        {}
        if "disk" in how
        else {"event": "open", "word": "01.npy", "who": "True", "what": f"shutil.rmtree({str(rows)!r})"}
    )
    arguments = (root / "pred", root / "gt", "--format", "csv", "--output-dir", rows, "--jobs", "2")
    command = program(constants, *arguments, **({"flag": str(tmp_path / "flag"), **hook} if hook else {}))

    def limited() -> None:
        if "disk" in how:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    done = run(command, preexec_fn=limited)
    why = "file too large" if "disk" in how else "no such file or directory"
    assert (done.code, done.out) == (2, whole.out)
    lines = done.err.splitlines()
    first = f"kldeval: warning: cannot write {rows}/part-000000.parquet: {why}; its rows are kept, and the run goes on"
    way_out = "mend that and run it again (with --cache nothing is scored twice)"
    last = f"kldeval: cannot write {rows}/part-000000.parquet: {why}; 5 of 5 parts missing: {way_out}"
    assert (lines[0], lines[-1]) == (first, last)
    assert lines[1:-1] == whole.err.splitlines()
    assert not rows.exists() or list(rows.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("code", [130, -signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_run_that_is_ended_goes_on_as_if_it_had_not_been(
    undisturbed: tuple[Path, Outcome], tmp_path: Path, code: int
) -> None:
    """While a part gets its name: what is there is whole, and the next run has every byte of an undisturbed one."""
    root, whole = undisturbed
    rows, number = tmp_path / "rows", signal.SIGINT if code > 0 else signal.SIGKILL
    arguments = (root / "pred", root / "gt", "--jobs", "2", "--cache", tmp_path / "kept")
    hook = {**AT_RENAME, "who": "os.getpid() != driver", "what": f"os.kill(driver, {int(number)})"}
    ended = run(program(BY_WORKERS, *arguments, "--output-dir", rows, **hook, flag=str(tmp_path / "flag")))
    assert ended.code == code
    assert (tmp_path / "flag").exists()
    found = files_of(rows)
    parts = {name: data for name, data in found.items() if name.startswith("part")}
    assert parts.items() <= files_of(root / "rows").items()
    assert code < 0 or parts == found
    assert run_again(arguments, rows) == whole
    assert files_of(rows) == files_of(root / "rows")


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(undisturbed: tuple[Path, Outcome], tmp_path: Path) -> None:
    """Its part is written by the process that collects, and the file that it was writing is removed."""
    root, whole = undisturbed
    arguments = (root / "pred", root / "gt", "--format", "csv", "--output-dir", tmp_path / "rows", "--jobs", "2")
    hook = {**AT_RENAME, "who": "os.getpid() != driver", "what": "os.kill(os.getpid(), signal.SIGKILL)"}
    done = run(program(BY_WORKERS, *arguments, **hook, flag=str(tmp_path / "flag")))
    assert (tmp_path / "flag").exists()
    assert (done.code, done.out) == (1, whole.out)
    assert "a worker process was killed" in done.err
    assert files_of(tmp_path / "rows") == files_of(root / "rows")


@pytest.mark.slow
def test_a_map_that_kills_workers_is_the_only_failure_of_its_part(
    undisturbed: tuple[Path, Outcome], tmp_path: Path
) -> None:
    """The other maps of the part are scored one by one then; the process that collects never reads what kills."""
    root, whole = undisturbed
    arguments = (root / "pred", root / "gt", "--format", "csv", "--output-dir", tmp_path / "rows", "--jobs", "2")
    kill = f"os.unlink({str(tmp_path / 'flag')!r}); os.kill(os.getpid(), signal.SIGKILL)"
    hook = {"event": "open", "word": "pred/v/12.npy", "who": "os.getpid() != driver", "what": kill}
    done = run(program(BY_WORKERS, *arguments, **hook, flag=str(tmp_path / "flag")))
    rows = [line for line in done.out.splitlines() if not line.startswith("v/12,")]
    assert rows == [line for line in whole.out.splitlines() if not line.startswith("v/12,")]
    (lost,) = [line for line in done.out.splitlines() if line.startswith("v/12,")]
    assert "another one that did nothing else ended, too" in lost
    names = [row["name"] for row in rows_of(tmp_path / "rows") if row["failure"] is None]
    assert names == [row["name"] for row in rows_of(root / "rows") if row["failure"] is None and row["name"] != "v/12"]


@pytest.mark.slow
def test_parts_are_written_by_processes(undisturbed: tuple[Path, Outcome], tmp_path: Path) -> None:
    """By more than one, none of them the one that collects, but for the first part and the last ones."""
    root, whole = undisturbed
    note = f"open({str(tmp_path / 'pids')!r}, 'a').write(f'{{os.getpid() == driver}} ')"
    arguments = (root / "pred", root / "gt", "--format", "csv", "--output-dir", tmp_path / "rows", "--jobs", "2")
    hook = {**AT_RENAME, "who": "True", "what": f"os.unlink({str(tmp_path / 'flag')!r}); {note}"}
    assert run(program(BY_WORKERS, *arguments, **hook, flag=str(tmp_path / "flag"))) == whole
    assert sorted((tmp_path / "pids").read_text().split()) == ["False", "False", "True", "True", "True"]


def test_the_first_part_and_the_last_eighth_are_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two single tasks tell what one costs; and nobody waits for the one worker that is at the last part."""
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
    for n_parts, n_last in ((9, 2), (8, 1), (1, 0)):
        blocks = resolve_name("kldeval.engine.parts.PartBlocks")([{"": number} for number in range(5 * n_parts)])
        found = [(block.part, len(block.tasks), block.is_whole) for block in blocks]
        first = [(0, size, False) for size in (1, 1, 2, 1)]
        whole = [(part, 5, True) for part in range(1, n_parts - n_last)]
        last = [(part, size, False) for part in range(n_parts - n_last, n_parts) for size in (2, 2, 1)]
        assert found == first + whole + last * (n_parts > 1)
        assert [task[""] for block in blocks for task in block.tasks] == list(range(5 * n_parts))
    monkeypatch.undo()
    many = resolve_name("kldeval.engine.parts.PartBlocks")([{"": number} for number in range(100_000)])
    assert len(pickle.dumps(many[2])) < 1000  # to another process go its own tasks alone


def test_a_pair_with_two_outcomes_is_one_of_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms of some maps cannot be saved: these are scored, and failures as well."""
    for name, value in SMALL.items():
        monkeypatch.setattr(name, value)
    maps = make_maps(tmp_path)
    for number in (0, 1, 2, 6):
        (tmp_path / "terms" / "kld" / "v" / f"{number:02d}.npy").mkdir(parents=True)
    run: list[str | Path] = [*maps, "-m", "kld", "--save-maps", tmp_path / "terms", "-q", "--jobs", "1"]
    assert kldeval(*run, "-o", tmp_path / "rows.parquet").code == 1
    kldeval(*run, "--output-dir", tmp_path / "rows")
    assert same(rows_of(tmp_path / "rows"), parquet.read_table(tmp_path / "rows.parquet").to_pylist())


def test_work_on_parts_says_which_of_them_may_end_a_process(
    maps: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the work on their pairs does: maps that stay in their files, which may shrink."""
    for name, value in BY_WORKERS.items():
        monkeypatch.setattr(name, value)
    where = "kldeval.executors.local.LocalPool.map"
    real, said = resolve_name(where), []

    def noted(pool: Any, work: Any, items: Any) -> Any:
        said.append(work.may_end_process(items[0]))
        return real(pool, work, items)

    monkeypatch.setattr(where, noted)
    for is_risky in (False, True):
        monkeypatch.setattr("kldeval.engine.worker.is_mapped", lambda _path, is_risky=is_risky: is_risky)
        kldeval(*maps, "--output-dir", tmp_path / "rows", "-q", "--jobs", "1")
    assert said == [False, True]
