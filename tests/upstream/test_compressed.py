"""A compressed answer that was cut is found out, however well its body is framed."""

import gzip
import json
import zlib

import pytest

from tests.providers.feeding import Outcome, feed
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, head, http_chunk, text
from worker.upstream import Ending
from worker.upstream.errors import CutMidStream

WORDS = [f"word {number} " for number in range(300)]
WHOLE = "".join(WORDS)
EACH_STOPS = [chunk({"content": word}, "stop") for word in WORDS]
PLAIN = [text(word) for word in WORDS]
WINDOWS = {"gzip": 31, "deflate": 15, "raw deflate": -15}
ENCODINGS = pytest.mark.parametrize("encoding", list(WINDOWS))


def flush_each(events: list[bytes], encoding: str, *, ends: bool = True) -> bytes:
    """Compressed as servers do it that flush after each event."""
    packer = zlib.compressobj(wbits=WINDOWS[encoding])
    packed = b"".join(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events)
    return packed + packer.flush() if ends else packed


def read(packed: bytes, encoding: str, content_type: str = "text/event-stream") -> Outcome:
    """What comes of a body whose framing ends in order."""
    opening = head(200, content_type, content_encoding=encoding.removeprefix("raw "), transfer_encoding="chunked")
    return feed([opening, http_chunk(packed), http_chunk(b"")]).outcomes[0]


@ENCODINGS
@pytest.mark.parametrize("percent", [1, 30, 50, 90, 99])
def test_half_a_text_in_a_compressed_body_that_was_cut_is_never_whole(encoding: str, percent: int) -> None:
    packed = flush_each(EACH_STOPS, encoding)
    found, given = read(packed[: len(packed) * percent // 100], encoding)
    assert isinstance(found, CutMidStream)
    assert WHOLE.startswith(given)
    assert read(packed, encoding)[1] == WHOLE


def test_a_cut_in_the_second_of_two_members_is_a_cut_and_behind_one_it_is_none() -> None:
    first, second = gzip.compress(b"".join(EACH_STOPS[:200])), gzip.compress(b"".join(EACH_STOPS[200:]))
    assert isinstance(read(first + second[:-20], "gzip")[0], CutMidStream)
    found, given = read(first + second, "gzip")
    assert isinstance(found, Ending)
    assert given == WHOLE


@ENCODINGS
@pytest.mark.parametrize("end", [[FINISH, DONE], [DONE], [FINISH]], ids=["both", "done", "reason"])
def test_a_whole_text_whose_compression_never_ends_is_whole(encoding: str, end: list[bytes]) -> None:
    found, given = read(flush_each([*PLAIN, *end], encoding, ends=False), encoding)
    assert isinstance(found, Ending), found
    assert given == WHOLE


@pytest.mark.parametrize("times", [1, 100])
def test_a_whole_object_whose_compression_never_ends_is_whole(times: int) -> None:
    message = {"role": "assistant", "content": WHOLE * times}
    completion = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
    packed = flush_each([completion], "gzip", ends=False)
    found, given = read(packed, "gzip", "application/json")
    assert isinstance(found, Ending), found
    assert given == WHOLE * times
    assert isinstance(read(packed[: len(packed) // 2], "gzip", "application/json")[0], CutMidStream)
