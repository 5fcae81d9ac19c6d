"""What `-m KLDivLoss` and its like answer is a command, and its number is that of torch."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import numpy as np
import pytest
from command_line import kldeval, score
from late import late

import kldeval as library

if TYPE_CHECKING:
    from pathlib import Path

torch = late("torch")

RNG = np.random.default_rng(6)
SCORES = RNG.normal(size=(4, 5, 6))
LABELS = RNG.integers(0, 4, (5, 6))
MAP = RNG.normal(size=(5, 6))
TARGET = RNG.random((5, 6))


def advised(name: str, place: int = 0) -> list[str]:
    """The options in one of the commands that the program answers with, first to last."""
    done = kldeval("p.npy", "g.npy", "-m", name)
    assert done.code == 2
    options = re.findall(r"(?:--?[a-z][a-z-]* [a-z0-9-]+ ?)+", done.err)
    return shlex.split(options[place])


def as_files(folder: Path, pred: np.ndarray, gt: np.ndarray) -> tuple[Path, Path]:
    for name, array in (("p", pred), ("g", gt)):
        np.save(folder / f"{name}.npy", array)
    return folder / "p.npy", folder / "g.npy"


def test_kl_div_loss_of_log_probabilities(tmp_path: Path) -> None:
    log_p = torch.log_softmax(torch.from_numpy(MAP.ravel()), 0).reshape(5, 6)
    q = torch.from_numpy(TARGET / TARGET.sum())
    expected = torch.nn.KLDivLoss(reduction="batchmean")(log_p, q).item()
    files = as_files(tmp_path, log_p.numpy(), TARGET)
    assert score(*files, *advised("KLDivLoss")) == pytest.approx([expected], rel=1e-12)


def test_kl_div_loss_of_scores(tmp_path: Path) -> None:
    log_p = torch.log_softmax(torch.from_numpy(MAP.ravel()), 0)
    t = torch.softmax(torch.from_numpy(TARGET.ravel()), 0)
    expected = torch.nn.KLDivLoss(reduction="sum")(log_p, t).item()
    options = advised("KLDivLoss", 1)
    assert options == ["--norm", "flatten-softmax"]
    assert score(*as_files(tmp_path, MAP, TARGET), *options, "-m", "kld") == pytest.approx([expected], rel=1e-12)


def test_nll_loss(tmp_path: Path) -> None:
    log_p = torch.log_softmax(torch.from_numpy(SCORES), 0)
    expected = torch.nn.NLLLoss()(log_p[None], torch.from_numpy(LABELS)[None]).item()
    files = as_files(tmp_path, log_p.numpy(), LABELS)
    assert score(*files, *advised("NLLLoss")) == pytest.approx([expected], rel=1e-12)
    options = advised("NLLLoss", 1)
    files = as_files(tmp_path, SCORES, LABELS)
    assert score(*files, *options, "-m", "nll") == pytest.approx([expected], rel=1e-12)


def test_cross_entropy_loss(tmp_path: Path) -> None:
    expected = torch.nn.CrossEntropyLoss()(torch.from_numpy(SCORES)[None], torch.from_numpy(LABELS)[None]).item()
    files = as_files(tmp_path, SCORES, LABELS)
    assert score(*files, *advised("CrossEntropyLoss")) == pytest.approx([expected], rel=1e-12)


def test_bce_losses(tmp_path: Path) -> None:
    p, t = torch.sigmoid(torch.from_numpy(MAP)), torch.from_numpy(TARGET)
    expected = torch.nn.BCELoss()(p, t).item()
    assert score(*as_files(tmp_path, p.numpy(), TARGET), *advised("BCELoss")) == pytest.approx([expected], rel=1e-12)
    found = score(*as_files(tmp_path, MAP, TARGET), *advised("BCEWithLogitsLoss"))
    assert found == pytest.approx([torch.nn.BCEWithLogitsLoss()(torch.from_numpy(MAP), t).item()], rel=1e-12)


def test_log_sigmoid(tmp_path: Path) -> None:
    expected = torch.nn.LogSigmoid()(torch.from_numpy(MAP)).numpy()
    assert library.log_sigmoid(MAP) == pytest.approx(expected, rel=1e-12)
    options = advised("LogSigmoid")
    assert options == ["--norm", "log-sigmoid"]
    t = torch.from_numpy(TARGET)
    loss = torch.nn.BCEWithLogitsLoss()(torch.from_numpy(MAP), t).item()
    assert score(*as_files(tmp_path, MAP, TARGET), *options, "-m", "bce") == pytest.approx([loss], rel=1e-12)
