"""For the tests of chunks: chunks as values, and an answer that takes them to its end."""

import json

from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd
from worker.upstream.ending import Ending

FINISH = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def of_delta(delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta}]}


def take(*payloads: object, max_text_bytes: int = 1000) -> tuple[str, list[bool], Ending]:
    """The text, whether each payload was progress, and the ending."""
    pieces: list[str] = []
    answer = Answer(pieces.append, max_text_bytes)
    progress = [answer.take(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in payloads]
    return "".join(pieces), progress, answer.finish(BodyEnd.ANNOUNCED)
