"""Questions asked of many evaluations: audit, identify, explain, check, ground truths, methods."""
