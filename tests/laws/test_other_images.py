"""Numbers that compare an image with others say with which: no other images have the same signature."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from command_line import kldeval
from looked_at import IMAGES, LookedAt, make_looked_at, write_list

if TYPE_CHECKING:
    from pathlib import Path

METRICS = {
    "sauc": (),
    "sauc-salicon": (),
    "auc-shuffled": ("--other-map", "others"),
    "ig": ("--baseline", "others"),
    "ig-mit": ("--baseline", "others"),
}
ALONE = ("nss", "auc", "ll")


@pytest.fixture
def seen(tmp_path: Path) -> LookedAt:
    return make_looked_at(tmp_path / "data")


def report(seen: LookedAt, fixations: Path, *options: str) -> dict[str, Any]:
    done = kldeval(*seen.maps, "--fixations", fixations, *options, "--format", "json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_other_images_are_another_signature(seen: LookedAt, metric: str) -> None:
    options = ("-m", ",".join([metric, *ALONE]), *METRICS[metric])
    fewer = write_list(seen.root / "fewer.csv", [*seen.points, ("a", 1, 1, "ann")])
    whole, other = report(seen, seen.fixations, *options), report(seen, fewer, *options)
    assert whole["signature"][metric] != other["signature"][metric]
    assert "|context:images(n=3,sha256=" in whole["signature"][metric]
    for key in ALONE:
        assert "context:" not in whole["signature"][key]
    renamed = report(seen, seen.fixations, *options, "--limit", "2")
    assert renamed["signature"] == whole["signature"], "the context is every image, however many are scored"


@pytest.mark.parametrize("metric", METRICS)
def test_a_signature_refuses_other_images(seen: LookedAt, metric: str) -> None:
    text = report(seen, seen.fixations, "-m", metric, *METRICS[metric])["signature"][metric]
    assert report(seen, seen.fixations, "--signature", text)["signature"] == {metric: text}
    part = [point for point in seen.points if point[0] != "c"]
    fewer = write_list(seen.root / "fewer.csv", part)
    done = kldeval(*seen.maps, "--fixations", fewer, "--signature", text)
    assert done.code == 2
    assert done.err.startswith("kldeval: the signature says context:images(n=3,sha256=")
    assert "but the images given are images(n=2,sha256=" in done.err


def test_parts_that_were_compared_with_other_images_do_not_merge(seen: LookedAt) -> None:
    paths = []
    for number, names in enumerate((IMAGES[:2], IMAGES[2:])):
        part = seen.root / f"part{number}.json"
        # each half with a list of its own, as two jobs would have it; the other half lends one image
        points = [point for point in seen.points if point[0] in (*names, "a")]
        fixations = write_list(seen.root / f"part{number}.csv", points)
        folder = seen.root / f"pred{number}"
        folder.mkdir()
        for name in names:
            (folder / f"{name}.png").write_bytes((seen.maps[0] / f"{name}.png").read_bytes())
        options = ("-m", "sauc", "--allow-missing", "--format", "json", "-o", part)
        assert kldeval(folder, seen.maps[1], "--fixations", fixations, *options).code == 0
        paths.append(part)
    done = kldeval("merge", *paths)
    assert done.code == 2
    assert "score the parts of one whole list of images, with --shard" in done.err
