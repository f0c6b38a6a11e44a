"""`longhand up` as a process of its own, read line by line, and gone at the end whatever happens."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from longhand.client.client import Client
from longhand.client.events import Delta, Done, Reset
from tests.stack import warm_command

PATIENCE_SECONDS = 60.0
ROOT = Path(__file__).parents[2]


def environ_of(home: Path, changes: Mapping[str, str]) -> dict[str, str]:
    """This environment without what the user has set for Longhand."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LONGHAND_", "OPENAI_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "LONGHAND_HOME": str(home), **changes}


def quick(home: Path, upstream_url: str) -> dict[str, str]:
    """A short lease, so that a killed worker's jobs are rescued soon."""
    changes = {"LONGHAND_LEASE_SECONDS": "2", "LONGHAND_HEARTBEAT_SECONDS": "0.5"}
    return environ_of(home, {"LONGHAND_UPSTREAM_URL": upstream_url, **changes})


def longhand(*arguments: str, environ: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    if warm_command.can_run(environ):
        return warm_command.run(arguments, environ, stdin, PATIENCE_SECONDS)
    return subprocess.run(
        [sys.executable, "-P", "-m", "longhand", *arguments],
        env=dict(environ),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


class Up:
    """A running `longhand up`."""

    def __init__(self, environ: Mapping[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "longhand", "up", *arguments],
            env={**environ, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.output += line
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output has `pattern`."""

        def found() -> re.Match[str] | bool | None:
            return re.search(pattern, self.output) or not self._reader.is_alive()

        with self._grown:
            self._grown.wait_for(found, PATIENCE_SECONDS)
        match = re.search(pattern, self.output)
        assert match, f"no {pattern!r} in: {self.output}"
        return match

    @property
    def url(self) -> str:
        """Where the API answers; waits until it is ready."""
        return self.wait_for(r"API +(http://\S+)")[1]

    def children(self) -> dict[str, int]:
        """The pids of its processes: `worker`, `api`, `valkey`."""
        named = {}
        for pid in self._pids():
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            name = next((name for name in ("worker", "valkey", "api") if name in line), None)
            assert name, f"process {pid} is none of ours: {line!r}; {self.output}"
            named[name] = pid
        return named

    def apis(self) -> list[int]:
        """The pids of its APIs."""
        return [pid for pid in self._pids() if b"\0api\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def _pids(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the supervisor stand still: whatever dies meanwhile stays dead. Its other processes go on."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def running_up(environ: Mapping[str, str], *arguments: str) -> Iterator[Up]:
    """`longhand up`, killed at the end if it is still there; its leash takes the children along."""
    up = Up(environ, *arguments)
    try:
        yield up
    finally:
        if up.process.poll() is None:
            up.process.kill()
        up.process.wait(PATIENCE_SECONDS)
        up._reader.join(PATIENCE_SECONDS)
        assert up.process.stdout is not None
        up.process.stdout.close()


@contextmanager
def watched_pids(pids: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """File descriptors that tell when processes that are not our children have ended."""
    descriptors = {name: os.pidfd_open(pid) for name, pid in pids.items()}
    try:
        yield descriptors
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def has_ended(descriptor: int, within_seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether the process of a descriptor has ended, or does so in time."""
    return bool(select.select([descriptor], [], [], within_seconds)[0])


def connections_of(pid: int, port: int) -> int:
    """How many connections a process has accepted on a port of this machine."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # it has been closed meanwhile
            sockets.add(str(descriptor.readlink()))
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    established = [line[9] for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01"]
    return sum(f"socket:[{inode}]" in sockets for inode in established)


def processes_in(folder: Path) -> list[str]:
    """The processes whose working directory is in a folder, as a Valkey's is in its home."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if place.readlink().is_relative_to(folder):
                found.append(place.parent.name)
    return found


class Watch:
    """Someone who watches a job from a thread."""

    def __init__(self, url: str, job_id: str) -> None:
        self.text = ""
        self.resets = 0
        self.lost_connections = 0
        self.done: Done | None = None
        self.has_begun = threading.Event()
        self._client = Client(url, on_retry=self._note)
        self._thread = threading.Thread(target=self._follow, args=(job_id,), daemon=True)
        self._thread.start()

    def _note(self, _line: str) -> None:
        self.lost_connections += 1

    def _follow(self, job_id: str) -> None:
        with self._client:
            for event in self._client.watch(job_id):
                match event:
                    case Delta(text=text):
                        self.text += text
                        self.has_begun.set()
                    case Reset():
                        self.text = ""
                        self.resets += 1
                    case Done():
                        self.done = event

    def end(self) -> Done:
        self._thread.join(PATIENCE_SECONDS)
        assert self.done is not None
        return self.done


def submit(url: str, prompt: str = "Write a 150-word note about bees.") -> str:
    with Client(url) as client:
        job = client.submit_job({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}]})
    return str(job["id"])
