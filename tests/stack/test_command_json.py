"""`--json` of every command: what programs read, field by field, against the shapes in `command_shapes.json`.

After a change that is meant, run it with UPDATE_SHAPES=1 and read the difference.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from longhand.cli import command
from longhand.simulator import Pace, serve_in_thread
from tests.stack.running_up import environ_of, longhand, running_up

pytestmark = pytest.mark.races

SHAPES = Path(__file__).parent / "command_shapes.json"
ASK = ["--model", "gpt-4o-mini"]


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

    def run(self, name: str, *arguments: str, stdin: str = "", code: int = 0) -> Any:
        """Run a command with `--json`, and keep its shape under a name."""
        ran = longhand(*arguments, "--json", environ=self._environ, stdin=stdin)
        assert ran.returncode == code, ran.stderr
        found = json.loads(ran.stdout)
        self.shapes[name] = shape(found)
        return found

    def run_lines(self, name: str, *arguments: str) -> list[Any]:
        """The same for one that prints a line for each event; the kinds of them are kept, each by its first."""
        ran = longhand(*arguments, "--json", environ=self._environ)
        assert ran.returncode == 0, ran.stderr
        events = [json.loads(line) for line in ran.stdout.splitlines()]
        self.shapes[name] = sorted({event["event"] for event in events} - {"status", "progress"})
        return events


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    folder = tmp_path_factory.mktemp("json")
    with serve_in_thread(Pace(deltas_per_second=300)) as upstream:
        environ = environ_of(folder / "home", {"LONGHAND_UPSTREAM_URL": upstream.url})
        with running_up(environ, "--port", "0") as up:
            recorder = Recorder({**environ, "LONGHAND_URL": up.url})
            record(recorder, folder)
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
    recorder.run("results of a batch", "results", batch, "-o", str(folder / "out"))
    recorder.run("results of a job", "results", job, "-o", str(folder / "one"))
    recorder.run("pause", "pause", "--model", "held")
    held = recorder.run("submit what is held", "submit", "Write about tea.", "--model", "held")["id"]
    recorder.run("cancel", "cancel", held)
    recorder.run("retry", "retry", held)
    recorder.run("delete", "delete", job, "--yes")
    recorder.run("resume", "resume", "--model", "held")
    recorder.run("upstreams", "upstreams")
    recorder.run("settings", "settings")
    key = recorder.run("keys create", "keys", "create")["id"]
    recorder.run("keys list", "keys", "list")
    recorder.run("keys revoke", "keys", "revoke", key)


def test_what_every_command_prints_for_programs_has_the_documented_fields(recorded: Recorder) -> None:
    if os.environ.get("UPDATE_SHAPES"):
        SHAPES.write_text(json.dumps(recorded.shapes, indent=1) + "\n")
    assert recorded.shapes == json.loads(SHAPES.read_text())


def test_every_command_that_takes_json_is_recorded(recorded: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    app = command.make_app()
    taking = set()
    for registered in app.registered_commands:
        name = registered.name or ""
        assert command.run([name, "--help"]) == 0
        if "--json" in capsys.readouterr().out:
            taking.add(name)
    assert taking
    assert {name for name in taking if not any(one.split()[0] == name for one in recorded.shapes)} == set()
