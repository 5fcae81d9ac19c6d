"""Decodes the images of two folders and does nothing with them: `decode.py PRED GT THREADS`, the floor of all."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2


def decode(name: str) -> None:
    """Read one pair."""
    for folder in sys.argv[1:3]:
        cv2.imread(f"{folder}/{name}", cv2.IMREAD_UNCHANGED)


cv2.setNumThreads(1)
names = sorted(path.name for path in Path(sys.argv[1]).iterdir())
with ThreadPoolExecutor(int(sys.argv[3])) as pool:
    list(pool.map(decode, names))
print(len(names))
