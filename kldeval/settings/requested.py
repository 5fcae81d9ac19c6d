"""What a user asks for, on the command line or in Python, as settings: one place for both.

A request is texts by the names of options, the words for what stands beside the pairs, and at most one of a signature,
a convention and a preset that the texts build upon.
"""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from kldeval.dataclass import dataclass
from kldeval.errors import UsageProblem
from kldeval.settings.auxiliary import check_beside
from kldeval.settings.build import ErrorCollector, make_settings
from kldeval.settings.signature import SHORT, combined, parse_signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kldeval.settings.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """What a user says of the numbers of a run.

    `texts` are settings as they were typed, None where nothing was said; `beside` the words for what stands beside the
    pairs. `signatures` is the text of a signature, or of several that one run is to have. `has_manifest` tells of a
    manifest, which may name masks.
    """

    texts: Mapping[str, str | None] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    signatures: tuple[str, ...] = ()
    convention: str | None = None
    preset: str | None = None
    has_manifest: bool = False


def requested_settings(requested: Requested, spell: Callable[[str], str] = str) -> Settings:
    """The settings that a request stands for; `spell` writes the name of an option as the user writes it.

    Raises:
        UsageProblem: naming everything that is wrong.
    """
    if not requested.signatures:
        attempt = ErrorCollector()
        named, metrics = attempt(lambda: _named_texts(requested)) or (None, None)
        given = {name: text for name, text in requested.texts.items() if text is not None}
        default = {} if metrics is None else {"metric": metrics}
        all_given = {**default, **given, **requested.beside}
        made: Settings | None = attempt(lambda: make_settings(all_given, convention=named))
        attempt.raise_problems()
        return cast("Settings", made)
    every = {**requested.texts, "convention": requested.convention, "preset": requested.preset}
    spelt = [spell(name) for name, text in every.items() if text is not None]
    if spelt:
        msg = f"{spell('signature')} says every number's setting already; leave out {', '.join(spelt)}"
        raise UsageProblem(msg)
    texts = requested.signatures
    settings = parse_signature(texts[0]) if len(texts) == 1 else combined(texts)
    return check_beside(settings, requested.beside, manifest=requested.has_manifest)


def _named_texts(requested: Requested) -> tuple[Mapping[str, str] | None, str | None]:
    """What a convention or a preset says, and the metrics of a preset; the table is imported for a name alone."""
    if requested.convention is None and requested.preset is None:
        return None, None
    from kldeval.conventions.presets import check_packages, named_texts

    named, metrics = named_texts(requested.convention, requested.preset)
    if requested.preset is not None and requested.texts.get("metric") is None:
        check_packages(requested.preset)
    return named, metrics


def signature_texts(text: str, saved: Callable[[Path], Iterable[str]]) -> tuple[str, ...]:
    """The signatures that a text stands for: itself, or those of the saved document that it is the path of.

    Raises:
        UsageProblem: it looks like a path, and there is no such file.
    """
    if "|" in text or text.strip().startswith(SHORT):
        return (text,)
    path = Path(text)
    if path.is_file():
        return tuple(dict.fromkeys(saved(path)))
    if path.suffix.lower() == ".json":
        msg = f"the signature {text!r} is the name of a saved document, and there is no such file"
        raise UsageProblem(msg)
    return (text,)


def flag(name: str) -> str:
    """The flag of an option.

    >>> flag("pred_norm")
    '--pred-norm'
    """
    return f"--{name.replace('_', '-')}"
