"""What is measured, against what, and which figure is wanted."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.timing import Usage, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Sequence[str]
    Round = tuple[float, float, float]
    """The numbers of a case in one round, and the ratio of the work of its first two programs."""
    Folders = Callable[[str], Path]
    """The folder of a set of maps by its name."""

MEGABYTE = 1e6
HUGE_BYTES = 2 * 4 * 20_000**2

KLDEVAL = (sys.executable, "-c", "import sys; from kldeval.__main__ import main; sys.exit(main())")
"""What the console script does; `python -m kldeval` first has to find the package."""

PROGRAMS = Path(__file__).parent / "programs"

DENSITY_METRICS = "kld,kld-reverse,ce,jsd,entropy-gt"

COMPANIONS = "kld,cc,sim,tv,hellinger,mse,mae,nss,auc,auc-judd,auc-borji,auc-shuffled,sauc,ll,ig,ig-mit"
"""Every metric that stands beside KLD but emd, whose cost is that of its solver."""


SIX = "kld,cc,sim,nss,auc-judd,sauc"
"""The six metrics of the MIT/Tuebingen saliency benchmark."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the runs of one round become two numbers and the figure that is judged."""

    numbers: Callable[[Sequence[Usage]], tuple[float, float]]
    figure: Callable[[float, float], float]
    unit: str
    judged: str
    at_least: bool = False


TIME = Kind(lambda runs: (runs[0].seconds, runs[1].seconds), lambda ours, against: ours / against, "s", "x")
MORE_MEMORY = Kind(
    lambda runs: (runs[0].peak_bytes / MEGABYTE, runs[1].peak_bytes / MEGABYTE),
    lambda ours, against: ours - against,
    "MB",
    "MB",
)
MEMORY = Kind(
    lambda runs: (runs[0].peak_bytes / MEGABYTE, HUGE_BYTES / MEGABYTE),
    lambda ours, against: ours / against,
    "MB",
    "x",
)
GAIN = Kind(
    lambda runs: (runs[0].seconds / runs[1].seconds, runs[2].seconds / runs[3].seconds),
    lambda ours, against: ours / against,
    "x",
    "x",
    at_least=True,
)
COST_PER_PAIR = Kind(
    lambda runs: (
        1e3 * (runs[2].seconds - runs[1].seconds) / (20_000 - 2000),
        1e3 * (runs[1].seconds - runs[0].seconds) / (2000 - 100),
    ),
    lambda ours, against: ours / against,
    "ms",
    "x",
)


KEEPS_MEMORY = ("env", "MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=134217728")
"""How a program is started whose freed memory stays: else it is by chance whether a script pays for new pages.

The same script took 1.5 or 2.4 seconds from one run to the next, with 9000 page faults or 590 000.
"""


WORK = Kind(
    lambda runs: (runs[0].cpu_seconds - runs[2].cpu_seconds, runs[1].cpu_seconds - runs[2].cpu_seconds),
    lambda ours, against: ours / against,
    "s",
    "x",
)
"""The work of two programs of one thread without their start-up, which the third run is."""

