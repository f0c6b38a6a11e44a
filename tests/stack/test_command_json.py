"""`--json` of every command: what programs read, field by field, against the shapes in `command_shapes.json`.

After a change that is meant, run it with UPDATE_SHAPES=1 and read the difference.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from longhand.cli import command
from longhand.simulator import Pace, serve_in_thread
from tests.stack.running_up import environ_of, running_up
from tests.worker.receiving import receiving

pytestmark = pytest.mark.races

SHAPES = Path(__file__).parent / "command_shapes.json"
ASK = ["--model", "gpt-4o-mini"]
_FOR_PEOPLE = {
    "up": "runs until Ctrl-C, and reports to the person at its terminal",
    "demo": "is a show",
    "simulate": "runs until Ctrl-C; what a program asks of it is at its /stats",
    "api": "runs until a signal, and logs: LONGHAND_LOG_FORMAT=json",
    "worker": "runs until a signal, and logs: LONGHAND_LOG_FORMAT=json",
    "migrate": "says nothing but its exit code",
}
"""The commands without `--json`, and why."""


def commands(found: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that the parser knows, by its whole name."""
    inner = getattr(found, "commands", {})
    if path and (not inner or found.invoke_without_command):
        yield path, found
    for name, one in inner.items():
        yield from commands(one, f"{path} {name}".strip())


def shape(value: Any) -> Any:
    """The names of all fields; a list by its first item. What a field holds is nobody's promise here."""
    if isinstance(value, dict):
        return {name: shape(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "value"


class Recorder:
    """Runs commands and keeps the shape of what they print."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self.shapes: dict[str, Any] = {}
        self.ran: set[str] = set()
        """The names of the commands whose shape is kept."""

    def run(self, name: str, *arguments: str, stdin: str = "", code: int = 0) -> Any:
        """Run a command with `--json`, and keep its shape under a name."""
        found = json.loads(self._printed(arguments, stdin=stdin, code=code))
        self._keep(name, shape(found), arguments)
        return found

    def run_lines(self, name: str, *arguments: str) -> list[Any]:
        """The same for one that prints a line for each event; the kinds of them are kept, each by its first."""
        events = [json.loads(line) for line in self._printed(arguments).splitlines()]
        self._keep(name, sorted({event["event"] for event in events} - {"status", "progress"}), arguments)
        return events

    def _printed(self, arguments: tuple[str, ...], *, stdin: str = "", code: int = 0) -> str:
        """What a command prints. It runs in this process: forty new ones would take minutes to import everything."""
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with pytest.MonkeyPatch.context() as patched, redirect_stdout(out):
            for name in [name for name in os.environ if name not in self._environ]:
                patched.delenv(name)
            for name, value in self._environ.items():
                patched.setenv(name, value)
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            assert command.run([*arguments, "--json"]) == code, arguments
        out.seek(0)
        return out.read()

    def _keep(self, name: str, found: Any, arguments: tuple[str, ...]) -> None:
        assert name not in self.shapes
        self.shapes[name] = found
        known = [path for path, _ in commands(command.make_command())]
        self.ran.add(max((path for path in known if " ".join(arguments).startswith(path)), key=len))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    folder = tmp_path_factory.mktemp("json")
    with serve_in_thread(Pace(deltas_per_second=300)) as upstream:
        allow = {"LONGHAND_WEBHOOK_ALLOW": "127.0.0.0/8"}
        environ = environ_of(folder / "home", {"LONGHAND_UPSTREAM_URL": upstream.url, **allow})
        with running_up(environ, "--port", "0") as up, receiving() as receiver:
            recorder = Recorder({**environ, "LONGHAND_URL": up.url, "BROWSER": "true"})
            record(recorder, folder)
            record_webhooks(recorder, receiver.url)
            record_keys(recorder)
            assert up.end() == 0
    return recorder


def record(recorder: Recorder, folder: Path) -> None:
    """Use every command once. What is shown of a job or a batch is shown when it has ended."""
    lines = "\n".join(json.dumps({"custom_id": name, "prompt": f"Write 20 words about {name}"}) for name in ("a", "b"))
    job = recorder.run("submit a prompt", "submit", "Write 20 words about tea.", *ASK)["id"]
    batch = recorder.run("submit a file", "submit", "-", *ASK, "--title", "two", stdin=lines)["id"]
    events = recorder.run_lines("watch a job", "watch", job)
    text = "".join(event["text"] for event in events if event["event"] == "delta")
    recorder.run_lines("watch a batch", "watch", batch)
    recorder.run_lines("watch a batch with its texts", "watch", batch, "--text")
    recorder.run("jobs", "jobs")
    recorder.run("batches", "batches")
    shown = recorder.run("show a job", "show", job)
    assert shown["bytes"] == len(text.encode())
    recorder.run("show a batch", "show", batch)
    assert recorder.run("text", "text", job)["text"] == text
    recorder.run("open", "open", job)
    recorder.run("results of a batch", "results", batch, "-o", str(folder / "out"))
    recorder.run("results of a job", "results", job, "-o", str(folder / "one"))
    recorder.run("pause", "pause", "--model", "held")
    held = recorder.run("submit what is held", "submit", "Write about tea.", "--model", "held")["id"]
    recorder.run("status", "status")  # the worker has written something, so it has given a sign of life
    recorder.run("cancel", "cancel", held)
    recorder.run("retry", "retry", held)
    recorder.run("delete", "delete", job, "--yes")
    recorder.run("resume", "resume", "--model", "held")
    recorder.run("upstreams", "upstreams")
    recorder.run("settings", "settings")
    recorder.run("logs", "logs", "api", "--lines", "1")
    file = folder / "upstreams.toml"
    file.write_text('[[upstream]]\nname = "one"\nurl = "http://127.0.0.1:9000/v1"\n')
    recorder.run("upstreams check", "upstreams", "check", str(file))
    file.write_text(f"{file.read_text()}streams = 0\n")
    recorder.run("upstreams check with a mistake", "upstreams", "check", str(file), code=1)


def record_webhooks(recorder: Recorder, url: str) -> None:
    """The life of an endpoint."""
    webhook = recorder.run("webhooks add", "webhooks", "add", url)["id"]
    recorder.run("webhooks test", "webhooks", "test", webhook)
    recorder.run("webhooks list", "webhooks", "list")
    for verb in ("replay", "rotate", "pause", "resume", "remove"):
        recorder.run(f"webhooks {verb}", "webhooks", verb, webhook)


def record_keys(recorder: Recorder) -> None:
    """The last ones: with a first key, every other command would need it."""
    recorder.run("projects list", "projects", "list")
    recorder.run("projects retention", "projects", "retention", "default", "30d")
    key = recorder.run("keys create", "keys", "create")["id"]
    recorder.run("keys list", "keys", "list")
    recorder.run("keys revoke", "keys", "revoke", key)


def test_what_every_command_prints_for_programs_has_the_documented_fields(recorded: Recorder) -> None:
    if os.environ.get("UPDATE_SHAPES"):
        SHAPES.write_text(json.dumps(recorded.shapes, indent=1) + "\n")
    assert recorded.shapes == json.loads(SHAPES.read_text())


def test_every_command_takes_json_and_is_recorded_or_says_why_not(recorded: Recorder) -> None:
    every = dict(commands(command.make_command()))
    assert set(every) - recorded.ran == set(_FOR_PEOPLE)
    assert [name for name in _FOR_PEOPLE if any("--json" in one.opts for one in every[name].params)] == []
