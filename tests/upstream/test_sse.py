"""The event parser, against a slow and plain reading of the WHATWG standard."""

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.upstream.errors import LineTooLong
from worker.upstream.sse import MOST_SILENT_BYTES, SSEParser

LINE_ENDS = [b"\n", b"\r", b"\r\n", b"\n\n"]
STARTS = [
    b"data: ",
    b"data:",
    b"data",
    b": comment",
    b"event: x",
    b"id",
    b"retry: 5",
    b"datax: 1",
    b"\xef\xbb\xbf",
    b" ",
    b":",
]
OBJECTS = [b'{"a": 1}']
CONTENTS = [b"[DONE]", b'{"a": 1}', "\u2028".encode(), "é写😀".encode(), b"\x00"]
PIECES = st.sampled_from([*LINE_ENDS, *STARTS, *CONTENTS])
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def is_object(line: bytes) -> bool:
    """Whether a line is a whole JSON object; white space may follow it."""
    return line.rstrip() in OBJECTS


def is_event(line: bytes) -> bool:
    """Whether a line is one without `data:`."""
    return is_object(line) or line.strip() == b"[DONE]"


def read_plainly(stream: bytes) -> list[bytes]:
    """Sections 9.2.5 and 9.2.6 of the HTML standard, `data` only, with the parser's leniencies.

    A line that is a whole JSON object or `[DONE]` is an event, with `data:` or without; at the end of the body an event
    whose lines all ended counts, and an unended line of `[DONE]` or of a whole JSON object. A BOM in front of a line is
    nothing, and so is what some write in front of `data:` with an object: `[stream] `.
    """
    stream = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    *lines, unended = (re.sub(rb"^(\xef\xbb\xbf)+", b"", line) for line in stream.split(b"\n"))
    events: list[bytes] = []
    data = b""
    for line in lines:
        if not line.startswith((b":", b"data:")):  # a comment, or well written
            line = re.sub(rb"^\W*(\w+\]\s*)?data\s*:\s*(?=\{)", b"data:", line)  # noqa: PLW2901  # as it is read
        name, _, value = line.partition(b":")
        is_whole = is_object(data[:-1]) or data[:-1] == b"[DONE]"
        if data and (
            line == b""
            or is_event(line)
            or (name == b"data" and is_whole)
            or (name == b"event" and is_object(data[:-1]))
        ):
            events.append(data[:-1])
            data = b""
        if is_event(line):
            events.append(line.strip() if line.strip() == b"[DONE]" else line)
        elif name == b"data":
            value = value.removeprefix(b" ")
            while value.startswith(b"data:"):
                value = value.strip().removeprefix(b"data:").lstrip()
            data += value + b"\n"
    if not unended and data:
        events.append(data[:-1])
    last = unended
    while last.strip().startswith(b"data:"):
        last = last.strip().removeprefix(b"data:")
    is_done = unended.startswith(b"data:") and last.strip() == b"[DONE]"
    if (last.strip() in OBJECTS or is_done) and (not data or is_object(data[:-1])):
        events += [data[:-1]] if data else []
        events.append(last.strip())
    return events


def parse(pieces: list[bytes]) -> list[bytes]:
    parser = SSEParser()
    return [payload for piece in pieces for payload in parser.feed(piece)] + parser.close()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


@given(stream=STREAMS, places=st.lists(st.integers(0, 1000), max_size=20))
@example(stream=b"\xef\xbb\xbfdata: a\r\n\r\ndata: b\r\r", places=[1, 2, 11, 12])
@example(stream=b"\ndata: a\n\ndata: b\n\n", places=[1])
def test_any_cutting_of_the_bytes_gives_the_events_of_the_standard(stream: bytes, places: list[int]) -> None:
    assert parse(cut(stream, places)) == read_plainly(stream)


