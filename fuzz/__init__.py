"""Damaged files by the thousand, read by child processes: `python -m fuzz --minutes 5`.

A reader may give a map or refuse the file in one line that names it. Everything else is a finding: an error that is no
refusal, the end of the process, more than a few seconds, more memory than the file can account for, or an image that
OpenCV refuses and that was read. Findings are made small and kept in `tests/hostile/found`, which the tests read.
"""
