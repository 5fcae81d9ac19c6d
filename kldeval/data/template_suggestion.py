"""Which templates would pair two folders whose names differ by a prefix, a suffix, a folder or the zeros of a number.

Every likely template of each side is tried with every one of the other; the two that form the most common names win,
and among equals those whose words are rather those of saliency maps than of fixation points and overlays.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice, product
from typing import TYPE_CHECKING

from kldeval.data.listing import PLAIN, auxiliary_namer, name_of, namers
from kldeval.dataclass import dataclass
from kldeval.errors import count
from kldeval.templates import parse_template, plain_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


LOOKED_AT = 2000
"""About so many names of each side are tried."""

COMPARED = 25
"""Names of one side that are searched for the names of the other."""

FEWEST = 2
"""A template that pairs a single map may be chance."""

_LITERALS = 5
"""A folder that has at most so many names at one level may be the one that holds the maps."""

MOST_FOLDERS = 64
"""Ways to say which folders hold the maps that are tried on each side."""

DEEP = 4
"""Levels of folders of which each may be a field as well as a name."""

_LIKELY = ("map", "sal", "dens")
_UNLIKELY = ("fix", "pts", "loc", "overlay", "stimul", "image", "frames")

_FIELDS = ("video", "part", "section", "set")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two templates and the number of pairs that they make."""

    pred: str
    gt: str
    pairs: int

    @property
    def flags(self) -> str:
        """The options to give; one that follows from the other is left out."""
        given = {"--pred-name": self.pred, "--gt-name": self.gt}
        for flag, other in (("--pred-name", self.gt), ("--gt-name", self.pred)):
            if given[flag] == plain_template(parse_template(other).formats):
                del given[flag]
                break
        return " ".join(f"{flag} '{template}'" for flag, template in given.items())

    def __str__(self) -> str:
        shifted = self.is_shifted
        offset = " (frames are counted from 0 on one side and from 1 on the other)" if shifted else ""
        return f"{self.flags} would make {count(self.pairs, 'pair')}{offset}"

    @property
    def is_shifted(self) -> bool:
        """Whether the numbers of one side are those of the other and 1."""
        return re.search(r"d[+-]1}", self.gt) is not None


def propose(pred: Sequence[str], gt: Sequence[str], more_than: int = FEWEST - 1) -> Proposal | None:
    """The simplest templates that pair the most of these relative paths, if they pair `more_than` so many.

    >>> print(propose(["i1.png", "i2.png"], ["i1_fixMap.jpg", "i2_fixMap.jpg"]))
    --gt-name '{name}_fixMap' would make 2 pairs
    """
    sides = [[name_of(relative) for relative in sorted(files)] for files in (pred, gt)]
    few = _fewer(sides)
    keys = [_keys_by_template(own, other) for own, other in (few, few[::-1])]
    keys[1] |= {text: _keys(text, few[1]) for text in _shifted(keys[1])}
    ranked = (
        (len(names & others), _likeness(template + other), -place, template, other)
        for place, ((template, names), (other, others)) in enumerate(product(keys[0].items(), keys[1].items()))
    )
    *_, best_pred, best_gt = max(ranked)
    if (best_pred, best_gt) == (PLAIN, PLAIN):
        return None
    pairs = _matched(best_pred, best_gt, pred, gt)
    return Proposal(best_pred, best_gt, pairs) if pairs > more_than else None


def _matched(pred_name: str, gt_name: str, pred: Sequence[str], gt: Sequence[str]) -> int:
    """How many pairs the templates make of these files, by the matcher itself."""
    names = [Counter(map(namer, files)) for namer, files in zip(namers(pred_name, gt_name), (pred, gt), strict=True)]
    return sum(1 for name, times in names[0].items() if name is not None and times == names[1][name] == 1)


def _shifted(templates: Iterable[str]) -> list[str]:
    """The templates of numbers that count from 0 on one side and from 1 on the other."""
    numbered = [text for text in templates if "{frame:" in text]
    return [text.replace("d}", f"d{shift}}}") for shift in ("+1", "-1") for text in numbered]


def _fewer(sides: Sequence[Sequence[str]]) -> list[list[str]]:
    """The names of both sides with every k-th number, so that those which belong together stay together."""
    step = 1 + max(map(len, sides)) // LOOKED_AT
    return [[name for name in names if _last_number(name) % step == 0] or list(names) for names in sides]


def _last_number(name: str) -> int:
    found = re.findall("[0-9]+", name)
    return int(found[-1]) if found else 0


def _likeness(text: str) -> int:
    """How much a template speaks of maps."""
    lower = text.lower()
    return sum(word in lower for word in _LIKELY) - sum(word in lower for word in _UNLIKELY)


