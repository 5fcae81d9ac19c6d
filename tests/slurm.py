"""A real Slurm on this machine: one node, with its daemons and their files in a folder of the test."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "sinfo")

SECONDS = 30
"""How long the node may take to be ready."""

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={root}/munge.socket
SlurmUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=1000
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP
"""


def why_not() -> str:
    """Why no Slurm can be had here; "" where it can."""
    missing = [name for name in PROGRAMS if find(name) is None]
    if missing:
        return f"no {missing[0]} here (Debian: apt-get install slurmctld slurmd slurm-client munge)"
    return "" if os.geteuid() == 0 else "slurmd needs root"


def find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@contextmanager
def slurm(root: Path) -> Iterator[dict[str, str]]:
    """The variables under which its commands find it, once `wait_for_node` has waited for it.

    It starts no job in its first three seconds.
    """
    for name in ("state", "spool"):
        (root / name).mkdir(parents=True)
    key = root / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    text = CONFIGURATION.format(root=root, host=host, ports=free_ports(2))
    (root / "slurm.conf").write_text(text, encoding="utf-8")
    variables = {"SLURM_CONF": str(root / "slurm.conf")}
    files = [f"--{name}-file={root}/munge.{name}" for name in ("pid", "log", "seed")]
    commands = (
        ["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={root}/munge.socket", *files],
        ["slurmctld", "-D", "-c"],
        ["slurmd", "-D", "-N", host],
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (root / f"{command[0]}.out").open("wb") as out:
                program = [str(find(command[0])), *command[1:]]
                started.append(subprocess.Popen(program, env={**os.environ, **variables}, stdout=out, stderr=out))
        yield variables
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def wait_for_node(root: Path, variables: dict[str, str]) -> None:
    """Wait until the only node of the Slurm in this folder takes jobs.

    Raises:
        RuntimeError: it does not within `SECONDS`; with the logs.
    """
    until = time.monotonic() + SECONDS
    said = ""
    while time.monotonic() < until:
        done = subprocess.run(
            ["sinfo", "-h", "-o", "%t"],  # noqa: S607 - the one that was found
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        if done.stdout.strip() == "idle":
            return
        time.sleep(0.1)
    logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in root.glob("*.log"))
    msg = f"Slurm's node is not ready after {SECONDS} s: {said}\n{logs}"
    raise RuntimeError(msg)
