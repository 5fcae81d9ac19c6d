"""From paths to maps: which files belong together, and what they hold."""
