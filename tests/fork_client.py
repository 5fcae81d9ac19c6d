"""What stands for `python` where tests start the program: it has the command run by a fork of a warm process.

`python -IS fork_client.py SOCKET PYTHON [-W FILTER] (-m kldeval | -c CODE) ARGUMENT...`, the socket being that of
tests/fork_server.py, which see. Where no fork can stand for a fresh process, this one becomes `PYTHON ...` itself.
It imports what costs nothing: its start is most of what a command costs.
"""

import _signal  # type: ignore[import-not-found] # typeshed knows its better half alone
import _socket
import marshal
import os
import resource
import sys

LIMITS = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def asked(path: str, words: list[str]) -> _socket.socket:
    """A connection on which the answer to a command comes."""
    streams = [descriptor for descriptor in range(3) if is_open(descriptor)]
    umask = os.umask(0)
    os.umask(umask)
    request = {
        "words": words,
        "environment": dict(os.environ),
        "streams": streams,
        "umask": umask,
        "limits": [(limit, *resource.getrlimit(limit)) for limit in LIMITS],
        "ignored": [number for number in _signal.valid_signals() if _signal.getsignal(number) == _signal.SIG_IGN],
        "session": os.getsid(0),
        "group": os.getpgid(0),
    }
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(path)
    data = marshal.dumps(request)
    given = b"".join(descriptor.to_bytes(4, sys.byteorder) for descriptor in (*streams, here))
    connection.sendmsg([len(data).to_bytes(4, "big")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, given)])
    while data:
        data = data[connection.send(data) :]
    os.close(here)
    return connection


def main() -> None:
    """Leave as the command does: with its exit code, or by its signal."""
    path, python, *words = sys.argv[1:]
    connection, answer = asked(path, words), b""
    while part := connection.recv(16):
        answer += part
    connection.close()
    if not answer:
        os.execv(python, [python, *words])  # noqa: S606 - no shell is needed
    if (code := int(answer)) >= 0:
        os._exit(code)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the command has left its own
    if -code != _signal.SIGKILL:
        _signal.signal(-code, _signal.SIG_DFL)
    os.kill(os.getpid(), -code)


if __name__ == "__main__":
    main()
