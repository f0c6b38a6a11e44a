"""A client that takes a Response's events and is cut anywhere: its last item is the text, and no void one grows."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from api.openai.response_events import Event, ResponseEvents
from jobs.live.follower import Text
from jobs.model.records import Attempt
from jobs.model.status import AttemptOutcome
from tests.api.test_response_events import BEGUN, JOB_ID, asked, attempt


class Client:
    """Shows a Response as a page does, and believes nothing: no byte for an item that has ended, none twice."""

    def __init__(self) -> None:
        self.number = -1
        self.items: dict[int, tuple[str, str, str]] = {}
        """By index: id, text and status."""

    def take(self, told: Iterable[Event]) -> None:
        """Take events, in order."""
        for event in told:
            assert event["sequence_number"] > self.number
            self.number = event["sequence_number"]
            kind, index = event["type"], event.get("output_index", -1)
            if kind == "response.output_item.added":
                assert index not in self.items
                self.items[index] = (event["item"]["id"], "", "in_progress")
            elif kind == "response.output_text.delta":
                named, text, status = self.items[index]
                assert (named, status) == (event["item_id"], "in_progress")
                self.items[index] = (named, text + event["delta"], status)
            elif kind == "response.output_item.done":
                named, text, status = self.items[index]
                assert (named, status) == (event["item"]["id"], "in_progress")
                self.items[index] = (named, text, event["item"]["status"])


_ATTEMPTS = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=4)),
    min_size=1, max_size=4,
)  # fmt: skip
"""Each attempt: how much of the text before it continues, and its pieces, with whether the client is cut after each."""


@given(_ATTEMPTS)
def test_wherever_a_client_is_cut_its_last_item_is_the_text_and_no_void_one_grows(
    script: list[tuple[int, list[tuple[int, bool]]]],
) -> None:
    client = Client()
    attempts: list[Attempt] = []
    text = ""
    events: ResponseEvents | None = None
    for number, (most, written) in enumerate(script, start=1):
        kept = min(most, len(text))
        attempts = [replace(one, outcome=AttemptOutcome.LOST) for one in attempts]
        attempts.append(attempt(number, continued_bytes=kept, bytes=None, outcome=None))
        ahead = events is not None and len(text) > kept
        if events is not None:
            client.take(events.switch_attempt(number, attempts, anew=ahead or kept == 0))
        had, text = (0 if ahead or kept == 0 else len(text)), text[:kept]
        for length, cut in [(0, False), *written]:
            if events is None:
                events, had = ResponseEvents(JOB_ID, client.number), 0
                client.take([*events.created(BEGUN), *events.begun(BEGUN), *events.switch_attempt(number, attempts)])
            text += "".join(f"{number}{len(text)}"[-1] for _ in range(length))
            if len(text) > had:
                client.take(events.text(Text(number, had, text[had:], len(text))))
                had = len(text)
            if cut:
                events = None
    if events is None:
        events = ResponseEvents(JOB_ID, client.number)
        client.take([*events.created(BEGUN), *events.begun(BEGUN), *events.switch_attempt(len(script), attempts)])
        client.take(events.text(Text(len(script), 0, text, len(text))) if text else [])
    client.take(events.end(asked(text, at=len(script))))
    shown = [item for _, item in sorted(client.items.items())]
    if text:
        assert shown.pop()[1:] == (text, "completed")
    assert all(status == "incomplete" for _, _, status in shown)
