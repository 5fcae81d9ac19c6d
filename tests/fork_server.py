"""A warm process that forks for every command that tests start: what a fresh one imports, this one has imported.

`python fork_server.py SOCKET PROCESS` serves tests/fork_client.py until that process ends. A fork
takes over the standard streams of the client, its folder, environment, umask, limits, ignored signals and process
group, runs `-m kldeval ...` or `-c CODE ...` as `__main__`, and ends as Python ends: it calls what is to be called at
the exit, flushes the standard streams, and dies of the signal that it dies of. The client leaves with its exit code or
signal.

What differs from a fresh process: modules are imported already, and a pair was scored; the hash seed is one for all;
`sys.flags` and `sys.orig_argv` are this server's, and so is the parent; descriptors above 2 are not handed on; a signal
that is sent to the client alone ends the client, and with it, by SIGKILL, the command. So tests of imports, of start-
up, of threads of libraries and of signals that come from outside start a true process. The client becomes one by itself
where the environment says something else about the start of Python or of a library than this server's, where another
`kldeval` is nearer, in another session, and for whatever else is not of the two kinds above.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import marshal
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import types
import warnings
from pathlib import Path
from typing import Any, NamedTuple

HOME = Path(__file__).resolve().parent.parent

OFTEN = (
    "cv2",
    "deflate",
    "imagecodecs._imcd",
    "kornia_rs",
    "numpy.random",
    "rich.table",
    "rich.console",
    "bz2",
    "lzma",
    "difflib",
    "glob",
    "scipy.stats",
)
"""What many runs import, beside the program itself."""

OF_URLS = ("aiohttp", "fsspec.implementations.http", "s3fs")
"""What runs import whose maps live elsewhere, where it is installed."""

LATE = ("kldeval/__main__", "kldeval/torch/", "kldeval/scoring/tensors", "kldeval/executors/dask")
"""What runs when it is imported, and what imports torch or distributed, which takes seconds."""

OBEYED = ("PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""The variables of Python that a fork obeys."""

AT_START = (
    "PYTHON",
    "LC_",
    "LANG",
    "LD_",
    "OMP_",
    "OPENBLAS_",
    "MKL_",
    "OPENCV_",
    "MALLOC_",
    "GLIBC_",
    "COVERAGE_",
    "SSL_CERT_",
)
"""How the names of variables begin that are read when Python or a library starts."""

FILTERS = ("default", "error", "always", "module", "once", "ignore")
"""What may stand behind `-W`."""


