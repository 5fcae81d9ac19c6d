"""Measurements that are too long for the tests; each module runs by itself."""
