"""Who does the work of a run: where its numbers are computed, and who reads its files."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from kldeval.engine.device import find_device
from kldeval.errors import UsageProblem
from kldeval.executors.choice import executor_for, is_cluster
from kldeval.executors.local import cores

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kldeval.data.dataset import Dataset
    from kldeval.engine.device import Device
    from kldeval.executors.protocol import Executor
    from kldeval.run_options import RunOptions
    from kldeval.settings.settings import Settings


@contextmanager
def computing(settings: Settings, dataset: Dataset, request: RunOptions) -> Iterator[tuple[Device, Executor]]:
    """Where the numbers are computed, on a cluster by the CPUs of its workers; and who reads the files.

    Where torch is imported for a GPU, that is done by processes that are forked before.

    Raises:
        UsageProblem: a GPU and a cluster are asked for, or as `find_device`.
    """
    if is_cluster(request):
        _refuse_device_of_cluster(request)
        yield find_device("cpu", settings), executor_for(request)
        return
    jobs, readers = request.jobs or cores(), ExitStack()
    forked: list[Executor] = []

    def fork() -> None:
        from kldeval.executors.forked_ahead import ForkedAhead

        ahead = ForkedAhead(jobs)
        ahead.fork()
        readers.callback(ahead.close)
        forked.append(ahead)

    firsts = dataset.undivided if request.shard is None else dataset.firsts
    with readers:
        device = find_device(request.device, settings, firsts, jobs, len(dataset.models), before_torch=fork)
        yield device, forked[0] if forked else executor_for(request)


def check_computing(settings: Settings, request: RunOptions) -> None:
    """Refuse a device that is named and that a run would not have.

    Raises:
        UsageProblem: a GPU and a cluster are asked for, or as `find_device`.
        MissingDependency: the device is not there.
    """
    if is_cluster(request):
        _refuse_device_of_cluster(request)
    elif request.device != "auto":
        find_device(request.device, settings)


def _refuse_device_of_cluster(request: RunOptions) -> None:
    if request.device not in ("auto", "cpu"):
        msg = f"--device {request.device} is of this machine, and the work is done by Dask workers; leave one out"
        raise UsageProblem(msg)
