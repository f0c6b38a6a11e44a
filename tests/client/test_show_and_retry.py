"""`longhand jobs`, `show` and `retry`: how each job went and why, and which of them run again."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
import redis
from rich.console import Console

from api.server import ApiServer
from jobs.store.database import Database
from longhand import Client
from longhand.client.calls import retry
from longhand.client.errors import InputError
from longhand.terminal.batch_state import BatchState
from longhand.terminal.lists import jobs_table, narrow_lacks
from longhand.terminal.tables import job_summary
from longhand.words.catalogue import Language, speaking, t
from tests.api.batch_watching import submit_jobs
from tests.client.sent import answer
from tests.client.shown import KNOWN, Played, batch, drawn, job, shown_by
from tests.stack.running_up import environ_of, longhand
from tests.upstream.scripted_upstream import ScriptedUpstream

CUT = {**KNOWN, "status": "completed", "finish_reason": "length", "incomplete": {"reason": "max_output_tokens"}}


@pytest.fixture
def played(sqlite_database: Database, valkey_client: redis.Redis) -> Played:
    return Played(sqlite_database, valkey_client)


def test_a_text_that_was_cut_short_says_so_in_lists_and_alone() -> None:
    cut = job(0, "bees", **CUT)
    listed = shown_by(jobs_table([cut, job(1, "ants", **KNOWN, status="completed")], wide=False)).splitlines()
    assert "completed, cut short" in listed[1]
    assert "cut short" not in listed[2]
    assert re.search(r"incomplete +cut short at the token limit", shown_by(job_summary(cut)))
    kept = job(0, "bees", **{**KNOWN, "attempt": 3}, status="failed", text_attempt=1)
    assert re.search(r"text of +attempt 1, which wrote the most", shown_by(job_summary(kept)))
    state = BatchState(batch(3, completed=2))
    state.batch["request_counts"]["incomplete"] = 1
    assert "1 incomplete" in drawn(state, 80, 20)[-1]


def test_a_text_whose_seam_is_in_doubt_says_so_in_lists_and_alone() -> None:
    doubtful = job(0, "bees", **{**CUT, "finish_reason": "stop", "incomplete": {"reason": "doubtful_seam"}})
    assert "completed, to be checked" in shown_by(jobs_table([doubtful], wide=False))
    assert re.search(r"incomplete +joined with a seam in doubt", shown_by(job_summary(doubtful)))


@pytest.mark.parametrize(("width", "counts"), [(80, False), (160, True)])
def test_a_list_says_why_jobs_failed(width: int, counts: bool) -> None:
    why = {"code": "upstream_rejected", "message": "the model\nis not known"}
    failed = job(0, "a long name of bees", **{**KNOWN, "error": why}, status="failed")
    again = job(1, "ants", **{**KNOWN, "error": {"code": "stall", "message": "it paused"}}, status="queued")
    console = Console(file=StringIO(), width=width, color_system=None)
    console.print(jobs_table([failed, again], wide=counts))
    assert isinstance(console.file, StringIO)
    shown = console.file.getvalue()
    column = shown.index("because")
    told = "".join(line[column:].rstrip() or " " for line in shown.splitlines()[1:])
    assert told.replace(" ", "") == "upstream_rejected:theupstreamrejectedtherequest:themodelisnotknown"
    assert "stall" not in shown
    assert ("seconds" in shown.splitlines()[0]) is counts
    assert "because" not in shown_by(jobs_table([again], wide=False))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_narrow_terminal_is_told_each_column_that_a_wide_one_shows(status: str, language: Language) -> None:
    listed = [job(0, "bees", **{**KNOWN, "error": {"code": "stall", "message": "it paused"}}, status=status)]
    with speaking(language):
        narrow, wide = ([str(one.header) for one in jobs_table(listed, wide=wide).columns] for wide in (False, True))
        lacks = narrow_lacks(with_reasons=status == "failed").split(t("join.comma"))
    assert lacks == [name for name in wide if name not in narrow]
    assert len(lacks) == (6 if status == "failed" else 4)


def test_a_failed_job_says_why_in_a_sentence_and_each_attempt_what_it_met() -> None:
    answer = json.dumps({"error": {"message": "The model `gpt-x` does not exist."}})
    error = {"code": "upstream_rejected", "message": f"HTTP 404: {answer}"}
    attempt = {"attempt": 1, "worker": "w1", "started_at": 1.0, "outcome": "failed", "error": error}
    failed = job(0, "bees", **{**KNOWN, "error": error}, status="failed", attempts=[attempt])
    sentence = "upstream_rejected: the upstream rejected the request: The model `gpt-x` does not exist."
    shown = shown_by(job_summary(failed))
    assert re.search(rf"^error +{re.escape(sentence)}$", shown.rstrip(), re.MULTILINE)
    assert f"w1 upstream_rejected: HTTP 404: {answer}" in shown
    assert sentence in shown_by(jobs_table([failed], wide=True))
    with speaking("zh"):
        sentence = "upstream_rejected：接口拒绝了请求：The model `gpt-x` does not exist."
        assert sentence in shown_by(job_summary(failed))
        assert sentence in shown_by(jobs_table([failed], wide=True))


def test_a_job_shows_the_beginning_of_its_prompt_in_one_line_that_moves_no_cursor() -> None:
    parts = [
        {"type": "text", "text": "About\n\x1b[2Jbees,"},
        {"type": "image_url"},
        {"type": "text", "text": "蜂" * 200},
    ]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}, {"role": "assistant"}]
    shown = shown_by(job_summary(job(0, None, **KNOWN, request={"messages": messages})))
    [prompt] = re.findall(r"^prompt +(.+(?:\n  .+)*)$", shown, re.MULTILINE)
    # The lines are Rich's, which breaks what is wider than the column.
    assert " ".join(prompt.split()) == "About [2Jbees, " + "蜂" * 92 + "…"
    assert "brief" not in shown


def test_a_job_says_which_parameters_were_not_sent_as_they_were_written() -> None:
    changed = {"changed_parameters": {"max_tokens": "max_completion_tokens", "user\x1b[2J": None}}
    shown = shown_by(job_summary(job(0, "bees", **{**KNOWN, "message": changed})))
    assert re.search(r"changed parameters +max_tokens sent as max_completion_tokens, user\S* not sent", shown)
    assert "\x1b" not in shown
    assert "changed parameters" not in shown_by(job_summary(job(0, "bees", **KNOWN)))


def test_a_tool_call_is_shown_with_its_name_and_its_arguments_and_moves_no_cursor() -> None:
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "\x1b[2JOslo"}'},
    }
    custom = {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    called = job(0, "bees", **{**KNOWN, "finish_reason": "tool_calls", "message": {"tool_calls": [call, custom]}})
    assert re.search(
        r"row +topic=\[2Jtea, words=9",
        shown_by(job_summary({**called, "cells": {"topic": "\x1b[2Jtea", "words": "9"}})),
    )
    shown = shown_by(job_summary(called))
    assert re.search(r'tool calls +get_weather\({"city": "\[2JOslo"}\)\n +run\(ls\)', shown)
    assert "tool calls" not in shown_by(job_summary(job(0, "bees", **KNOWN)))


def test_a_lost_attempt_is_not_said_to_have_died_each_time_and_any_other_says_why_it_ended() -> None:
    lost = {
        "attempt": 1,
        "worker": "w1",
        "started_at": 1.0,
        "outcome": "lost",
        "error": {"code": "worker_lost", "message": None},
    }
    cut = {**lost, "attempt": 2, "outcome": "failed", "error": {"code": "upstream_cut", "message": "it broke off"}}
    with speaking("zh"):
        shown = shown_by(job_summary(job(0, "bees", **KNOWN, attempts=[lost, cut])))
    assert "每次尝试" not in shown
    assert re.search(r"2 +失败.+w1 upstream_cut：接口的回复中断", shown), shown


def test_a_cancelled_batch_is_run_again_with_the_command_that_is_shown(
    sqlite_api: ApiServer, sqlite_database: Database, tmp_path: Path
) -> None:
    batch_id, _ = submit_jobs(sqlite_database, 2)
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    assert longhand("cancel", batch_id, environ=environ).returncode == 0
    again = f"longhand retry {batch_id} --which cancelled"
    watched = longhand("watch", batch_id, environ=environ)
    assert f"run them again with: {again}\n" in watched.stderr
    assert "#1: cancelled\n" in watched.stderr
    shown = longhand("show", batch_id, environ=environ)
    why = f"longhand jobs --batch {batch_id} --status cancelled"
    assert shown.stderr == f"2 jobs did not complete; why: {why}; run them again with: {again}\n"
    refused = longhand("retry", batch_id, environ=environ)
    assert refused.stderr.startswith(
        f"longhand: {batch_id}: no job is failed or expired, so there is nothing to run again; but 2 are cancelled:"
        f" run them again with: {again}\n"
    )
    chinese = longhand("retry", batch_id, environ={**environ, "LONGHAND_LANG": "zh"})
    assert (
        f"没有状态为“失败”或“已过期”的任务，所以没有可以重新运行的；但有 2 个“已取消”的：要重新运行它们，请用 {again}"
        in chinese.stderr
    )
    assert longhand(*again.split()[1:], environ=environ).returncode == 0


def test_what_else_could_run_again_is_read_from_the_fields_of_the_refusal(tmp_path: Path) -> None:
    error = {"code": "nothing_to_retry", "message": "in other words", "retryable": {"incomplete": 1, "cancelled": 3}}
    older = {"code": "nothing_to_retry", "message": "its cancelled ones (the command: --which cancelled)"}
    with ScriptedUpstream(*([answer(409, {"error": one})] for one in (error, older))) as server:
        environ = environ_of(tmp_path, {"LONGHAND_URL": server.url})
        shown = [longhand("retry", "batch_1", environ=environ).stderr for _ in range(2)]
    assert "; but 3 are cancelled: run them again with: longhand retry batch_1 --which cancelled\n" in shown[0]
    assert shown[1].startswith("longhand: its cancelled ones (the command: --which cancelled)\n")


def test_the_failures_of_a_batch_are_queued_again_and_a_second_time_there_are_none(
    sqlite_api: ApiServer, sqlite_database: Database, played: Played, tmp_path: Path
) -> None:
    played.play()
    environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})
    ran = longhand("retry", played.batch_id, environ=environ)
    assert (ran.returncode, ran.stdout) == (0, "")
    said = "retrying 1 of 3 jobs; follow with: longhand watch"
    assert ran.stderr == f"{played.batch_id}: {said} {played.batch_id}\n"
    with Client(f"http://127.0.0.1:{sqlite_api.port}") as client:
        assert [job["status"] for job in client.jobs(batch_id=played.batch_id)] == ["completed", "queued", "completed"]
    again = longhand("retry", played.batch_id, environ=environ)
    assert again.returncode == 1
    assert (
        again.stderr == f"longhand: {played.batch_id}: no job is failed or expired, so there is nothing to run again\n"
    )


@pytest.mark.parametrize(
    ("resource_id", "which"), [("job_1", ["failed"]), ("batch_1", None), ("batch_1", ["incomplete"])]
)
def test_which_jobs_run_again_is_said_of_a_batch_alone(resource_id: str, which: list[str] | None) -> None:
    if resource_id == "job_1":
        with pytest.raises(InputError, match="among the jobs of a batch"):
            retry(resource_id, which)
        return
    content = retry(resource_id, which).content
    assert content == (None if which is None else json.dumps({"which": which}).encode())
