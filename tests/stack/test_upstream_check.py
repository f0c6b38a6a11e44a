"""What `longhand up` says of each upstream when it has started."""

import json
import threading
from dataclasses import replace

import httpcore
import pytest
from pydantic import SecretStr

from api.model_lists.upstream_get import UpstreamGet
from jobs.upstreams import UNDECLARED, UpstreamSpec
from longhand.stack.upstream_check import report_upstream_answers
from tests.api.test_models import LIST, answering
from tests.conftest import free_port

PATIENCE_SECONDS = 30.0


ASKED = "set LONGHAND_UPSTREAM_API_KEY, or api_key_env in the upstreams file"


def lines_of(*specs: UpstreamSpec) -> list[str]:
    """The lines in their order; they come in any."""
    lines: list[str] = []
    is_whole = threading.Event()

    def report(line: str) -> None:
        lines.append(line)
        if len(lines) == len(specs):
            is_whole.set()

    report_upstream_answers(specs, report)
    assert is_whole.wait(PATIENCE_SECONDS)
    return sorted(lines)


def spec_of(url: str, name: str = "one", *models: str) -> UpstreamSpec:
    return replace(UNDECLARED, name=name, url=url, models=models or ("*",))


def test_each_upstream_has_a_line_with_its_name() -> None:
    away = f"http://127.0.0.1:{free_port()}/v1"
    with answering(200, LIST) as good, answering(401, b"{}") as locked:
        keyed = replace(spec_of(locked.url, "three"), api_key=SecretStr("wrong"))
        found = lines_of(spec_of(good.url), spec_of(away, "two"), keyed, spec_of(locked.url, "keyless"))
    assert found == [
        f"upstream keyless: it asks for a key (HTTP 401), and none is set; {ASKED}",
        f"upstream one: {len(json.loads(LIST)['data'])} model",
        "upstream three: it refuses its key (HTTP 401); check the key before you submit",
        f"upstream two: no connection to {away}: Connection refused",
    ]


@pytest.mark.parametrize("error", [httpcore.UnsupportedProtocol, AttributeError, httpcore.ProxyError, ConnectionError])
def test_whatever_keeps_it_from_an_answer_is_a_line(error: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise error("not now")

    monkeypatch.setattr(UpstreamGet, "read", fail)
    assert lines_of(spec_of("http://127.0.0.1:9/v1")) == [
        "upstream one: no connection to http://127.0.0.1:9/v1: not now"
    ]


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, b'{"detail":"Not Found"}'), (404, b"<html>"), (405, b""), (302, b""), (200, b"<html>"), (200, b"{}")],
)
def test_what_has_no_list_of_models_may_lack_its_path(status: int, body: bytes) -> None:
    with answering(status, body) as upstream:
        [line] = lines_of(spec_of(upstream.url))
        asked = f"GET {upstream.url}/models answered {status}"
    assert line == f"upstream one: {asked} and no list of models; does its url lack its path, such as /v1?"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_url_is_not_doubted_for_an_upstream_that_fails(status: int) -> None:
    with answering(status, b"{}") as upstream:
        [line] = lines_of(spec_of(upstream.url))
        assert line == f"upstream one: GET {upstream.url}/models answered {status}; it may not work yet"


def test_patterns_that_take_none_of_the_models_are_said() -> None:
    with answering(200, LIST) as upstream:
        [line] = lines_of(spec_of(upstream.url, "one", "gpt-*"))
    assert line == "upstream one: it lists 1 model, which its `models` in the upstreams file does not take"


def test_a_model_that_is_renamed_counts_and_one_whose_name_is_taken_does_not() -> None:
    with answering(200, b'["a", "b", "c"]') as upstream:
        renamed = replace(spec_of(upstream.url, "one", "b", "mine"), rename={"mine": "a", "b": "other"})
        assert lines_of(renamed) == ["upstream one: 1 model"]
