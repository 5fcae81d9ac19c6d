"""Documents: what a run found, as plain values."""
