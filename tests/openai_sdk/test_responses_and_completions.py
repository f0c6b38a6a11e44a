"""Responses, chat completions and models, driven by the official SDK in three major versions, with both its clients."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from longhand.client.client import Client
from longhand.simulator import Pace, serve_in_thread
from tests.client.test_readme import README, blocks_of
from tests.conftest import free_port
from tests.openai_sdk.conftest import Sdk
from tests.stack.running_up import Up, environ_of, running_up

pytestmark = pytest.mark.races


def test_the_sdk_finds_what_it_knows(sdk: Sdk, api_url: str) -> None:
    sdk.run("scenarios.py", api_url)


def test_the_code_of_the_readme_runs_as_it_stands_there(sdk: Sdk, api_url: str, tmp_path: Path) -> None:
    [block] = [one for one in blocks_of(README, "python") if "import OpenAI" in one]
    script = tmp_path / "readme.py"
    script.write_text(block.replace("http://127.0.0.1:8440/v1", api_url))
    said = sdk.run(str(script))
    assert said.startswith("completed ")
    assert len(said.split()) > 50


@pytest.fixture(scope="module")
def slow_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A stack whose upstream takes some seconds for a text, and which soon notices that a worker has died."""
    with serve_in_thread(Pace(deltas_per_second=60, first_delta_seconds=0.02)) as simulator:
        settings = {
            "LONGHAND_UPSTREAM_URL": simulator.url,
            "LONGHAND_HEARTBEAT_SECONDS": "0.5",
            "LONGHAND_LEASE_SECONDS": "3",
        }
        environ = environ_of(tmp_path_factory.mktemp("slow") / "home", settings)
        with running_up(environ, "--port", str(free_port())) as up:
            yield up


def kill(name: str) -> Callable[[Up], None]:
    """Kill one of the stack's processes, which is then started again."""
    return lambda up: os.kill(up.children()[name], signal.SIGKILL)


def erase_redis(up: Up) -> None:
    """Erase all that Redis holds."""
    home = Path(up.wait_for(r"Home +(\S+)")[1])
    port = int(up.wait_for(r"redis://127\.0\.0\.1:(\d+)")[1])
    with redis.Redis(port=port, password=(home / "valkey" / "password").read_text().strip()) as client:
        assert client.keys("longhand:*tail*")
        client.flushall()


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("fault", "breaks", "items"),
    [(kill("api"), True, 1), (kill("worker"), False, 2), (erase_redis, False, 1)],
    ids=["the API is killed", "the worker is killed", "Redis is erased"],
)
def test_a_background_stream_that_breaks_is_resumed_and_ends_whole(
    newest_sdk: Sdk, slow_stack: Up, fault: Callable[[Up], None], breaks: bool, items: int
) -> None:
    told = _follow(newest_sdk, slow_stack, fault)
    assert (told["kind"], told["status"], told["rising"]) == ("response.completed", "completed", True)
    assert bool(told["breaks"]) == breaks
    assert (len(told["items"]), told["done"]) == (items, list(range(items)))
    assert told["items"][-1] == told["stored"] != ""


@pytest.mark.chaos
def test_the_oldest_sdk_resumes_too(oldest_sdk: Sdk, slow_stack: Up) -> None:
    told = _follow(oldest_sdk, slow_stack, kill("api"))
    assert (told["items"], told["rising"], bool(told["breaks"])) == ([told["stored"]], True, True)


@pytest.fixture(scope="module")
def oldest_sdk(request: pytest.FixtureRequest) -> Sdk:
    """The oldest version, whose HTTP client is another than the newest's."""
    from tests.openai_sdk.conftest import VERSIONS, _install  # noqa: PLC0415  # private to this folder

    return _install(request.config, VERSIONS[0])


def _follow(sdk: Sdk, up: Up, fault: Callable[[Up], None]) -> dict[str, Any]:
    """What a client is told of one Response that meets this fault in the middle of its text."""
    with sdk.start("scenario_resume.py", f"{up.url}/v1") as process:
        assert process.stdout is not None
        begun = process.stdout.readline()
        assert begun.startswith("begun resp_"), (begun, process.stderr and process.stderr.read())
        fault(up)
        out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    told: dict[str, Any] = json.loads(out)
    assert told["version"] == sdk.version
    return told


@pytest.mark.chaos
def test_a_chat_completion_whose_client_is_killed_goes_on_as_a_job(newest_sdk: Sdk, slow_stack: Up) -> None:
    with newest_sdk.start("scenario_gone.py", f"{slow_stack.url}/v1") as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        assert job_id.startswith("job_"), process.stderr and process.stderr.read()
        process.kill()
        process.communicate()
    with Client(slow_stack.url) as client:
        list(client.watch(job_id))
        job = client.job(job_id)
        assert (job["status"], job["attempt"]) == ("completed", 1)
        assert len(client.text(job_id)) > 200
