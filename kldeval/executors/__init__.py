"""Where work is done: in this process, or in workers of this machine."""