def _keys_by_template(names: Sequence[str], others: Sequence[str]) -> dict[str, frozenset[tuple[object, ...]]]:
    """For each likely template, the simplest first, the fields of the names that it fits and tells apart."""
    return {text: _keys(text, names) for text in dict.fromkeys((PLAIN, *_templates(names, others)))}


def _keys(text: str, names: Sequence[str]) -> frozenset[tuple[object, ...]]:
    template = parse_template(text)
    values = (template.values(name) for name in names)
    # the fields by name: a number never equals a text, and two templates may have them in another order
    keys = Counter(tuple(sorted(fields.items())) for fields in values if fields is not None)
    return frozenset(key for key, times in keys.items() if times == 1)


def _templates(names: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    ends = [name.rpartition("/")[2] for name in names]
    bases = [*_affixed(ends, [name.rpartition("/")[2] for name in others]), *_numbered(ends)]
    yield from bases  # {name} may hold the folders, where both sides have the same
    for folders, base in product(_folders(names), (PLAIN, *bases)):
        yield "/".join((*folders, base))


def _affixed(ends: Iterable[str], others: Iterable[str]) -> list[str]:
    """`Judd_{name}` where names of this side hold names of the other: the two most frequent frames around them."""
    known = set(others)
    frames = Counter(
        (head, tail)
        for end in list(ends)[:COMPARED]
        for other in known
        if other != end
        for head, found, tail in [end.partition(other)]
        if found
    )
    return [f"{head}{PLAIN}{tail}" for (head, tail), _ in frames.most_common(2) if _is_literal(head + tail)]


def _numbered(ends: Sequence[str]) -> list[str]:
    """`eyeMap_{frame:05d}` where names end in a number: the most frequent text around it, and the number alone."""
    found = [re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", end) for end in ends]
    frames = Counter((match[1], match[3]) for match in found if match)
    made = []
    for (head, tail), _ in frames.most_common(1):
        widths = {len(match[2]) for match in found if match and (match[1], match[3]) == (head, tail)}
        form = f"0{widths.pop()}d" if len(widths) == 1 else "d"
        made += [f"{head}{{frame:{form}}}{tail}"] if _is_literal(head + tail) else []
    return made


def _folders(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The folders of the names as parts of templates, a field or a literal for each level; the simplest `MOST_FOLDERS`.

    In a deep tree a level at which all names agree is what it is: templates do not double with every level.
    """
    paths = [name.split("/")[:-1] for name in names]
    depth = Counter(map(len, paths)).most_common(1)[0][0]
    levels = zip(*(path for path in paths if len(path) == depth), strict=True)
    for parts in islice(product(*(_level(values, is_deep=depth > DEEP) for values in levels)), MOST_FOLDERS):
        fields = iter(_FIELDS)
        if depth and parts.count("") <= len(_FIELDS):
            yield tuple(part or f"{{{next(fields)}}}" for part in parts)


def _level(values: Sequence[str], *, is_deep: bool) -> list[str]:
    """What may stand for one level of folders: its names where they are few, "" for a field."""
    distinct = sorted(set(values))
    if is_deep and len(distinct) == 1 and _is_literal(distinct[0]):
        return distinct
    return ["", *filter(_is_literal, distinct if len(distinct) <= _LITERALS else ())]


def _is_literal(text: str) -> bool:
    return "{" not in text and "}" not in text


def propose_beside(
    files: Mapping[str, bool], names: Iterable[str], option: str, pred_name: str | None, gt_name: str | None
) -> str | None:
    """A template by which files beside the maps have the names of maps, of the fields that those of the maps have.

    `files` has for each whether it is itself one of the maps, which no template may take for what stands beside them.

    >>> files = {"a/fixation/0001.png": False, "a/fixation/0002.png": False, "a/maps/0001.png": True}
    >>> propose_beside(files, ["a/0001", "a/0002"], "--fixations-name", None, "{video}/maps/{frame:04d}")
    '{video}/fixation/{frame:04d}'
    """
    wanted = set(names)
    main = gt_name or pred_name
    fields = {name: bool(form) for name, form in parse_template(main).formats.items()} if main else None
    fitting: dict[str, int] = {}
    for text in _templates([name_of(file) for file in islice(files, LOOKED_AT)], sorted(wanted)):
        own = {name: bool(form) for name, form in parse_template(text).formats.items()}
        if text != PLAIN and fields in (None, own):
            namer = auxiliary_namer(text, option, pred_name, gt_name)
            taken = {namer(file) for file, is_map in files.items() if is_map}
            times = Counter(map(namer, files))
            fitting[text] = 0 if wanted & taken else sum(times[name] == 1 for name in wanted)
    word = option.removeprefix("--")[:3]  # rather what speaks of masks for --mask-name; the maps' own template last
    ranked = {text: (fits, text != main, word in text, -_likeness(text), -len(text)) for text, fits in fitting.items()}
    best = max(ranked, key=ranked.__getitem__, default=None)
    return best if best is not None and fitting[best] else None
