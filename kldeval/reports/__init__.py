"""From scores to a report: summaries, intervals, tests."""
