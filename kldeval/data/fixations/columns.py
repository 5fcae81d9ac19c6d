"""The words for the columns of lists of fixations, and the names of images in them."""

from __future__ import annotations

from kldeval.data.readers import is_readable
from kldeval.suffixes import without_suffix

_SYNONYMS = {"image": "name", "img": "name", "subject": "observer", "t": "duration"}
"""Other words for a column, in lower case."""


def column_of(title: str) -> str:
    """The standard word for the title of a column.

    >>> column_of(" Subject"), column_of("X")
    ('observer', 'x')
    """
    word = title.strip().lower()
    return _SYNONYMS.get(word, word)


def image_of(text: str) -> str:
    """The name of an image without its suffix.

    >>> image_of("val/COCO_1.jpg"), image_of("clip.7")
    ('val/COCO_1', 'clip.7')
    """
    text = text.strip().replace("\\", "/")
    return without_suffix(text) if is_readable(text) else text


def pairs_of(text: str | None) -> dict[str, str]:
    """`x=X;y=Y` as a mapping.

    >>> pairs_of("x=X; y=Y")
    {'x': 'X', 'y': 'Y'}
    """
    parts = (part.partition("=") for part in (text or "").split(";") if part)
    return {key.strip().lower(): value.strip() for key, _, value in parts}
