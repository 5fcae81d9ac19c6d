"""Decodes the images of some folders and does nothing with them: `decode.py FOLDER... THREADS`, the floor of all."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2


def decode(name: str) -> None:
    """Read one image of each folder."""
    for folder in folders:
        cv2.imread(f"{folder}/{name}", cv2.IMREAD_UNCHANGED)


*folders, threads = sys.argv[1:]
cv2.setNumThreads(1)
names = sorted(path.name for path in Path(folders[0]).iterdir())
with ThreadPoolExecutor(int(threads)) as pool:
    list(pool.map(decode, names))
print(len(names))
