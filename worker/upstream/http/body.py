"""The body of an answer, piece by piece, unpacked if it is compressed."""

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterator

import httpx

from worker.upstream.errors import CutMidStream, NotAStream, UpstreamError
from worker.upstream.http.connection import Connection

MAX_UNPACKED_BYTES = 1 << 16
"""Compressed bytes may grow a thousandfold, so they are unpacked in pieces of at most this size."""

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15


class Body:
    """Reads the body of one answer. Unpacks gzip and deflate (RFC 9110, 8.4.1): some send them although asked not
    to."""

    def __init__(self, connection: Connection, headers: httpx.Headers) -> None:
        self._connection = connection
        self._encoding = headers.get("content-encoding", "").strip().lower() or "identity"
        self._decoder = zlib.decompressobj(_ZLIB if self._encoding == "deflate" else _GZIP)
        self._may_be_raw = self._encoding == "deflate"
        self._held = b""
        """A first byte alone, which does not tell whether it is raw."""
        self._unpacked: Iterator[bytes] = iter(())
        self._is_inside = False
        """More compressed bytes must follow: their end mark has not come."""
        self.has_ended = False
        """The body has ended as its headers announced, whatever that says about what is compressed in it."""

    @property
    def is_delimited(self) -> bool:
        """Whether its end is announced, so that one that was cut cannot look whole."""
        return self._connection.is_delimited

    async def read(self) -> bytes:
        """The next piece as it came; empty at the end. Raises `CutMidStream` when the connection breaks, and when the
        body ends inside of what is compressed: a proxy may frame in good order what was cut before it.
        """
        while True:
            for unpacked in self._unpacked:
                return unpacked
            piece = await self._connection.receive()
            if not piece:
                self.has_ended = True
                if self._is_inside:
                    raise CutMidStream("The upstream's compressed answer ended in its middle.")
            if not piece or self._encoding == "identity":
                return piece
            self._unpacked = self._unpack(piece)
            await asyncio.sleep(0)  # a megabyte may unpack to nothing, slowly

    async def relay(self, take: Callable[[bytes], bool]) -> None:
        """Give all that is still to come to `take`, as it comes, until that returns False or the body is whole.

        Raises what `take` raises, and `CutMidStream`.
        """
        if self._encoding == "identity":
            await self._connection.relay(take)
            return
        while piece := await self.read():
            if not take(piece):
                return
            await asyncio.sleep(0)  # what came at once may unpack to 200 MB, and the other streams are to go on

    async def read_up_to(self, enough_bytes: int, seconds: float) -> bytes:
        """The beginning of the rest: whole pieces until they are enough, or for as long as nothing goes wrong."""
        found = bytearray()
        with contextlib.suppress(UpstreamError, TimeoutError):
            async with asyncio.timeout(seconds):
                while len(found) < enough_bytes and (piece := await self.read()):
                    found += piece
        return bytes(found)

    def _unpack(self, packed: bytes) -> Iterator[bytes]:
        if self._encoding not in ("gzip", "x-gzip", "deflate"):
            raise NotAStream(
                f"The upstream compressed its answer as {self._encoding!r} although it was asked not to."
                " Turn compression off there, or in the proxy in front of it."
            )
        if self._may_be_raw:
            packed, self._held = self._held + packed, b""
            if len(packed) == 1:
                packed, self._held = b"", packed
        while packed:
            try:
                piece = self._decoder.decompress(packed, MAX_UNPACKED_BYTES)
            except zlib.error as error:
                if not self._may_be_raw:
                    raise CutMidStream(f"The upstream's compressed answer is broken: {error}") from error
                # Many servers send raw deflate as "deflate", against the RFC.
                self._may_be_raw = False
                self._decoder = zlib.decompressobj(_RAW_DEFLATE)
                continue
            self._may_be_raw = False
            packed = self._decoder.unconsumed_tail
            self._is_inside = not self._decoder.eof
            if self._decoder.eof:
                packed = self._decoder.unused_data
                self._decoder = zlib.decompressobj(_GZIP)
            if piece:
                yield piece
