"""Which executor does the work of a run: the cores of this machine, or a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kldeval.errors import UsageProblem
from kldeval.executors.local import LocalPool, cores
from kldeval.packages import load_package

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.executors.protocol import Executor


ENGINES = ("local", "dask")
"""Who may do the work."""

SECONDS_WITHOUT_WORKERS = 60.0
"""How long a cluster may have no worker, unless something else is said."""


class EngineRequest(Protocol):
    """What is asked of the engine; `client` is a `distributed.Client`, which is used and stays open."""

    @property
    def jobs(self) -> int | None:
        """The workers of this machine."""

    @property
    def engine(self) -> str | None:
        """Which engine does the work: one of `ENGINES`."""

    @property
    def scheduler(self) -> str | None:
        """The address of a Dask scheduler."""

    @property
    def scheduler_file(self) -> Path | None:
        """The file in which a Dask scheduler says its address."""

    @property
    def engine_timeout(self) -> float | None:
        """How many seconds a cluster may have no worker."""

    @property
    def client(self) -> Any:
        """A client of a Dask cluster."""


def is_cluster(asked: EngineRequest) -> bool:
    """Whether the work is to be done by a cluster.

    Raises:
        UsageProblem: what is asked makes no sense together.
    """
    named = {"--scheduler": asked.scheduler, "--scheduler-file": asked.scheduler_file, "client": asked.client}
    given = [name for name, value in named.items() if value is not None]
    if asked.engine not in (None, *ENGINES):
        msg = f"--engine {asked.engine}: there are {' and '.join(ENGINES)}"
        raise UsageProblem(msg)
    if len(given) > 1:
        msg = f"{given[0]} and {given[1]} both name a Dask scheduler; leave one out"
        raise UsageProblem(msg)
    if asked.engine == "local" and given:
        msg = f"{given[0]} names a Dask scheduler, which --engine local does not use; leave one out"
        raise UsageProblem(msg)
    if asked.engine == "dask" and not given:
        msg = (
            "--engine dask needs a scheduler: start one with 'dask scheduler --scheduler-file s.json' and workers with "
            "'dask worker --scheduler-file s.json', then add --scheduler-file s.json (or --scheduler tcp://HOST:8786)"
        )
        raise UsageProblem(msg)
    if asked.scheduler is not None:
        from kldeval.executors.scheduler import check_address

        check_address(asked.scheduler)
    if asked.engine_timeout is not None and not given:
        msg = f"--engine-timeout {asked.engine_timeout:g} has no effect without --scheduler or --scheduler-file"
        raise UsageProblem(msg)
    return bool(given)


def executor_for(asked: EngineRequest) -> Executor:
    """The executor that a run asks for.

    Raises:
        UsageProblem: as `is_cluster` and `address_in`.
        MissingDependency: Dask is not installed.
    """
    if not is_cluster(asked):
        return LocalPool(asked.jobs or cores())
    from kldeval.executors.scheduler import address_in

    address = asked.scheduler if asked.scheduler_file is None else address_in(asked.scheduler_file)
    load_package("distributed", "--engine dask needs distributed", "pip install 'kldeval[dask]'")
    from kldeval.executors.dask import DaskCluster

    timeout = SECONDS_WITHOUT_WORKERS if asked.engine_timeout is None else asked.engine_timeout
    return DaskCluster(address, asked.client, timeout)
