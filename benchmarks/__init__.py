"""Measurements that are too long for the tests.

`python -m benchmarks` times the program; `benchmarks.calibration` is about the statistics and runs by itself.
"""
