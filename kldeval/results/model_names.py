"""What models are called: the shortest part of their paths that tells them apart."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence


def name_models(paths: Sequence[str | os.PathLike[str]], names: Sequence[str] = ()) -> list[str]:
    """The name of each model: `names` where they are given, else the shortest distinguishing part of its path.

    >>> name_models(["runs/deep/maps", "runs/wide/maps"]), name_models(["old/a.json", "new/b.json"])
    (['deep', 'wide'], ['a', 'b'])

    Raises:
        UsageProblem: there is not one name for each path, a name stands twice, or a path does.
    """
    if names:
        return _given(paths, names)
    whole = [PurePath(os.path.abspath(path)).parts for path in paths]  # noqa: PTH100 - nothing is looked up
    if len(set(whole)) < len(whole):
        twice = next(str(path) for path, parts in zip(paths, whole, strict=True) if whole.count(parts) > 1)
        msg = f"{twice} is given twice: every model needs a path of its own"
        raise UsageProblem(msg)
    bare = [(*parts[:-1], PurePath(parts[-1]).stem) for parts in whole]
    return _distinguishing(bare if len(set(bare)) == len(bare) else whole)


def _given(paths: Sequence[str | os.PathLike[str]], names: Sequence[str]) -> list[str]:
    if len(names) != len(paths):
        msg = f"{len(names)} names for {len(paths)} models: give --name once for each, in their order"
        raise UsageProblem(msg)
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        msg = f"--name {twice[0]} is given twice: every model needs its own"
        raise UsageProblem(msg)
    return list(names)


def _distinguishing(paths: Sequence[tuple[str, ...]]) -> list[str]:
    shared = _shared(paths)
    rest = [path[shared:] for path in paths]
    ending = _shared([path[::-1] for path in rest])
    rest = [path[: len(path) - ending] for path in rest]
    for place in (-1, 0):
        names = [path[place] for path in rest]
        if len(set(names)) == len(names):
            return names
    return ["/".join(path) for path in rest]


def _shared(paths: Sequence[tuple[str, ...]]) -> int:
    """How many first parts all paths share, when each keeps one part at least."""
    most = min(map(len, paths)) - 1
    return next((place for place in range(most) if len({path[place] for path in paths}) > 1), most)
