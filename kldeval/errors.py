"""Every error that kldeval raises on purpose.

A message says what is wrong, the offending value, and what would be right, in one line. Each class also is the
built-in error that a library user expects, so `except ValueError` works without knowing this module.
"""

from __future__ import annotations


class KldevalError(Exception):
    """The base of all errors below: what the command line prints without a traceback."""


class UsageProblem(KldevalError, ValueError):
    """The request itself is wrong: an option, a name or a combination that can mean nothing."""


class UnknownName(UsageProblem, LookupError):
    """A name that is in no registry."""


class MissingDependency(KldevalError, ImportError):
    """A package, a system library or a device that the request needs and this machine lacks."""


class MapProblem(KldevalError, ValueError):
    """One map cannot be used; the other maps of a run are still scored."""

    stage = "check"


class NoPartner(MapProblem):
    """A map beside which something must stand, and does not."""

    stage = "pair"


class UnreadableMap(MapProblem):
    """A file that cannot be decoded into one real-valued map."""

    stage = "load"


class RefusedMap(MapProblem):
    """A map that was read, but does not fit the request; the message names the way out."""
