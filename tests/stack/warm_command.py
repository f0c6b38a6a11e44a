"""A process that has imported the command `longhand`, and forks itself for each run: that costs a fifth of a start.

What is run is a process of its own all the same, with its own arguments, environment, folder, streams and exit status.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_OF_THE_START = ("LC_", "LANG", "PYTHON")
"""What an interpreter reads when it starts, and a fork does not."""


def can_run(environ: Mapping[str, str]) -> bool:
    """Whether a fork is the same as a start with this environment."""
    names = {name for name in {*environ, *os.environ} if name.startswith(_OF_THE_START)} - {"PYTHONPATH"}
    return environ.get("PYTHONPATH") == str(_ROOT) and all(environ.get(one) == os.environ.get(one) for one in names)


def run(
    arguments: Sequence[str], environ: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end. Raises `subprocess.TimeoutExpired` as `subprocess.run` does."""
    with ExitStack() as exits:
        streams = [exits.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        streams[0].write(stdin.encode())
        streams[0].seek(0)
        code = run_on(arguments, environ, [one.fileno() for one in streams], seconds)
        texts = []
        for stream in streams[1:]:
            stream.seek(0)
            texts.append(stream.read().decode())
    return subprocess.CompletedProcess(list(arguments), code, *texts)


def run_on(arguments: Sequence[str], environ: Mapping[str, str], streams: Sequence[int], seconds: float) -> int:
    """Run the command to its end with these as its standard streams, such as a terminal; its exit status."""
    asked = {"arguments": arguments, "environ": dict(environ), "folder": str(Path.cwd())}
    read, write = os.pipe()
    with os.fdopen(read) as told:
        try:
            socket.send_fds(_start(), [json.dumps(asked).encode()], [*streams, write])
        finally:
            os.close(write)
        pid = int(told.readline())
        if not select.select([told], [], [], seconds)[0]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(list(arguments), seconds)
        return int(told.readline())


def put_into(folder: Path) -> int:
    """Make a program `longhand` that a shell finds in this folder. It asks by the descriptor that is returned, which
    whatever starts the shell must pass on.
    """
    folder.mkdir(exist_ok=True)
    program = folder / "longhand"
    program.write_text(_PROGRAM.format(python=sys.executable, asking=_start().fileno()))
    program.chmod(0o755)
    return _start().fileno()


_PROGRAM = """#!{python} -ISu
import json, os, socket, sys

read, write = os.pipe()
asked = {{"arguments": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd()}}
socket.send_fds(socket.socket(fileno={asking}), [json.dumps(asked).encode()], [0, 1, 2, write])
os.close(write)
with os.fdopen(read) as told:
    told.readline()  # its pid
    sys.exit(int(told.readline()))
"""


@cache
def _start() -> socket.socket:
    """The process, as the other end of a socket; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(theirs.fileno())],
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.kill()
        process.wait()

    atexit.register(end)
    return ours


def _serve(asking: socket.socket) -> None:
    """Fork for each request; returns in the process that is to be the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        content, descriptors, _, _ = socket.recv_fds(asking, 1 << 20, 4)
        if not content:
            os._exit(0)
        if os.fork() == 0:
            asking.close()
            _become(json.loads(content), *descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _become(asked: dict[str, Any], stdin: int, stdout: int, stderr: int, told: int) -> None:
    """Fork once more, to tell how the command ended; returns in that."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if command := os.fork():
        os.write(told, f"{command}\n".encode())
        _, status = os.waitpid(command, 0)
        with suppress(BrokenPipeError):  # nobody waits for it any more
            os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(told)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(asked["environ"])
    os.chdir(asked["folder"])
    sys.argv[1:] = asked["arguments"]


if __name__ == "__main__":
    import jobs.store.keys  # noqa: F401  # which few commands need, and takes long
    from longhand.cli.command import main

    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main()