@given(stream=STREAMS)
@example(stream=b' data: {"a": 1}\n')
@example(stream=b'\x00data: {"a": 1}\n:data: {"a": 1}\n\n')
@example(stream=b'[DONE]data: {"a": 1}\ndata:  {"a": 1}\n')
def test_single_bytes_give_the_same_events(stream: bytes) -> None:
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == read_plainly(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\ndata: b\r\n\r\n", [b"a\nb"]),
        (b"data: a\rdata: b\r\r", [b"a\nb"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data:a\n\ndata:  b\n\n", [b"a", b" b"]),
        (b": hello\n\ndata: a\n: in between\nevent: x\n\n", [b"a"]),
        (b"data\n\ndata:\ndata\n\n", [b"", b"\n"]),
        ("data: a\u2028b\u0085c\n\n".encode(), ["a\u2028b\u0085c".encode()]),
        (b"id: 1\nretry: 5\n\n", []),
        (b" data: a\n\n", []),
    ],
)
def test_the_shapes_of_the_standard(stream: bytes, events: list[bytes]) -> None:
    assert parse([b"\n", stream] if not stream.startswith(b"\xef") else [stream]) == events
    assert read_plainly(stream) == events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b'data: {"a": 1}\ndata: {"b": 2}\ndata: [DONE]\n', [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]),
        (b'{"a": 1}\n{"b": 2}\n', [b'{"a": 1}', b'{"b": 2}']),
        (b'data: {"a": 1}\n\n{"b": 2}\ndata: [DONE]\n\n', [b'{"a": 1}', b'{"b": 2}', b"[DONE]"]),
        (b'{"error": {\n  "code": 5\n}}\n', [b'{"error": {\n  "code": 5\n}}']),
        (b'error: {"code": 400}\n\n', [b'{"error":{"code": 400}}']),
        (b"error: it broke\n\n", [b'{"error": "it broke"}']),
        (b'event: error\ndata: {"code": 5}\n\n', [b'{"error":{"code": 5}}']),
        (b'event: error\ndata: {"error": 5}\n\n', [b'{"error": 5}']),
        (b"event: error\ndata: it broke\n\ndata: a\n\n", [b'{"error": "it broke"}', b"a"]),
        (b'data: {"a": 1}\n\ndata: {"b": 2}', [b'{"a": 1}', b'{"b": 2}']),
        (b'data: {"a": 1}\n\ndata: {"b": 2', [b'{"a": 1}']),
        (b'data: {"a":\ndata:  1}\n\n', [b'{"a":\n 1}']),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n", [b"a", b"b", b"c"]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\n\xef\xbb\xbfdata: [DONE]", [b"a", b"[DONE]"]),
        *(
            (b'data: {"a": 1}\n\n' + field + b'{"b": 2}\n\ndata: {"c": 3}\n\n', [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}'])
            for field in (b" data: ", b"Data:", b"data : ", b"\0data: ", b"[stream] data: ", b"\xe2\x80\x8bdata: ")
        ),
        (b'delta: {"choices":[{"delta":{}}]}\n\ndata: a\n\n', [b'delta: {"choices":[{"delta":{}}]}', b"a"]),
    ],
)
def test_what_upstreams_send_beside_the_standard_is_read_as_meant(stream: bytes, events: list[bytes]) -> None:
    assert parse([stream]) == events
    assert parse([stream[i : i + 1] for i in range(len(stream))]) == events


def test_the_usual_chunk_is_given_at_once() -> None:
    parser = SSEParser()
    parser.feed(b"\n")
    assert parser.feed(b"data: a\n\n") == [b"a"]
    assert parser.feed(b"data: b\n\ndata: c\n\n") == [b"b", b"c"]
    assert parser.feed(b"data: d\ndata: e\n\n") == [b"d\ne"]
    assert parser.feed(b"data: f\r\n\r\n") == [b"f"]
    assert parser.feed(b"data: g\r\r") == [b"g"]


