"""A decoded JSON value that knows where it stands, so that a refusal can say what is wrong and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NONFINITE = ("inf", "-inf", "nan")
"""The numbers that JSON has not, in the words that stand for them."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A value, the file that it is from, and the keys that lead to it; every method refuses what has another form.

    >>> Checked({"n": [1, "inf"]}, "a.json")["n"].items()[1].number()
    inf
    """

    value: object
    file: str
    place: str = ""

    def __getitem__(self, key: str) -> Checked:
        """The member `key` of an object."""
        members = dict(self.members())
        if key not in members:
            self.refuse(f"lacks {key!r}")
        return members[key]

    def members(self) -> Iterator[tuple[str, Checked]]:
        """The members of an object."""
        if not isinstance(self.value, dict):
            self.refuse(f"is {self.value!r}, not an object")
        for key, value in self.value.items():
            yield key, Checked(value, self.file, f"{self.place}.{key}" if self.place else key)

    def items(self) -> list[Checked]:
        """The items of a list."""
        if not isinstance(self.value, list):
            self.refuse(f"is {self.value!r}, not a list")
        return [Checked(item, self.file, f"{self.place}[{number}]") for number, item in enumerate(self.value)]

    def has_member(self, key: str) -> bool:
        """Whether an object has the member `key`."""
        return any(key == name for name, _ in self.members())

    def optional(self, key: str) -> list[Checked]:
        """The items of the list that is the member `key`; none where there is no such member."""
        return self[key].items() if self.has_member(key) else []

    def has(self, keys: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Refuse an object that lacks one of `keys`, or has a member that is neither among them nor optional."""
        members = [key for key, _ in self.members()]
        for key in keys:
            if key not in members:
                self.refuse(f"lacks {key!r}")
        for key in members:
            if key not in keys and key not in optional:
                self.refuse(f"has {key!r}, which does not belong there")

    def text(self) -> str:
        """A text."""
        return self.value if isinstance(self.value, str) else self.refuse(f"is {self.value!r}, not a text")

    def one_of(self, choices: Sequence[str]) -> str:
        """One of some texts."""
        if self.value not in choices:
            self.refuse(f"is {self.value!r}, not one of {', '.join(map(repr, choices))}")
        return str(self.value)

    def count(self) -> int:
        """A whole number from 0 on."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or self.value < 0:
            self.refuse(f"is {self.value!r}, not a count")
        return self.value

    def truth(self) -> bool:
        """True or false."""
        return self.value if isinstance(self.value, bool) else self.refuse(f"is {self.value!r}, not true or false")

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(item.text() for item in self.items())

    def number(self) -> float:
        """A number, or the word for one that JSON has not."""
        if isinstance(self.value, str) and self.value in NONFINITE:
            return float(self.value)
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            self.refuse(f"is {self.value!r}, not a number or one of {', '.join(map(repr, NONFINITE))}")
        return float(self.value)

    def number_or_none(self) -> float | None:
        """A number as in `number`, or null."""
        return None if self.value is None else self.number()

    def refuse(self, complaint: str) -> NoReturn:
        """Raise the error that says what is wrong with this value."""
        msg = f"{self.file}: {self.place or 'it'} {complaint}"
        raise UsageProblem(msg)
