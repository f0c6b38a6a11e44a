"""One background Response, streamed to its end through whatever happens: python scenario_resume.py URL.

Prints `begun ID` when text has come, and at the end what was told, as JSON.
"""

import json
import sys
import time
from typing import Any

import openai
from openai import OpenAI

GIVE_UP_SECONDS = 100
LAST = ("response.completed", "response.failed", "response.incomplete", "error")


class Follower:
    """What a client was told of one Response, over all its connections."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client
        self.response_id = ""
        self.numbers: list[int] = []
        self.items: dict[int, str] = {}
        self.done: list[int] = []
        self.breaks: list[str] = []
        self.last: Any = None

    def follow(self) -> None:
        """One connection, to its end or its break."""
        responses = self.client.responses
        stream: Any
        if self.response_id:
            stream = responses.retrieve(self.response_id, stream=True, starting_after=self.numbers[-1])
        else:
            stream = responses.create(
                model="simulator", input="Write 80 words about rain.", background=True, stream=True
            )
        for event in stream:
            self.take(event)

    def take(self, event: Any) -> None:
        """Note an event."""
        self.numbers.append(event.sequence_number)
        if event.type == "response.created":
            self.response_id = event.response.id
        elif event.type == "response.output_item.added":
            assert event.output_index not in self.items
            self.items[event.output_index] = ""
        elif event.type == "response.output_text.delta":
            before = len(self.items[event.output_index])
            self.items[event.output_index] += event.delta
            if before <= 60 < len(self.items[event.output_index]) and event.output_index == 0:
                print("begun", self.response_id, flush=True)
        elif event.type == "response.output_item.done":
            self.done.append(event.output_index)
        elif event.type in LAST:
            self.last = event


def main(url: str) -> None:
    """Follow one Response and resume after every break."""
    follower = Follower(OpenAI(base_url=url, api_key="none", timeout=60, max_retries=0))
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while follower.last is None and time.monotonic() < give_up_at:
        try:
            follower.follow()
        except AssertionError:
            raise
        except Exception as error:  # a broken connection is raised as the HTTP client of each version has it
            follower.breaks.append(type(error).__name__)
            time.sleep(0.05)
    assert follower.last is not None, follower.breaks
    stored = follower.client.responses.retrieve(follower.response_id)
    print(
        json.dumps(
            {
                "kind": follower.last.type,
                "status": stored.status,
                "stored": stored.output_text,
                "items": list(follower.items.values()),
                "done": follower.done,
                "rising": follower.numbers == sorted(set(follower.numbers)),
                "breaks": follower.breaks,
                "version": openai.__version__,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])
