"""Where work is done: an executor takes items, does work on some at a time, and gives the results in their order."""
