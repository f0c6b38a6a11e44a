"""docker-compose.yml fits the product: its commands, its settings and the time it takes to stop."""

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.engine import make_url

from jobs.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OURS = ["migrate", "api", "worker"]
SERVING = ["postgres", "valkey", "api"]
GIVEN = {
    "POSTGRES_PASSWORD": "p@ss/w:rd %41",
    "LONGHAND_UPSTREAM_URL": "https://api.example.com/v1",
    "LONGHAND_UPSTREAM_API_KEY": "sk-canary",
}


def fill_in(text: str, given: dict[str, str]) -> str:
    """What Compose makes of ${NAME}, ${NAME:-default} and ${NAME:?message}; `KeyError` with the message."""

    def value(match: re.Match[str]) -> str:
        name, rule, argument = match.groups()
        if given.get(name):
            return given[name]
        if rule == "?":
            raise KeyError(argument)
        return argument or ""

    return re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", value, text)


def environment(service: str, given: dict[str, str]) -> dict[str, str]:
    return {name: fill_in(str(value), given) for name, value in SERVICES[service].get("environment", {}).items()}


def seconds(duration: str) -> int:
    match = re.fullmatch(r"(\d+)s", duration)
    assert match, duration
    return int(match[1])


# Services


def test_the_services_are_the_two_stores_and_the_three_parts_of_longhand() -> None:
    assert set(SERVICES) == {"postgres", "valkey", *OURS}


