"""The version of the package, and of the definitions behind its numbers."""

from __future__ import annotations

__version__ = "0.1.0"

DEFINITIONS = 1
"""Changes only when a number could: the `v` part of every signature."""
