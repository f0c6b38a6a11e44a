"""An upstream that never ends its line: the job fails, and the memory of the process does not grow."""

import asyncio
import subprocess
import sys
import zlib
from itertools import pairwise

import pytest

from tests.upstream.reading import BODY, run_with
from tests.upstream.scripted_upstream import (
    PATIENCE_SECONDS,
    Flood,
    Script,
    ScriptedUpstream,
    chunked,
    head,
    http_chunk,
    text,
)
from worker.upstream import Clocks, Upstream
from worker.upstream.errors import LineTooLong
from worker.upstream.sse import SSEParser

OFFERED_BYTES = 256 << 20
ALLOWED_BYTES = 16 << 20

READER = """
import asyncio, re, sys
from pathlib import Path
from worker.upstream.errors import UpstreamError
from worker.upstream import Clocks, Upstream

def peak_bytes():
    # The peak of this process alone: ru_maxrss would start with the parent's.
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text()).group(1))

async def main():
    upstream = Upstream(sys.argv[1], None, Clocks())
    await upstream.stream({}, lambda text: None)
    before = peak_bytes()
    error = None
    try:
        await upstream.stream({}, lambda text: None)
    except UpstreamError as caught:
        error = caught
    grown = peak_bytes() - before
    await upstream.aclose()
    print(type(error).__name__, grown)

asyncio.run(main())
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")


def gzip_of(repeated: bytes, total_bytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(repeated) for _ in range(total_bytes // len(repeated))) + packer.flush()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([head(), b"data: ", Flood(b"x" * 65536, OFFERED_BYTES)], id="one line"),
        pytest.param(
            [head(transfer_encoding="chunked"), http_chunk(b"data: "), Flood(http_chunk(b"x" * 100), OFFERED_BYTES)],
            id="one line in small chunks",
        ),
        pytest.param([head(), b"\n", Flood(b"data: ab\n" * 8000, OFFERED_BYTES)], id="one event of many lines"),
        pytest.param([head(), b": ", Flood(b"x" * 65536, OFFERED_BYTES)], id="one comment"),
    ],
)
def test_an_endless_line_fails_the_job_and_takes_no_memory(script: Script) -> None:
    error, grown, upstream = read_elsewhere(script)
    assert error == "LineTooLong"
    assert grown < ALLOWED_BYTES
    assert upstream.last.fired == ["Flood"]
    assert upstream.last.sent_bytes < OFFERED_BYTES // 8


def test_a_line_that_unpacks_to_no_end_takes_no_memory_either() -> None:
    packed = gzip_of(b"x" * (1 << 20), OFFERED_BYTES)
    assert len(packed) < OFFERED_BYTES // 500
    error, grown, _ = read_elsewhere([head(content_encoding="gzip"), packed])
    assert error == "LineTooLong"
    assert grown < ALLOWED_BYTES


def packed_comments(total_bytes: int) -> bytes:
    return gzip_of(b": keep-alive\n\n" * 5000, total_bytes)


def test_comments_that_unpack_to_no_end_fail_the_job_and_take_no_memory() -> None:
    """Some 64 kB of them unpack to 64 MB."""
    packed = packed_comments(64 << 20)
    opening = [head(content_encoding="gzip"), gzip_of(text("One"), len(text("One")))]
    error, grown, upstream = read_elsewhere([*opening, Flood(packed, OFFERED_BYTES)])
    assert error == "LineTooLong"
    assert grown < ALLOWED_BYTES
    assert upstream.last.fired == ["Flood"]
    assert upstream.last.sent_bytes < OFFERED_BYTES // 8


def test_comments_that_unpack_to_no_end_leave_the_other_streams_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read of a socket at once may unpack to 200 MB: between its pieces, all others of the loop go on."""
    turns = 0
    turn_of_piece: list[int] = []
    feed = SSEParser.feed

    def note(parser: SSEParser, piece: bytes) -> list[bytes]:
        turn_of_piece.append(turns)
        return feed(parser, piece)

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def story(upstream: Upstream) -> None:
        other = asyncio.create_task(take_turns())
        with pytest.raises(LineTooLong):
            await upstream.stream(BODY, lambda _: None)
        other.cancel()

    monkeypatch.setattr(SSEParser, "feed", note)
    opening = [head(content_encoding="gzip"), gzip_of(text("One"), len(text("One")))]
    with ScriptedUpstream([*opening, Flood(packed_comments(64 << 20), OFFERED_BYTES)]) as server:
        run_with(server.url, Clocks(), story)
    assert server.last.fired == ["Flood"]
    assert len(turn_of_piece) > 10
    rest = turn_of_piece[1:]  # the first one is read before it is known what the body is
    assert all(later > earlier for earlier, later in pairwise(rest))


def test_an_answer_that_blank_lines_follow_without_end_is_whole() -> None:
    answer = head(content_type="text/plain"), b'{"choices": []}\n', Flood(b"\n" * 65536, OFFERED_BYTES)
    error, grown, upstream = read_elsewhere(list(answer))
    assert error == "EmptyCompletion"
    assert grown < ALLOWED_BYTES
    assert upstream.last.fired == ["Flood"]
    assert upstream.last.sent_bytes < OFFERED_BYTES // 8


def read_elsewhere(script: Script) -> tuple[str, int, ScriptedUpstream]:
    """Read a good answer and then `script` in a process of its own: the error's name and how far its memory grew."""
    with ScriptedUpstream(chunked(text("x"), b"data: [DONE]\n\n"), script) as upstream:
        done = subprocess.run(
            [sys.executable, "-c", READER, upstream.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    error, grown = done.stdout.split()
    return error, int(grown), upstream
