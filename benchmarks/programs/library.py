"""`library.py PRED GT`: the report of two folders by `kldeval.evaluate`, in a process that settled nothing."""

import sys

import kldeval

print(kldeval.evaluate(*sys.argv[1:3]).short)