@pytest.mark.parametrize("service", OURS)
def test_a_command_and_its_options_are_ones_that_longhand_has(service: str) -> None:
    # A list and no entrypoint: with a string, or a script, a shell would stand between the engine and Longhand.
    assert isinstance(SERVICES[service]["command"], list)
    assert "entrypoint" not in SERVICES[service]
    program, *arguments = SERVICES[service]["command"]
    assert program in PROJECT["project"]["scripts"]
    assert arguments[0] == service
    module, function = PROJECT["project"]["scripts"][program].split(":")
    run = subprocess.run(
        [sys.executable, "-c", f"from {module} import {function}; {function}()", *arguments, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("service", OURS)
def test_every_setting_is_one_that_longhand_knows_and_takes(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in environment(service, GIVEN).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    database = make_url(settings.database)
    assert (database.drivername, database.host, database.port) == ("postgresql+psycopg", "postgres", 5432)
    created = environment("postgres", GIVEN)
    assert (database.username, database.database) == (created["POSTGRES_USER"], created["POSTGRES_DB"])
    assert settings.require_redis_url() == "redis://valkey:6379/0"
    if service == "worker":
        assert settings.require_upstream_url() == GIVEN["LONGHAND_UPSTREAM_URL"]
        assert settings.upstream_api_key is not None
        assert settings.upstream_api_key.get_secret_value() == GIVEN["LONGHAND_UPSTREAM_API_KEY"]
        assert settings.streams == Settings.model_fields["streams"].default


def test_an_upstream_without_a_key_leaves_the_key_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    without = {name: value for name, value in GIVEN.items() if name != "LONGHAND_UPSTREAM_API_KEY"}
    for name, value in environment("worker", without).items():
        monkeypatch.setenv(name, value)
    assert load_settings().upstream_api_key is None


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "LONGHAND_UPSTREAM_URL"])
def test_what_must_be_chosen_has_no_default_and_is_asked_for_by_name(name: str) -> None:
    without = {key: value for key, value in GIVEN.items() if key != name}
    text = json.dumps(SERVICES)
    fill_in(text, GIVEN)
    with pytest.raises(KeyError, match=f"set {name}"):
        fill_in(text, without)


def test_the_password_is_the_same_on_both_sides_and_in_no_url() -> None:
    assert environment("postgres", GIVEN)["POSTGRES_PASSWORD"] == GIVEN["POSTGRES_PASSWORD"]
    for service in OURS:
        given = environment(service, GIVEN)
        assert given["PGPASSWORD"] == GIVEN["POSTGRES_PASSWORD"]
        assert make_url(given["LONGHAND_DATABASE_URL"]).password is None


def test_only_the_worker_has_the_key_of_the_upstream() -> None:
    having = [service for service in SERVICES if "sk-canary" in json.dumps(environment(service, GIVEN))]
    assert having == ["worker"]


# Order, health and stopping


def test_nothing_starts_before_what_it_needs() -> None:
    def conditions(service: str) -> dict[str, str]:
        return {name: needed["condition"] for name, needed in SERVICES[service]["depends_on"].items()}

    assert conditions("migrate") == {"postgres": "service_healthy"}
    for service in ("api", "worker"):
        assert conditions(service) == {
            "migrate": "service_completed_successfully",
            "postgres": "service_healthy",
            "valkey": "service_healthy",
        }


@pytest.mark.parametrize("service", SERVING)
def test_what_serves_has_a_health_check_with_limits(service: str) -> None:
    check = SERVICES[service]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert seconds(check["timeout"]) <= seconds(check["interval"])
    assert check["retries"] > 0
    assert seconds(check["start_period"]) > 0


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A real server on a free port that answers everything with one status and notes what it was asked for."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that http.server gives it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


def check_api(port: int) -> int:
    kind, python, *arguments = SERVICES["api"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    assert "8440" in arguments[-1]
    arguments[-1] = arguments[-1].replace("8440", str(port))
    # A proxy that the engine sets for its containers must not be asked for the container's own port.
    proxied = {**os.environ, "http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    return subprocess.run([sys.executable, *arguments], env=proxied, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1)])
def test_the_api_is_healthy_when_it_says_that_it_is_ready(status: int, code: int) -> None:
    with answering(status) as (port, asked):
        assert check_api(port) == code
    assert asked == ["/readyz"]


def test_the_api_is_not_healthy_when_nobody_listens() -> None:
    with answering(200) as (port, _):
        pass
    assert check_api(port) == 1


def test_the_api_is_published_to_this_machine_only_and_the_stores_not_at_all() -> None:
    listening = SERVICES["api"]["command"][-1]
    assert SERVICES["api"]["ports"] == [f"127.0.0.1:{listening}:{listening}"]
    assert [service for service in SERVICES if "ports" in SERVICES[service]] == ["api"]


def test_the_worker_can_be_scaled() -> None:
    for service in SERVICES.values():
        assert "container_name" not in service
        assert "hostname" not in service
    assert "ports" not in SERVICES["worker"]


def test_a_worker_has_more_time_to_stop_than_it_takes() -> None:
    grace = Settings.model_fields["grace_seconds"].default
    assert grace >= 10
    assert seconds(SERVICES["worker"]["stop_grace_period"]) >= 2 * grace
    assert seconds(SERVICES["api"]["stop_grace_period"]) > 5


def test_all_that_runs_on_is_started_again_and_what_runs_once_is_not() -> None:
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert restarts.pop("migrate") == "no"  # a string: YAML reads a bare no as false
    assert set(restarts.values()) == {"unless-stopped"}


def test_the_stores_keep_their_files_in_named_volumes() -> None:
    mounted = {volume for service in SERVICES.values() for volume in service.get("volumes", [])}
    # The image keeps version 18 and later under this folder; mounted one lower, the files would be lost.
    assert mounted == {"postgres:/var/lib/postgresql", "valkey:/data", "files:/var/lib/longhand/files"}
    assert set(COMPOSE["volumes"]) == {"postgres", "valkey", "files"}
    assert SERVICES["api"]["environment"]["LONGHAND_FILES"] == "/var/lib/longhand/files"
    assert SERVICES["valkey"]["command"][1:3] == ["--appendonly", "yes"]


def test_every_version_is_pinned() -> None:
    for service in SERVICES.values():
        assert re.fullmatch(r"[a-z/]+:\d+(\.\d+)*(-[a-z]+)?", service["image"]), service["image"]
    for name in OURS:
        assert SERVICES[name]["image"] == f"longhand:{PROJECT['project']['version']}"
