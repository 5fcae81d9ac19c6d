"""One function per metric, grouped by what the ground truth is."""
