"""`longhand pause` and `longhand resume`: one thing at a time, and what is held says how to lift it."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import serve_api
from tests.stack.running_up import environ_of, longhand


def test_what_is_paused_says_how_to_lift_it(sqlite_url: str, redis_url: str, tmp_path: Path) -> None:
    with serve_api(sqlite_url, redis_url) as api:
        url = f"http://127.0.0.1:{api.port}"
        environ = environ_of(tmp_path, {"LONGHAND_URL": url})
        body = {"model": "meta/llama", "messages": [{"role": "user", "content": "Write."}]}
        batch = httpx.post(
            f"{url}/v1/batches", json={"requests": [{"custom_id": "a", "body": body}]}, trust_env=False
        ).json()["id"]
        [job] = httpx.get(f"{url}/v1/jobs", params={"batch_id": batch}, trust_env=False).json()["data"]

        paused = longhand("pause", batch, "--message", "until Monday", environ=environ)
        assert (paused.returncode, paused.stderr) == (0, "")
        assert paused.stdout == f"{batch}: held; lift it with: longhand resume {batch}\n"
        shown = longhand("show", batch, environ=environ).stdout
        assert "until Monday" in shown
        assert f"longhand resume {batch}" in shown
        assert longhand("resume", batch, environ=environ).stdout == f"{batch}: not held\n"
        assert "resume" not in longhand("show", batch, environ=environ).stdout

        paused = longhand("pause", "--model", "meta/llama", "--release", environ=environ)
        assert paused.stdout == "model meta/llama: held; lift it with: longhand resume --model meta/llama\n"
        assert "longhand resume --model meta/llama" in longhand("show", job["id"], environ=environ).stdout
        assert longhand("resume", "--model", "meta/llama", environ=environ).stdout == "model meta/llama: not held\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["pause"], "name one thing: the id of a batch, a model, an upstream or a project"),
        (["resume", "batch_1", "--model", "m"], "name one thing: the id of a batch, a model, an upstream or a project"),
        (["pause", "job_1"], "'job_1' is not the id of a batch, which begins with batch_"),
    ],
)
def test_what_names_no_one_thing_is_refused_in_one_line(arguments: list[str], line: str, tmp_path: Path) -> None:
    ran = longhand(*arguments, environ=environ_of(tmp_path, {}))
    assert (ran.returncode, ran.stdout, ran.stderr) == (2, "", f"longhand: {line}\n")