def test_at_the_end_an_event_of_ended_lines_counts_and_a_torn_one_does_not() -> None:
    assert parse([b"data: a\n"]) == [b"a"]
    assert parse([b"data: a"]) == []
    assert parse([b"data: a\ndata: b"]) == []
    assert parse([b"data: a\n\ndata: [DONE]"]) == [b"a", b"[DONE]"]
    assert parse([b"data:[DONE]"]) == [b"[DONE]"]
    assert parse([b"data: a\ndata: [DONE]"]) == []


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_line_over_the_cap_is_refused_before_it_ends(size: int) -> None:
    parser = SSEParser(max_line_bytes=1000)
    assert parser.feed(b"data: a\n\n") == [b"a"]
    for _ in range(1000 // size):
        assert parser.feed(b"x" * size) == []
    with pytest.raises(LineTooLong):
        parser.feed(b"x" * size)


def test_a_complete_line_over_the_cap_is_refused_too() -> None:
    parser = SSEParser(max_line_bytes=10)
    with pytest.raises(LineTooLong):
        parser.feed(b"data: 12345678901\n\n")
    parser = SSEParser(max_line_bytes=10)
    parser.feed(b"\n")
    with pytest.raises(LineTooLong):
        parser.feed(b"data: 12345678901\n\n")


def test_an_event_of_many_short_lines_is_capped_like_one_long_line() -> None:
    parser = SSEParser(max_line_bytes=1000)
    for _ in range(1000 // len("abc\n")):
        assert parser.feed(b"data: abc\n") == []
    with pytest.raises(LineTooLong):
        parser.feed(b"data: abc\n")


def test_bytes_without_any_event_have_an_end() -> None:
    """A thousandth of them, packed, kept a worker at 100 % for minutes."""
    comments = (b": " + b"ping" * 15 + b"\n\n") * 1024  # few lines: it is bytes that are counted
    turns = MOST_SILENT_BYTES // len(comments)
    parser = SSEParser()
    for _ in range(turns):
        assert parser.feed(comments) == []
    with pytest.raises(LineTooLong, match="without any event"):
        parser.feed(comments)
    parser = SSEParser()
    for event in (b"data: a\n\n", b": and\ndata: a\n\n"):  # the usual chunk, and another one
        for _ in range(turns):
            parser.feed(comments)
        assert parser.feed(event) == [b"a"]
    assert SSEParser(MOST_SILENT_BYTES + 9).feed(b"data: " + b"x" * (MOST_SILENT_BYTES + 1)) == []


NOT_WORDS = [
    b"\xef\xbb\xbf",
    b"\x00",
    b"\xef\xbb\xbf: x",
    b"[]",
    b"--",
    b"0",
    b"502",
    b"<!-- served by x -->",
    b"]",
    b"...",
]
WORDS = [b"<html>", b"502 Bad Gateway", b"upstream connect error", b"Error: no", "服务器错误".encode()]


@pytest.mark.parametrize(
    ("stream", "is_astray"),
    [
        (b"data: a\n\n<html>502 Bad Gateway</html>\n\ndata: [DONE]\n\n", True),
        (b"data: a\n\nError: timed out\n\n", True),
        (b"data: a\n\nno healthy upstream\n", True),
        (b"data: a\n\n<html>\ndata: b\n\ndata: [DONE]\n\n", False),
        (b"data: a\n\ndata: [DONE]\n\n<html>\n", False),
        (b"data: a\n\nx-took: 5\nevent\n: <html>\n \ndata: [DONE]\n\n", False),
        (b'data: a\n\n{\n"b": 2\n}\ndata: [DONE]\n\n', False),
        *((b"data: a\n\n%b\ndata: [DONE]\n\n" % line, False) for line in NOT_WORDS),
        *((b"data: a\n\n%b\n[DONE]\n" % line, False) for line in NOT_WORDS),
        *((b"data: a\n\n%b\n[DONE]\n" % line, True) for line in WORDS),
    ],
)
def test_words_that_are_no_event_count_only_at_the_end(stream: bytes, is_astray: bool) -> None:
    for pieces in ([stream], [stream[i : i + 1] for i in range(len(stream))], stream.splitlines(keepends=True)):
        parser = SSEParser()
        for piece in pieces:
            parser.feed(piece)
        assert parser.is_astray is is_astray
