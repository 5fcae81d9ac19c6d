"""What the columns of a list of fixations are called, and its images."""

from __future__ import annotations

from kldeval.data.readers import is_readable

REQUIRED = ("name", "x", "y")

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
    return text[: text.rfind(".")] if is_readable(text) else text