class Asked(NamedTuple):
    """A command: the request of the client, and the descriptors of its open streams, and of its folder."""

    request: dict[str, Any]
    given: list[int]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the client."""
        found: dict[str, str] = self.request["environment"]
        return found

    @property
    def folders(self) -> list[str]:
        """Where the environment says that modules are."""
        return [folder for folder in self.environment.get("PYTHONPATH", "").split(os.pathsep) if folder]

    def may_be_forked(self, at_start: dict[str, str], settled: dict[str, str]) -> bool:
        """Whether a fork does what a fresh process would: of one whose libraries started with these variables.

        Some are `settled`: the program itself says them to its libraries where the environment does not.
        """
        words = list(self.request["words"])
        while words[:1] == ["-W"] and words[1] in FILTERS:
            del words[:2]
        nearer = [Path(folder) / "kldeval" for folder in (f"/proc/self/fd/{self.given[-1]}", *self.folders)]
        return (
            (words[:1] == ["-c"] or words[:2] == ["-m", "kldeval"])
            and said_at_start({**settled, **self.environment}) == at_start
            and self.request["session"] == os.getsid(0)
            and all(package.resolve() == HOME / "kldeval" for package in nearer if package.exists())
        )


def said_at_start(environment: dict[str, str]) -> dict[str, str]:
    """The variables that are read when Python or a library starts, but for those that a fork obeys."""
    found = {name: value for name, value in environment.items() if name.startswith(AT_START) and value}
    return {name: value for name, value in found.items() if name not in OBEYED}


def import_what_runs_need() -> None:
    """The program, but for what few runs need, and the libraries that most runs import."""
    paths = (path.relative_to(HOME).with_suffix("") for path in sorted(HOME.glob("kldeval/**/*.py")))
    own = [".".join(path.parts).removesuffix(".__init__") for path in paths if not path.as_posix().startswith(LATE)]
    for name in (*OFTEN, *own):
        importlib.import_module(name)
    for name in OF_URLS:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def run_once() -> None:
    """Score a pair, as most runs do: what Python compiles and libraries build on the way is not built in every fork.

    What functions of the program keep is forgotten again: it may hang on the folder or the environment of a run.
    """
    numpy, main = importlib.import_module("numpy"), importlib.import_module("kldeval.cli.main")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        paths = [f"{folder}/{side}.npy" for side in ("pred", "gt")]
        for path in paths:
            numpy.save(path, numpy.arange(1, 7, dtype="u1").reshape(2, 3))
        assert main.run_arguments(paths) == 0
    for name in [name for name in sys.modules if name.startswith("kldeval")]:
        for value in vars(sys.modules[name]).values():
            if hasattr(value, "cache_clear"):
                value.cache_clear()


# the server


class Server:
    """Forks until its owner ends, and tells each client how its fork has ended."""

    def __init__(self, path: Path, owner: int, at_start: dict[str, str], settled: dict[str, str]) -> None:
        self.path, self.at_start, self.settled = path, at_start, settled
        self.door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.door.bind(f"{path}~")
        self.door.listen(64)
        Path(f"{path}~").rename(path)
        self.owner = os.pidfd_open(owner)
        self.poll = select.poll()
        self.poll.register(self.owner, select.POLLIN)
        self.poll.register(self.door, select.POLLIN)
        self.clients: dict[int, tuple[socket.socket, int]] = {}  # by their descriptors, with the process of each
        self.processes: dict[int, tuple[socket.socket, int]] = {}  # the same by the descriptors of the processes

    def serve(self) -> Asked:
        """Come back in a fork, with what it is to do."""
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor == self.owner:
                    self.end()
                elif descriptor == self.door.fileno():
                    asked = self.accept()
                    if asked:
                        return asked
                elif descriptor in self.processes:
                    self.tell(descriptor)
                elif descriptor in self.clients:  # who asked is gone
                    self.poll.unregister(descriptor)
                    os.kill(self.clients[descriptor][1], signal.SIGKILL)

    def end(self) -> None:
        """The tests have ended."""
        for _, process in self.clients.values():
            os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.path.parent, ignore_errors=True)
        sys.exit()

    def accept(self) -> Asked | None:
        """Fork for a client: what it asks for comes back in the fork."""
        connection, _ = self.door.accept()
        head, given, _, _ = socket.recv_fds(connection, 4, 4)
        data = b""
        while len(data) < int.from_bytes(head, "big"):
            data += connection.recv(1 << 20)
        asked = Asked(marshal.loads(data), given)  # noqa: S302 - our own client wrote it
        process = os.fork() if asked.may_be_forked(self.at_start, self.settled) else None
        if process == 0:
            for one in (self.door, connection, *(client for client, _ in self.clients.values())):
                one.close()
            for descriptor in (self.owner, *self.processes):
                os.close(descriptor)
            return asked
        for descriptor in given:
            os.close(descriptor)
        if process is None:
            connection.close()
            return None
        handle = os.pidfd_open(process)
        self.clients[connection.fileno()] = self.processes[handle] = connection, process
        self.poll.register(handle, select.POLLIN)
        self.poll.register(connection, select.POLLIN)
        return None

    def tell(self, handle: int) -> None:
        """Say how a fork has ended."""
        connection, process = self.processes.pop(handle)
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        self.poll.unregister(handle)
        os.close(handle)
        del self.clients[connection.fileno()]
        with contextlib.suppress(KeyError):  # it is gone, and was forgotten
            self.poll.unregister(connection)
        with contextlib.suppress(OSError):
            connection.sendall(str(code).encode())
        connection.close()


# the fork


def become(asked: Asked) -> None:
    """Take over what the client is to the system, and to Python at its start."""
    request, given, environment = asked.request, asked.given, asked.environment
    os.setpgid(0, request["group"])
    os.fchdir(given[-1])
    for descriptor in range(3):
        if descriptor in request["streams"]:
            os.dup2(given[request["streams"].index(descriptor)], descriptor)
        else:
            os.close(descriptor)
    for descriptor in given:
        os.close(descriptor)
    os.umask(request["umask"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        made = stream(descriptor, getattr(sys, name), unbuffered=bool(environment.get("PYTHONUNBUFFERED")))
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    for limit, soft, hard in request["limits"]:
        resource.setrlimit(limit, (soft, hard))


def stream(descriptor: int, like: io.TextIOWrapper, *, unbuffered: bool) -> io.TextIOWrapper | None:
    """A standard stream as Python makes it at its start."""
    try:
        os.fstat(descriptor)
    except OSError:
        return None
    is_raw = unbuffered and descriptor > 0
    made: Any = io.FileIO(descriptor, "r" if descriptor == 0 else "w", closefd=False)
    made.name, is_terminal = like.name, made.isatty()
    if not is_raw:
        made = io.BufferedReader(made) if descriptor == 0 else io.BufferedWriter(made)
    made = io.TextIOWrapper(
        made,
        like.encoding,
        like.errors,
        "\n",
        line_buffering=not unbuffered and (descriptor == 2 or is_terminal),
        write_through=unbuffered,
    )
    made.mode = like.mode
    return made  # type: ignore[no-any-return]


def run(asked: Asked) -> None:
    """Run a command as `__main__`."""
    words = list(asked.request["words"])
    while words[0] == "-W":
        warnings.simplefilter(words[1])
        del words[:2]
    kind, what, *arguments = words
    sys.argv = [kind, *arguments]
    sys.path[:1] = [str(Path.cwd()) if kind == "-m" else "", *asked.folders]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if kind == "-m":
        runpy._run_module_as_main(what)  # type: ignore[attr-defined]
    else:
        exec(compile(what, "<string>", "exec"), main.__dict__)  # noqa: S102 - it is what the test asks for


def leave(code: Any) -> None:
    """End as Python ends, but for taking every module apart, which costs more than most runs."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as Python does
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for text in (sys.stdout, sys.stderr):
        if text is not None and not text.closed:
            try:
                text.flush()
            except OSError as error:
                sys.unraisablehook(sys.UnraisableHookArgs((type(error), error, None, None, text)))  # type: ignore[call-arg,misc]
                code = 120
    os._exit((code or 0) & 255)


def say(error: BaseException) -> None:
    """Print the traceback of what a command raised, from its own first line on; and end as Python ends after that."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.excepthook(type(error), error.with_traceback(traceback), traceback)
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)


def start() -> None:
    """Serve; in a fork, run."""
    before = dict(os.environ)
    importlib.import_module("kldeval.process").settle_process()
    settled = {name: value for name, value in os.environ.items() if name not in before}
    at_start = said_at_start(dict(os.environ))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal interrupts the tests, and they end this process
    import_what_runs_need()
    run_once()
    gc.collect()
    gc.freeze()
    server = Server(Path(sys.argv[1]), int(sys.argv[2]), at_start, settled)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    asked = server.serve()
    become(asked)
    code: Any = None
    try:
        run(asked)
    except SystemExit as end:
        code = end.code
    except BaseException as error:  # noqa: BLE001 - the command has ended with it
        say(error)
        code = 1
    leave(code)


if __name__ == "__main__":
    start()