START = Kind(
    lambda runs: (1e3 * runs[0].seconds, 1e3 * runs[1].seconds), lambda ours, against: ours - against, "ms", "ms"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: programs that run one after the other, round after round.

    `repeats` is the number of rounds per round of the whole table, for programs that end at once; `slow` cases are left
    out of a quick run; `needs` is the command, and `package` the package, without which there is nothing to measure.
    """

    name: str
    commands: Callable[[Folders], Sequence[Command]]
    must: float
    goal: float
    kind: Kind = TIME
    repeats: int = 1
    slow: bool = False
    needs: str = "evaluate"
    package: str = ""

    def measure(self, folders: Folders) -> list[Round]:
        """Both numbers of every round, and what its first two programs worked."""
        commands = self.commands(folders)
        rounds = [[run(command) for command in commands] for _ in range(self.repeats)]
        return [(*self.kind.numbers(runs), _work(runs)) for runs in rounds]


@dataclass(frozen=True, slots=True)
class Row:
    """The medians of a case over its rounds.

    `work` is the ratio of the seconds that all cores worked for the first two programs, start-up included: of programs
    that are timed it says what the clock would, were there one core.
    """

    case: Case
    ours: float
    against: float
    figure: float
    work: float

    @property
    def verdict(self) -> str:
        """Which of the two aims is reached."""
        sign = -1 if self.case.kind.at_least else 1
        if sign * self.figure <= sign * self.case.goal:
            return "goal"
        return "must" if sign * self.figure <= sign * self.case.must else "MISSED"


def row_of(case: Case, rounds: Sequence[Round]) -> Row:
    """The row of a case: the median of the figures, not the figure of the medians."""
    ours, against, work = zip(*rounds, strict=True)
    figures = (case.kind.figure(*numbers) for *numbers, _ in rounds)
    return Row(case, median(ours), median(against), median(figures), median(work))


def _work(runs: Sequence[Usage]) -> float:
    """The ratio of what the first two of some programs worked; nan of a single one."""
    return runs[0].cpu_seconds / runs[1].cpu_seconds if len(runs) > 1 else nan


def conventions(*, on_whole_maps: bool) -> str:
    """The names of all conventions, or of those that act on the whole map."""
    from kldeval.conventions import CONVENTIONS
    from kldeval.normalization.chain import parse_chain
    from kldeval.scoring.plan import dependence

    chains = {name: (parse_chain(row.pred), parse_chain(row.gt)) for name, row in CONVENTIONS.items()}
    whole = (name for name, sides in chains.items() if {"value"} == set(map(dependence, sides)))
    return ",".join(whole if on_whole_maps else chains)


def ours(folder: Path, *options: str) -> Command:
    """The program on a set of pairs."""
    return (*KLDEVAL, "evaluate", *_sides(folder), *options)


def companions(folder: Path, fixations: str) -> Command:
    """Every companion of KLD, with the fixations of all other images as the baseline and the negatives."""
    beside = ("--fixations", str(folder / fixations), "--baseline", "others", "--other-map", "others")
    return ours(folder, "-m", COMPANIONS, *beside)


def audit(folder: Path, *options: str) -> Command:
    """Many conventions on a set of pairs."""
    return (*KLDEVAL, "audit", *_sides(folder), *options)


def decode(folder: Path, *further: str, threads: int = 2) -> Command:
    """Decoding alone: predictions, ground truths, and the images of further folders beside theirs."""
    folders = (*_sides(folder), *(str(folder / name) for name in further))
    return (sys.executable, str(PROGRAMS / "decode.py"), *folders, str(threads))


def naive(folder: Path, *options: str) -> Command:
    """The script that people write; `options` are its metrics and its normalisation."""
    return (sys.executable, str(PROGRAMS / "naive.py"), *_sides(folder), *options)


def loss(name: str, steps: int) -> Command:
    """Steps of a loss."""
    return (sys.executable, str(PROGRAMS / "losses.py"), name, str(steps))


def imports(*modules: str) -> Command:
    """Python that imports and ends."""
    return (sys.executable, "-c", f"import {', '.join(modules)}")


def _sides(folder: Path) -> tuple[str, str]:
    return str(folder / "pred"), str(folder / "gt")


def program(name: str, *arguments: str) -> Command:
    """One of the programs beside this file."""
    return (sys.executable, str(PROGRAMS / f"{name}.py"), *arguments)


def against_decoding(name: str, made_of: str, must: float, goal: float, *options: str) -> Case:
    """A case of whole runs on a set of PNG against decoding it."""
    return Case(name, lambda made: (ours(made(made_of), *options), decode(made(made_of))), must, goal)


def against_script(name: str, made_of: str, must: float, goal: float, metrics: str, norm: str = "sum-to-one") -> Case:
    """A case of whole runs against the script that people write, of the same metrics: by the clock, as people wait."""
    chosen = ("-m", metrics, "--norm", norm)
    return Case(name, lambda made: (ours(made(made_of), *chosen), naive(made(made_of), metrics, norm)), must, goal)


def against_lean_script(
    name: str, made_of: str, must: float, goal: float, metrics: str, norm: str = "sum-to-one"
) -> Case:
    """The same against a script that normalises a pair once for all metrics, and is spared its page faults."""
    case = against_script(name, made_of, must, goal, metrics, norm)
    return replace(
        case, commands=lambda made: (case.commands(made)[0], (*KEEPS_MEMORY, *case.commands(made)[1], "once"))
    )


def against_torch(name: str, form: str, must: float) -> Case:
    """A case of the forward and backward pass of a loss against the expression written by hand."""
    return Case(
        name,
        lambda _: (loss(form, STEPS), loss(f"by-hand-{form.removeprefix('function-')}", STEPS), loss(form, 0)),
        must,
        1.1,
        kind=WORK,
        package="torch",
    )


_CLICK = imports("click")
_LIBRARIES = imports("numpy", "cv2", "click", "rich.table", "rich.console")
STEPS = 300
"""Of a loss: some seconds."""

_CLASSES = ("--norm", "softmax(axis=0)", "-m", "ce", "--ignore-index", "255")

CASES = (
    Case("version", lambda _: ((*KLDEVAL, "--version"), _CLICK), 1.5, 1.2, repeats=15),
    Case("help", lambda _: ((*KLDEVAL, "--help"), _CLICK), 1.5, 1.2, repeats=15),
    Case("import kldeval / python", lambda _: (imports("kldeval"), imports("sys")), 30, 15, kind=START, repeats=15),
    against_torch("loss, MIT form / torch by hand", "mit", 1.3),
    against_torch("loss, flatten-softmax / torch by hand", "softmax", 1.3),
    against_torch("kldeval.kld of tensors, MIT form / torch by hand", "function-mit", 1.3),
    against_torch("kldeval.kld of tensors, flatten-softmax / torch by hand", "function-softmax", 1.3),
    Case("one pair, table", lambda made: (ours(made("one")), _LIBRARIES), 1.15, 0.9, repeats=15),
    against_decoding("png kld,ce / decoding", "png", 0.8, 0.6),
    against_decoding("png all density metrics / decoding", "png", 0.9, 0.7, "-m", DENSITY_METRICS),
    against_decoding("png 1080p kld,ce / decoding", "png-1080p", 0.6, 0.45),
    against_decoding("png 256x256 x 5000 / decoding", "png-small-5000", 1.1, 0.8),
    Case(
        "png companions, fixation maps / decoding",
        lambda made: (companions(made("png-fixated"), "fixations"), decode(made("png-fixated"), "fixations")),
        1.0,
        0.8,
    ),
    Case(
        "png companions, list of fixations / decoding",
        lambda made: (companions(made("png-fixated"), "fixations.csv"), decode(made("png-fixated"))),
        1.5,
        1.2,
    ),
    Case(
        "png audit, whole map / decoding",
        lambda made: (
            audit(made("png"), "--convention", conventions(on_whole_maps=True)),
            decode(made("png")),
        ),
        1.4,
        1.1,
        needs="audit",
    ),
    Case(
        "png audit, all / decoding",
        lambda made: (
            audit(made("png"), "--convention", conventions(on_whole_maps=False)),
            decode(made("png")),
        ),
        2.0,
        1.6,
        needs="audit",
    ),
    Case(
        "png six metrics, fixation maps / decoding",
        lambda made: (
            ours(made("png-fixated"), "-m", SIX, "--fixations", str(made("png-fixated") / "fixations")),
            decode(made("png-fixated"), "fixations"),
        ),
        1.0,
        0.8,
    ),
    against_script("png kld / script", "png", 0.2, 0.14, "kld"),
    against_script("png 16 bit kld,ce / script", "png-16", 0.55, 0.45, "kld,ce"),
    against_script("npy kld,ce / script", "npy", 0.32, 0.25, "kld,ce"),
    against_script("npy flatten-softmax kld,ce / script", "npy", 0.3, 0.22, "kld,ce", "flatten-softmax"),
    against_lean_script("npy kld,ce / lean script", "npy", 1.0, 0.5, "kld,ce"),
    against_lean_script("npy flatten-softmax kld,ce / lean script", "npy", 1.0, 0.5, "kld,ce", "flatten-softmax"),
    Case(
        "class maps ce / numpy script",
        lambda made: (ours(made("classes"), *_CLASSES), program("classes", *_sides(made("classes")))),
        0.45,
        0.35,
    ),
    Case(
        "evaluate() / command line, npy",
        lambda made: (program("library", *_sides(made("npy"))), ours(made("npy"))),
        1.1,
        1.0,
    ),
    Case(
        "memory, 2000 pairs / 100",
        lambda made: (ours(made("png-2000")), ours(made("png-100"))),
        30,
        10,
        kind=MORE_MEMORY,
    ),
    Case("memory, huge pair / files", lambda made: (ours(made("huge")),), 2.0, 1.3, kind=MEMORY, slow=True),
    Case(
        "huge pair / reading it",
        lambda made: (
            ours(made("huge")),
            program("read", *(str(made("huge") / side / "huge.npy") for side in ("pred", "gt"))),
        ),
        3.5,
        2.0,
        slow=True,
    ),
    Case(
        "gain of --jobs 2 / decoding",
        lambda made: (
            ours(made("png"), "--jobs", "1"),
            ours(made("png"), "--jobs", "2"),
            decode(made("png"), threads=1),
            decode(made("png"), threads=2),
        ),
        0.9,
        1.0,
        kind=GAIN,
    ),
    Case(
        "cost per pair, 20 000 / 2000",
        lambda made: (ours(made("png-100")), ours(made("png-2000")), ours(made("png-20000"))),
        1.1,
        1.0,
        kind=COST_PER_PAIR,
        slow=True,
    ),
)
"""The rows of the table, in order."""
