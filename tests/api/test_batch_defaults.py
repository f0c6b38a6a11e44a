"""What a batch states once for all its requests, inline and for a file; and the rules for texts, as they are taken."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.schemas.jobs import JobWithAttempts
from tests.api.test_input_files import jobs_of, look, upload
from tests.conftest import serve_api

SYSTEM = {"role": "system", "content": "You write for a magazine."}
OWN_SYSTEM = {"role": "developer", "content": "You write poems."}
RULES = {"min_words": 300, "must_include": ["tea", {"pattern": "(?i)green|black"}], "language": "en"}


def ask(prompt: str) -> dict[str, Any]:
    return {"role": "user", "content": prompt}


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path, valkey_server: Any
) -> Iterator[httpx.Client]:
    """One API for all of these: none of them minds what the others have made."""
    home = tmp_path_factory.mktemp("defaults")
    (home / "longhand.db").write_bytes(sqlite_template.read_bytes())
    redis_url = str(valkey_server.connection_url)
    limits = {"max_body_bytes": 40_000, "max_file_bytes": 40_000}
    with (
        serve_api(f"sqlite:///{home / 'longhand.db'}", redis_url, files=home / "files", **limits) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as opened,
    ):
        yield opened


def submit(client: httpx.Client, defaults: Any, *bodies: dict[str, Any], **around: Any) -> list[dict[str, Any]]:
    """The jobs of an inline batch with these defaults and bodies."""
    requests = [{"body": body} for body in bodies]
    answer = client.post("/v1/batches", json={"defaults": defaults, "requests": requests, **around})
    assert answer.status_code == 202, answer.text
    return jobs_of(client, answer.json())


def refusal(client: httpx.Client, body: Any, path: str = "/v1/batches") -> tuple[int, str, str, str]:
    answer = client.post(path, json=body)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["param"], error["message"]


def test_a_body_is_merged_over_the_defaults_and_a_null_takes_one_away(client: httpx.Client) -> None:
    defaults = {"model": "m-1", "temperature": 0.5, "max_tokens": 9, "stop": {"a": 1}, "seed": None}
    plain, changed = submit(
        client,
        defaults,
        {"messages": [ask("Tea")]},
        {"messages": [ask("Rain")], "model": "m-2", "temperature": None, "stop": {"b": 2}, "top_p": None},
    )
    assert plain["request"] == {
        "model": "m-1", "temperature": 0.5, "max_tokens": 9, "stop": {"a": 1}, "messages": [ask("Tea")],
    }  # fmt: skip
    assert changed["request"] == {
        "model": "m-2", "max_tokens": 9, "stop": {"b": 2}, "top_p": None, "messages": [ask("Rain")],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("defaults", "body", "messages"),
    [
        ({"system": SYSTEM["content"]}, {"messages": [ask("Tea")]}, [SYSTEM, ask("Tea")]),
        ({"messages": [SYSTEM]}, {"messages": [ask("Tea")]}, [SYSTEM, ask("Tea")]),
        ({"system": SYSTEM["content"], "messages": [ask("Hi")]}, {"messages": [ask("Tea")]},
         [SYSTEM, ask("Hi"), ask("Tea")]),
        ({"system": SYSTEM["content"]}, {"messages": [OWN_SYSTEM, ask("Tea")]}, [OWN_SYSTEM, ask("Tea")]),
        ({"system": SYSTEM["content"], "messages": [ask("Hi")]}, {"messages": [OWN_SYSTEM, ask("Tea")]},
         [ask("Hi"), OWN_SYSTEM, ask("Tea")]),
        ({"system": SYSTEM["content"]}, {"messages": [ask("Tea")], "system": None}, [ask("Tea")]),
        ({"messages": [SYSTEM, ask("Tea")]}, {}, [SYSTEM, ask("Tea")]),
        ({"system": None}, {"messages": [ask("Tea")]}, [ask("Tea")]),
        (None, {"messages": [ask("Tea")], "model": "m-1"}, [ask("Tea")]),
    ],
)  # fmt: skip
def test_the_system_prompt_comes_first(client: httpx.Client, defaults: Any, body: Any, messages: Any) -> None:
    [job] = submit(client, defaults and {"model": "m-1", **defaults}, body)
    assert job["request"]["messages"] == messages
    assert job["request"].keys() == {"model", "messages"}


def test_what_is_longhands_own_may_stand_in_the_defaults(client: httpx.Client) -> None:
    defaults = {"model": "m-1", "accept": RULES, "on_reject": "repair", "max_repairs": 3, "priority": 4}
    defaults |= {"metadata": {"series": "tea"}, "response_format": {"type": "json_object"}}
    plain, other, none = submit(
        client,
        defaults,
        {"messages": [ask("Tea")]},
        {"messages": [ask("Rain")], "accept": {"ends_well": True}, "on_reject": "retry", "priority": None},
        {"messages": [ask("Sun")], "accept": None},
        priority=2,
    )
    JobWithAttempts.model_validate(plain)
    told = ("accept", "on_reject", "max_repairs", "repairs", "priority", "metadata")
    assert [plain[name] for name in told] == [RULES, "repair", 3, 0, 4, {"series": "tea"}]
    assert (other["accept"], other["on_reject"], other["priority"]) == ({"ends_well": True}, "retry", 2)
    assert none["accept"] is None
    assert plain["request"]["response_format"] == {"type": "json_object"}
    assert "accept" not in plain["request"]


def test_rules_of_a_batch_hold_for_each_request_that_has_none(client: httpx.Client) -> None:
    bodies: list[dict[str, Any]] = [{"messages": [ask("Tea")]}, {"messages": [ask("Rain")], "accept": None}]
    first, second = submit(client, {"model": "m-1"}, *bodies, accept={"min_words": 5}, on_reject="retry")
    assert (first["accept"], first["on_reject"]) == ({"min_words": 5}, "retry")
    assert second["accept"] is None


def test_a_null_takes_the_rules_of_the_defaults_and_of_the_batch_away(client: httpx.Client) -> None:
    defaults = {"model": "m-1", "accept": {"min_words": 9}}
    [job] = submit(client, defaults, {"messages": [ask("Tea")], "accept": None}, accept={"min_words": 5})
    assert job["accept"] is None


def test_a_body_that_stops_at_the_limit_needs_no_number_of_continuations(client: httpx.Client) -> None:
    """The number belongs to the `on_length` of the defaults, and goes with it."""
    defaults = {"model": "m-1", "on_length": "continue", "max_continuations": 3}
    jobs = submit(
        client,
        defaults,
        {"messages": [ask("Tea")]},
        {"messages": [ask("Rain")], "on_length": "stop"},
        {"messages": [ask("Sun")], "on_length": None},
        {"messages": [ask("Snow")], "on_length": "continue"},
        {"messages": [ask("Fog")], "max_continuations": 5},
    )
    assert [job["max_continuations"] for job in jobs] == [3, None, None, 3, 5]
    body = {"messages": [ask("Tea")], "on_length": "stop", "max_continuations": 5}
    refused = refusal(client, {"defaults": defaults, "requests": [{"body": body}]})
    assert refused[2] == "requests[0].body.max_continuations"


def test_a_file_gets_its_defaults_from_the_order(client: httpx.Client) -> None:
    lines = [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [ask("Tea")]}},
        {"custom_id": "b", "method": "POST", "url": "/v1/chat/completions",
         "body": {"messages": [ask("Rain")], "accept": {"max_words": 9}, "temperature": None}},
    ]  # fmt: skip
    file_id = upload(client, "in.jsonl", "\n".join(map(json.dumps, lines)).encode())
    defaults = {"model": "m-1", "system": SYSTEM["content"], "temperature": 1, "accept": RULES}
    assert look(client, file_id, defaults=defaults)["mistakes"] == []
    answer = client.post("/v1/batches", json={"input_file_id": file_id, "defaults": defaults})
    assert (answer.status_code, answer.json()["status"]) == (200, "in_progress")
    first, second = jobs_of(client, answer.json())
    assert first["request"] == {"model": "m-1", "temperature": 1, "messages": [SYSTEM, ask("Tea")]}
    assert second["request"] == {"model": "m-1", "messages": [SYSTEM, ask("Rain")]}
    assert (first["accept"], second["accept"]) == (RULES, {"max_words": 9})


def test_a_line_may_have_rules_of_its_own_and_a_wrong_one_is_named_by_its_line(client: httpx.Client) -> None:
    good = {"prompt": "Tea", "accept": {"ends_well": True}}
    file_id = upload(client, "in.jsonl", f'{json.dumps(good)}\n{{"prompt": "Rain", "accept": {{"words": 3}}}}'.encode())
    found = look(client, file_id, input={"model": "m-1"})
    assert found["count"] == 1
    [mistake] = found["mistakes"]
    assert (mistake["line"], mistake["param"]) == (2, "accept.words")


def test_defaults_of_responses_are_fields_of_a_response(client: httpx.Client) -> None:
    around = {"endpoint": "/v1/responses"}
    [job] = submit(client, {"model": "m-1", "instructions": "Be brief."}, {"input": "Tea"}, **around)
    assert job["request"]["messages"][0]["content"] == "Be brief."
    refused = refusal(client, {"defaults": {"system": "x"}, "requests": [{"body": {"input": "Tea"}}], **around})
    assert refused[:3] == (400, "invalid_value", "defaults.system")


GOOD = [{"body": {"messages": [ask("Tea")]}}]


@pytest.mark.parametrize(
    ("defaults", "param"),
    [
        ([], "defaults"),
        ({"custom_id": "a"}, "defaults.custom_id"),
        ({"system": 3}, "defaults.system"),
        ({"messages": {}}, "defaults.messages"),
        ({"messages": ["hi"]}, "defaults.messages[0]"),
        ({"accept": {"min_words": -1}}, "defaults.accept.min_words"),
        ({"accept": {"must_include": [{"pattern": "["}]}}, "defaults.accept.must_include[0].pattern"),
        ({"accept": {"json_schema": {"type": "objekt"}}}, "defaults.accept.json_schema.type"),
        ({"on_reject": "mend"}, "defaults.on_reject"),
        ({"max_repairs": 0}, "defaults.max_repairs"),
        ({"response_format": {"type": "json_schema"}}, "defaults.response_format.json_schema"),
        ({"temperature": 1}, "requests[0].body.model"),
    ],
)
def test_a_wrong_default_is_named_once_and_not_for_each_request(
    client: httpx.Client, defaults: Any, param: str
) -> None:
    status, _, named, message = refusal(client, {"defaults": defaults, "requests": GOOD})
    assert (status, named) == (400, param)
    assert message.startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("rules", "param"),
    [
        ({"min_words": 9, "max_words": 8}, "accept.min_words"),
        ({"language": "klingon"}, "accept.language"),
        ({"ends_well": 1}, "accept.ends_well"),
        ({}, "accept"),
    ],
)
def test_a_wrong_rule_of_one_job_is_named(client: httpx.Client, rules: Any, param: str) -> None:
    body = {"model": "m-1", "messages": [ask("Tea")], "accept": rules}
    assert refusal(client, body, "/v1/jobs")[:3] == (400, "invalid_value", param)


def test_defaults_may_not_make_more_of_a_batch_than_could_be_written_out(client: httpx.Client) -> None:
    large = {"model": "m-1", "system": "x" * 10_000}
    assert len(submit(client, large, *[{"messages": [ask("Tea")]}] * 3)) == 3
    refused = refusal(client, {"defaults": large, "requests": GOOD * 4})
    assert refused[:3] == (413, "batch_too_large", "defaults")
    lines = b"\n".join(json.dumps({"prompt": f"Tea {n}"}).encode() for n in range(5))
    order = {"input_file_id": upload(client, "in.jsonl", lines), "input": {}, "defaults": large}
    batch = client.post("/v1/batches", json=order).json()
    assert batch["status"] == "failed"
    assert [(one["code"], one["line"]) for one in batch["errors"]["data"]] == [("batch_too_large", 4)]


@pytest.mark.parametrize(
    ("head", "template"), [("topic", "{topic}" + "x" * 10_000), ("topic," + "x" * 10_000, "{topic}")]
)
def test_nor_may_the_template_or_the_columns_of_a_table(client: httpx.Client, head: str, template: str) -> None:
    rows = "\n".join([head, *["tea,"] * 5]).encode()
    order = {"input_file_id": upload(client, "in.csv", rows), "input": {"model": "m-1", "template": template}}
    batch = client.post("/v1/batches", json=order).json()
    assert [(one["code"], one["line"]) for one in batch["errors"]["data"]] == [("batch_too_large", 5)]
    assert client.get("/v1/jobs", params={"batch_id": batch["id"]}).json()["data"] == []


def test_the_same_key_with_other_defaults_is_refused(client: httpx.Client) -> None:
    order = {"defaults": {"model": "m-1"}, "requests": GOOD}
    key = {"Idempotency-Key": "defaults"}
    first = client.post("/v1/batches", json=order, headers=key)
    again = client.post("/v1/batches", json=order, headers=key)
    assert first.json()["id"] == again.json()["id"]
    other = client.post("/v1/batches", json={**order, "defaults": {"model": "m-2"}}, headers=key)
    assert other.status_code == 409
