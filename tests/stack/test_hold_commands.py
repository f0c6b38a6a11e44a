"""`longhand pause` and `longhand resume`: one thing at a time, and what is held says so and how to lift it."""

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
        requests = [{"custom_id": name, "body": body} for name in "ab"]
        batch = httpx.post(f"{url}/v1/batches", json={"requests": requests}, trust_env=False).json()["id"]
        job = httpx.get(f"{url}/v1/jobs", params={"batch_id": batch}, trust_env=False).json()["data"][0]

        paused = longhand("pause", batch, "--message", "until Monday", environ=environ)
        assert (paused.returncode, paused.stderr) == (0, "")
        assert paused.stdout == (
            f"{batch}: paused; no new job starts, those that run go on; resume with: longhand resume {batch}\n"
        )
        for shown in (longhand("show", batch, environ=environ).stdout, longhand("jobs", environ=environ).stderr):
            assert "the batch is paused, so no new job starts (since " in shown
            assert f": until Monday); run: longhand resume {batch}" in shown
        assert longhand("jobs", environ=environ).stderr.startswith("2 queued jobs wait: ")
        resumed = longhand("resume", batch, environ=environ)
        assert resumed.stdout == f"{batch}: resumed; its jobs start as soon as there is room\n"
        assert "resume" not in longhand("show", batch, environ=environ).stdout
        assert "start another worker" in longhand("show", job["id"], environ=environ).stdout

        paused = longhand("pause", "--model", "meta/llama", "--release", environ=environ)
        assert paused.stdout == (
            "model meta/llama: paused; no new job starts; running jobs go back to the queue, which does not count as a"
            " failed try; later they start again, and you pay for them again, unless the upstream can continue a text;"
            " resume with: longhand resume --model meta/llama\n"
        )
        assert "longhand resume --model meta/llama" in longhand("show", job["id"], environ=environ).stdout
        [nothing, still] = longhand("resume", batch, environ=environ).stdout.splitlines()
        assert nothing == f"{batch}: was not paused, so nothing has changed"
        assert still.startswith(f"{batch} still waits: the model meta/llama is paused, so no new job starts")
        resumed = longhand("resume", "--model", "meta/llama", environ=environ)
        assert resumed.stdout == "model meta/llama: resumed; its jobs start as soon as there is room\n"
        again = longhand("resume", "--model", "meta/llama", environ=environ)
        assert again.stdout == "model meta/llama: was not paused, so nothing has changed\n"
        project = longhand("resume", "--project", "default", environ=environ)
        assert project.stdout == "project default: was not paused, so nothing has changed\n"
        unknown = longhand("resume", "--upstream", "nix", environ={**environ, "LONGHAND_LANG": "zh"})
        assert (unknown.returncode, unknown.stdout) == (0, "接口 nix：没有被暂停，什么都没有改变\n")


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
