"""Data sets: which files belong together, what they hold, and what they must be by their values."""
