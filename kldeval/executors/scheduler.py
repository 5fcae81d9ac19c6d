"""Where a Dask scheduler is, and whether one answers there: Dask itself would wait for what is none without an end."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kldeval.errors import EngineLost, UsageProblem
from kldeval.regular import read_regular, why

if TYPE_CHECKING:
    from pathlib import Path

PAUSE = 0.1
"""Seconds between two tries."""

SECONDS_TO_WRITE = 1.0
"""How long a scheduler may take to write its file, which is there before it is whole."""


def check_address(address: str) -> None:
    """Refuse what is no address of a scheduler.

    Raises:
        UsageProblem: saying what an address is.
    """
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.scheme in ("tcp", "tls") and parts.hostname and parts.port)
    except ValueError:  # a port that is no number, or beyond 65535
        is_whole = False
    if not is_whole:
        msg = f"--scheduler {address}: an address is tcp://HOST:PORT or tls://HOST:PORT"
        raise UsageProblem(msg)


def address_in(file: Path) -> str:
    """The address that a scheduler wrote into its file.

    Raises:
        UsageProblem: there is no file, it cannot be read, or a scheduler did not write it.
    """
    until = time.monotonic() + SECONDS_TO_WRITE
    while True:
        try:
            found = json.loads(read_regular(file))
        except OSError as error:
            reason = "there is no such file" if isinstance(error, FileNotFoundError) else why(error)
            msg = f"--scheduler-file {file}: {reason}; is the scheduler running?"
            raise UsageProblem(msg) from error
        except ValueError:
            found = None
        address = found.get("address") if isinstance(found, dict) else None
        if isinstance(address, str):
            return address
        if found is not None or time.monotonic() > until:
            msg = f"--scheduler-file {file} holds no address: 'dask scheduler --scheduler-file {file}' writes it"
            raise UsageProblem(msg)
        time.sleep(PAUSE)


def wait_for_scheduler(address: str, timeout: float) -> None:
    """Return when a scheduler answers, which is the first to speak unless the connection is encrypted.

    Raises:
        EngineLost: nobody answers within `timeout` seconds, or somebody who is no scheduler.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or parts.hostname is None:
        return  # another protocol of Dask's, from its file
    until = time.monotonic() + timeout
    while True:
        try:
            with socket.create_connection((parts.hostname, parts.port or 0), max(PAUSE, timeout)) as connection:
                if parts.scheme == "tls" or connection.recv(1):
                    return
                reason = "what listens there closed the connection; another program, or tls://?"
                break
        except TimeoutError:
            reason = f"there was no answer within {timeout:g} s; another program, or tls://?"
            break
        except OSError as error:
            reason = f"{why(error)}; is it running?"
            if isinstance(error, socket.gaierror) or time.monotonic() > until:
                break
        time.sleep(PAUSE)
    msg = f"there is no Dask scheduler at {address}: {reason}"
    raise EngineLost(msg)
