"""For the tests of Responses: how one is made, followed and read as it comes, and the rows that name its job."""

import json
from typing import Any

import httpx
from sqlalchemy import select

from jobs.model.ids import job_id_of
from jobs.store.database import Database
from jobs.tables import metadata

ASK = {"model": "played", "input": "Write.", "background": True}


def create(client: httpx.Client, **changed: Any) -> dict[str, Any]:
    """A background Response."""
    answer = client.post("/v1/responses", json={**ASK, **changed})
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


def job_of(response: dict[str, Any]) -> str:
    """The id of its job."""
    job_id = job_id_of(response["id"])
    assert job_id is not None
    return job_id


def events_of(text: str) -> list[dict[str, Any]]:
    """The events of a stream that was read whole."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block and not block.startswith(":")]
    for block in blocks:
        assert len(block) == 2, block
        assert block[0] == f"event: {json.loads(block[1].removeprefix('data: ')).get('type', 'error')}"
    return [json.loads(data.removeprefix("data: ")) for _, data in blocks]


def follow(client: httpx.Client, response_id: str, after: int | None = None) -> list[dict[str, Any]]:
    """The stream of a Response to its end."""
    more = {} if after is None else {"starting_after": after}
    answer = client.get(f"/v1/responses/{response_id}", params={"stream": True, **more})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events_of(answer.text)


def told(events: list[dict[str, Any]]) -> list[Any]:
    """Events without numbers, the deltas joined."""
    joined: list[Any] = []
    for event in events:
        if event["type"] != "response.output_text.delta":
            joined.append({name: value for name, value in event.items() if name != "sequence_number"})
        elif joined and isinstance(joined[-1], str):
            joined[-1] += event["delta"]
        else:
            joined.append(event["delta"])
    return joined


class Reader:
    """A client that reads a stream as it comes, in the test's own thread."""

    def __init__(self, response: httpx.Response) -> None:
        self.lines = response.iter_lines()
        self.events: list[dict[str, Any]] = []

    def until(self, kind: str) -> dict[str, Any]:
        """Read up to the next event of a kind."""
        for line in self.lines:
            if line.startswith("data: "):
                self.events.append(json.loads(line.removeprefix("data: ")))
                if self.events[-1].get("type") == kind:
                    return self.events[-1]
        raise AssertionError(f"ended without {kind}: {self.events}")

    def rest(self) -> list[dict[str, Any]]:
        """Read to the end; all that was read."""
        for line in self.lines:
            if line.startswith("data: "):
                self.events.append(json.loads(line.removeprefix("data: ")))
        return self.events


def rows_of(database: Database, job_id: str) -> int:
    """How many rows of any table name this job; its canary is looked for in all of them."""
    found = 0
    with database.read() as connection:
        for table in metadata.sorted_tables:
            found += sum(job_id in str(tuple(row)) for row in connection.execute(select(table)))
    return found
