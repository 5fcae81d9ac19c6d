"""Presets: the metric set of a benchmark is data, and a bundle of flags that one could have typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from command_line import kldeval
from looked_at import LookedAt, make_looked_at

from kldeval.conventions.presets import preset
from kldeval.errors import UnknownName

if TYPE_CHECKING:
    from pathlib import Path

METRICS = {
    "mit-benchmark": ["auc-judd", "sim", "emd", "auc-borji", "auc-shuffled", "cc", "nss", "kld"],
    "tuebingen": ["ig", "auc", "sauc", "nss", "cc", "kld", "sim"],
    "salicon": ["auc-shuffled", "ig-mit", "nss", "cc", "auc-judd", "sim", "kld"],
    "dhf1k": ["auc-judd", "sim", "auc-shuffled", "cc", "nss"],
    "ntire2026": ["cc", "sim", "nss", "auc-judd"],
}


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path)


def test_every_preset_names_its_sources_and_its_traps() -> None:
    for name in METRICS:
        found = preset(name)
        assert found.name == name
        assert found.sources
        assert all(source.startswith("https://") for source in found.sources)
        assert found.sure in ("R", "D")
        assert found.traps
        assert all(trap.endswith(".") for trap in (found.note, *found.traps))


@pytest.mark.parametrize("name", METRICS)
def test_a_preset_is_the_flags_that_it_stands_for(seen: LookedAt, name: str) -> None:
    common = (*seen.maps, "--fixations", seen.fixations, "--format", "json")
    typed = [word for flag in preset(name).flags for word in flag]
    ungrouped = ("--maps", "mean")  # these maps are of no videos
    by_name, by_flags = (
        json.loads(kldeval(*common, *options, *ungrouped).out) for options in (("--preset", name), typed)
    )
    assert list(by_name["summary"]) == METRICS[name]
    assert by_name["failures"] == []
    assert (by_name["signature"], by_name["maps"]) == (by_flags["signature"], by_flags["maps"])


def test_mit_and_tuebingen_mean_different_things_by_the_same_names(seen: LookedAt) -> None:
    signatures = {
        name: json.loads(kldeval(*seen.maps, "--fixations", seen.fixations, "--preset", name, "--format", "json").out)[
            "signature"
        ]
        for name in ("mit-benchmark", "tuebingen")
    }
    mit, tuebingen = signatures["mit-benchmark"], signatures["tuebingen"]
    assert mit["sim"].startswith("sim(minmax=true)|")
    assert tuebingen["sim"].startswith("sim|")
    assert mit["nss"].startswith("nss(ddof=1,repeats=false)|")
    assert tuebingen["nss"].startswith("nss|")
    assert "|other:others(repeats=true)|" in mit["auc-shuffled"]
    assert "|baseline:others(bandwidth=0.04,uniform=0.001)|" in tuebingen["ig"]


def test_metrics_may_be_left_out_of_a_preset_and_keep_its_definitions(seen: LookedAt) -> None:
    options = ("--preset", "mit-benchmark", "-m", "kld", "--format", "json")
    found = json.loads(kldeval(*seen.maps, *options).out)
    assert list(found["summary"]) == ["kld"]
    assert "resize:pred-to-gt(kernel=matlab-bicubic)|" in found["signature"]["kld"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--preset", "mit"), "unknown preset 'mit'; known: dhf1k, mit-benchmark, ntire2026, salicon, tuebingen"),
        (
            ("--preset", "tuebingen", "--convention", "mit"),
            "--preset tuebingen holds a convention already; leave out --convention mit",
        ),
    ],
)
def test_what_is_no_preset_is_refused(seen: LookedAt, options: tuple[str, ...], message: str) -> None:
    outcome = kldeval(*seen.maps, *options)
    assert (outcome.code, outcome.err) == (2, f"kldeval: {message}\n")


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(UnknownName, match=r"^unknown preset 'dhf1'; did you mean 'dhf1k'"):
        preset("dhf1")
