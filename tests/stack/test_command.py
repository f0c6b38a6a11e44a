"""The command itself: a mistake is one clear line on stderr, with the right exit code and no traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from longhand.cli import command
from tests.client.sent import JOB, answer
from tests.conftest import free_port
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import ScriptedUpstream

COMMANDS = (
    "up",
    "demo",
    "submit",
    "watch",
    "jobs",
    "show",
    "results",
    "cancel",
    "retry",
    "pause",
    "resume",
    "simulate",
    "batches",
    "delete",
    "text",
    "open",
    "logs",
    "settings",
    "migrate",
    "api",
    "keys",
    "projects",
    "upstreams",
    "worker",
)


def test_every_command_has_its_own_help(tmp_path: Path) -> None:
    listed = longhand("--help", environ=environ_of(tmp_path, {})).stdout
    for name in COMMANDS:
        assert f" {name} " in listed
        assert command.run([name, "--help"]) == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["submti"], "No such command 'submti'. Did you mean 'submit'? (see longhand --help)"),
        (["submit"], "Missing argument 'FILE|PROMPT'. (see longhand submit --help)"),
        (["up", "--port", "70000"], "Invalid value for '--port': "),
        (["submit", "Write about bees."], "a prompt needs a model: give it with --model"),
        (["submit", "there-is-none.jsonl"], "there-is-none.jsonl: No such file or directory"),
        (["jobs", "--server", "http://x"], "--server stands before the name of the command: longhand --server ..."),
        (["keys", "list", "--api-key=x"], "--api-key stands before the name of the command: longhand --api-key"),
        (["logs"], "{home}/logs: no logs yet; go to the folder of `longhand up`, or set LONGHAND_HOME"),
        (["watch", "42"], "'42' is not an id: ids begin with job_ or batch_"),
        (["results", "42", "-o", "x"], "'42' is not an id: ids begin with job_ or batch_"),
        (
            ["results", "job_1", "-o", "x", "--format", "csv"],
            "csv is for a batch; for one job take md or jsonl",
        ),
        (["results", "batch_1", "-o", "x", "--format", "pdf"], "--format is one of md, jsonl, csv, zip, not 'pdf'"),
        (["jobs", "--status", "done"], "Invalid value for '--status': 'done' is not one of"),
        (["worker"], "LONGHAND_REDIS_URL is not set: give the URL of a Redis or Valkey server"),
        (["api"], "LONGHAND_REDIS_URL is not set: give the URL of a Redis or Valkey server"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_exit_code_2(arguments: list[str], line: str, tmp_path: Path) -> None:
    ran = longhand(*arguments, environ=environ_of(tmp_path, {}))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith(f"longhand: {line.format(home=tmp_path)}")
    assert len(ran.stderr.splitlines()) == 1


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    ran = longhand("jobs", environ=environ_of(tmp_path, {"LONGHAND_STREAM": "3"}))
    assert ran.returncode == 2
    assert ran.stderr == "longhand: LONGHAND_STREAM is not a setting; did you mean LONGHAND_STREAMS?\n"


@pytest.mark.parametrize("service", ["up", "api", "worker"])
def test_a_service_does_not_start_as_its_own_upstream(service: str, tmp_path: Path) -> None:
    for_a_program = {"OPENAI_BASE_URL": "http://localhost:8440/v1", "OPENAI_API_KEY": "lh_canary"}
    environ = {**environ_of(tmp_path, {"LONGHAND_REDIS_URL": "redis://127.0.0.1:1"}), **for_a_program}
    refused = longhand(service, environ=environ)
    assert refused.returncode == 2
    assert refused.stderr.startswith("longhand: the upstream (LONGHAND_UPSTREAM_URL, or else OPENAI_BASE_URL) is the")
    assert len(refused.stderr.splitlines()) == 1


def test_nothing_that_answers_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    ran = longhand("jobs", environ=environ_of(tmp_path, {"LONGHAND_URL": url}))
    assert ran.returncode == 1
    assert ran.stderr == (
        f"longhand: nothing answers at {url}: start it with `longhand up`, or set LONGHAND_URL to where it runs\n"
    )


def test_a_command_looks_for_no_garbage_in_what_it_imports_neither_then_nor_when_it_ends() -> None:
    begin = "import gc, sys; looks = []; gc.callbacks.append(lambda *_: looks.append(1)); import longhand.__main__; "
    at_exit = "import atexit; atexit.register(lambda: print(len(gc.get_objects()), file=sys.stderr)); "
    say = "print(len(looks), gc.isenabled(), file=sys.stderr); sys.argv[1:] = ['--version']; longhand.__main__.main()"
    ran = subprocess.run([sys.executable, "-c", begin + at_exit + say], capture_output=True, text=True, check=True)
    looks, is_enabled, objects = ran.stderr.split()
    assert int(looks) < 100  # and not hundreds
    assert is_enabled == "True"
    assert int(objects) < 1000  # and not tens of thousands


def test_output_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "longhand", "migrate"],
            env=environ_of(tmp_path / "home", {}),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (1, b"")


def test_every_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    app = command.make_app()
    names = [[registered.name or ""] for registered in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [[group.name or "", one.name or ""] for one in group.typer_instance.registered_commands]
    assert len(names) > 20
    for name in names:
        assert command.run([*name, "--help"]) == 0
        assert "Example" in capsys.readouterr().out, name


def test_a_server_can_be_named_before_the_command(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    ran = longhand("--server", nobody, "--api-key", "lh_x", "jobs", environ=environ_of(tmp_path, {}))
    assert ran.returncode == 1
    assert nobody in ran.stderr


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "job_1 is not completed: --partial prints its text so far, longhand show job_1 says more"),
        ("zh", "job_1 还没有完成：--partial 输出目前的正文，longhand show job_1 显示详情"),
    ],
)
def test_a_text_that_is_not_whole_is_told_in_words_of_the_command(lang: str, said: str, tmp_path: Path) -> None:
    error = {"code": "not_completed", "message": "the job is queued: ask with ?partial=true for what is stored"}
    with ScriptedUpstream([answer(409, {"error": error})]) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url, "LONGHAND_LANG": lang})
        ran = longhand("text", "job_1", environ=environ)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"longhand: {said}\n")


WHY = "why: longhand jobs --batch batch_1 --status failed"


@pytest.mark.parametrize(
    ("status", "failed", "said"),
    [
        ("completed", 2, f"2 jobs did not complete; {WHY}; run them again with: "),
        ("completed", 1, f"1 job did not complete; {WHY}; run it again with: "),
        ("completed", 0, ""),
        ("in_progress", 2, ""),
    ],
)
def test_a_batch_with_failures_says_how_to_run_them_again(status: str, failed: int, said: str, tmp_path: Path) -> None:
    batch = {"id": "batch_1", "object": "batch", "status": status, "created_at": 1, "usage": None,
             "request_counts": {"total": 3, "completed": 3 - failed, "failed": failed}}  # fmt: skip
    pages = [[answer(200, {"data": jobs, "has_more": False, "last_id": None})] for jobs in ([JOB], [], [])]
    with ScriptedUpstream([answer(200, batch)], *pages) as server:
        ran = longhand("show", "batch_1", environ=environ_of(tmp_path, {"LONGHAND_URL": server.url}))
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == (f"{said}longhand retry batch_1\n" if said else "")


def test_a_lone_word_that_looks_like_a_file_is_not_taken_for_a_prompt(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{free_port()}"})
    refused = longhand("submit", "topics.cvs", "--model", "m", environ=environ)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "longhand: topics.cvs: there is no such file; if it is a prompt, add --as-prompt\n"
    meant = longhand("submit", "topics.cvs", "--model", "m", "--as-prompt", environ=environ)
    assert "there is no such file" not in meant.stderr
