"""Messages in the words of Python: what the command line calls `--empty-gt skip` is `empty_gt="skip"` in a call.

Every message is written once, with options as the command line spells them.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from kldeval.errors import KldevalError
from kldeval.run_options import RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Given = ParamSpec("Given")
Result = TypeVar("Result")

PHRASES = {
    "; --debug shows where it arose": "; the logger 'kldeval' says at the level DEBUG where it arose",
    "--debug": "the logger 'kldeval' at the level DEBUG",
    "--format json lists all": "to_dict() holds all",
    "--format scores": "scores.json",
    "--intervals shows intervals, and which models differ": "`.comparison` has intervals, and which models differ",
    "the JSON report lists all of them": "`.failures` holds all of them",
    "--fixations FILE or DIR": "fixations=PATH, or counts (N, H, W)",
    "fewer --jobs need": "fewer jobs need",
    "kldeval density FIXATIONS OUT --sigma PIXELS": "kldeval.density(fixations, sigma=PIXELS)",
    "compare --group-by parent, a leaderboard --maps groups": "group_by='parent' of compare, maps='groups' of evaluate",
    "compare --group-by, a leaderboard --maps groups": "group_by of compare, maps='groups' of evaluate",
}
"""What has other words in Python, not only another spelling."""

_ANNOTATIONS = RunOptions.__annotations__.items()
SWITCHES = frozenset(
    {"allow_different", "reduce_zero_label"}
    | {name for name, annotation in _ANNOTATIONS if getattr(annotation, "__forward_arg__", annotation) == "bool"}
)
"""The options that are on or off."""

PROSE = frozenset(
    [
        "a",
        "above",
        "allow",
        "allowed",
        "allows",
        "and",
        "are",
        "as",
        "asks",
        "at",
        "before",
        "beside",
        "can",
        "cannot",
        "contradicts",
        "counts",
        "do",
        "does",
        "each",
        "fits",
        "for",
        "from",
        "has",
        "have",
        "hold",
        "holds",
        "in",
        "insists",
        "is",
        "leaves",
        "leave",
        "lists",
        "may",
        "means",
        "must",
        "name",
        "names",
        "need",
        "needs",
        "of",
        "on",
        "once",
        "only",
        "or",
        "other",
        "says",
        "say",
        "set",
        "should",
        "show",
        "shows",
        "takes",
        "than",
        "that",
        "the",
        "this",
        "to",
        "too",
        "was",
        "were",
        "which",
        "with",
        "without",
    ]
)
"""Words that follow the name of an option in a sentence, and are no value of it."""

_VALUE = r"'[^']*'|\"[^\"]*\"|(?![,;:.)]|--)(?:[^\s,;()]|,(?=\S))+(?:\([^()]*\))?"
_FURTHER = r"(?:(?:, | or |, or )(?!or\b|and\b)[a-z][a-z-]*)*"
_OPTION = re.compile(
    r"(?<![\w-])(?:--(?P<long>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)|-(?P<short>m)(?= ))"
    rf"(?P<value>[ =](?:{_VALUE})(?P<more>{_FURTHER}))?"
)

CHOOSING = frozenset({"empty_gt", "empty_pred", "color", "nodata_pred", "reduction", "baseline"})
"""The options of which messages list several values."""


def in_python(text: str) -> str:
    """A message with its options as keywords.

    >>> in_python("choose --empty-gt skip, uniform or zero")
    "choose empty_gt='skip', 'uniform' or 'zero'"
    >>> in_python("any --resize, such as 'pred-to-gt', fits it; --norm softmax --axis 0, or --allow-missing")
    "any resize, such as 'pred-to-gt', fits it; norm='softmax', axis=0, or allow_missing=True"
    """
    if "-" not in text:
        return text
    for phrase, words in PHRASES.items():
        text = text.replace(phrase, words)
    parts: list[str] = []
    end = 0
    for found in _OPTION.finditer(text):
        between = text[end : found.start()]
        parts += [", " if parts and between == " " else between, _keyword(found)]
        end = found.end()
    # where a message names both spellings, one is enough
    return re.sub(r"(\b\w+=\S+) \(\1\)", r"\1", "".join(parts) + text[end:])


def _keyword(found: re.Match[str]) -> str:
    name = "metric" if found["short"] else found["long"].replace("-", "_")
    rest = found["value"] or ""
    if name in SWITCHES:
        return f"{name}=True{rest}"
    more = found["more"] or ""
    value = rest[1 : len(rest) - len(more)]
    word = value.rstrip(".:!?")
    if not word or word.lower() in PROSE:
        return f"{name}{rest}"
    tail = value[len(word) :]
    if tail or name not in CHOOSING:
        return f"{name}={_literal(word)}{tail}{more}"
    listed = re.sub(r"[a-z][a-z-]*(?=, | or |$)", lambda one: one[0] if one[0] in PROSE else repr(one[0]), more)
    return f"{name}={_literal(word)}{listed}"


def _literal(word: str) -> str:
    """A value as Python writes it: numbers and placeholders as they are, alternatives one by one, words in quotes.

    >>> _literal("0.5"), _literal("FILE"), _literal("luma|mean|first"), _literal("'a b'")
    ('0.5', 'FILE', "'luma', 'mean' or 'first'", "'a b'")
    """
    if word[0] in "'\"" or re.fullmatch(r"[A-Z]{2,}[\w.]*|-?\d+(\.\d+)?(e-?\d+)?", word):
        return word
    if re.fullmatch(r"[a-z-]+(\|[a-z-]+)+", word):
        *others, last = map(repr, word.split("|"))
        return f"{', '.join(others)} or {last}"
    return repr(word)


@contextmanager
def python_words() -> Iterator[None]:
    """Errors of kldeval that are raised within speak Python."""
    try:
        yield
    except KldevalError as error:
        if error.args and isinstance(error.args[0], str):
            error.args = (in_python(error.args[0]), *error.args[1:])
        raise


def speaks_python(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """A function whose errors name keywords instead of options of the command line."""

    @wraps(function)
    def spoken(*args: Given.args, **options: Given.kwargs) -> Result:
        with python_words():
            return function(*args, **options)

    return spoken
