"""Files are opened where it is checked that they are regular files; all other reading goes through there."""

from __future__ import annotations

from pathlib import Path

from trees import calls

PACKAGE = Path(__file__).parents[2] / "kldeval"

OPENING = {"open", "read_bytes", "read_text", "fromfile", "memmap", "genfromtxt", "loadtxt"}
"""The methods that open a file, beside `open` and `np.load`."""

DOORS = {
    "regular.py": "checks",
    "data/readers/files.py": "checks by way of regular.py",
    "data/readers/image.py": "after check_regular",
    "data/readers/numpy_files.py": "after check_regular",
    "data/readers/voxels.py": "after check_regular",
    "data/readers/tiff.py": "its own temporary file",
    "data/readers/gridded.py": "after check_regular",
    "data/readers/zarr_stores.py": "after check_regular in gridded.py",
    "data/readers/coordinates.py": "what a reader has read",
    "data/scratch.py": "its own temporary files",
    "data/containers/archives.py": "members, after check_regular",
    "data/class_weights.py": "after check_regular",
    "data/fixations/tables.py": "after check_regular in data/fixations",
    "atomic.py": "writes",
    "writers/files.py": "writes",
    "writers/parts.py": "writes",
    "writers/html.py": "templates of the package",
    "reports/json_reader.py": "schemas of the package",
    "executors/processes.py": "/proc",
    "data/containers/downloads.py": "URLs, of no file of this machine",
    "data/containers/remote.py": "URLs, of no file of this machine",
    "engine/store.py": "its own segments, which are regular files",
    "process.py": "pipes of its own forks",
    "digests.py": "/proc",
    "provenance.py": "the package itself and what is installed",
    "cli/terminal.py": "/dev/null",
    "data/readers/apart.py": "/dev/null, and what was opened by the parent",
}
"""Where files are opened, and why that is safe."""


def opens(path: Path) -> bool:
    """Whether anything in a module opens a file by its path."""
    found = calls(path, {"open", "load", *OPENING})
    return any(call in ("open", "np.load") or ("." in call and call.rpartition(".")[2] in OPENING) for call in found)


def test_no_other_module_opens_files() -> None:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if opens(path)}
    assert found - DOORS.keys() == set()


def test_every_door_is_one() -> None:
    assert all(opens(PACKAGE / name) for name in DOORS)
