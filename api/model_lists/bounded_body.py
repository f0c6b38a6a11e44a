"""The body of an upstream's answer, compressed or not: few compressed bytes can become many, so both are bounded."""

import zlib

ENCODINGS = ("gzip", "x-gzip", "deflate")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


_FEW_PIECES = 4096
_BYTES_PER_PIECE = 16
"""On the average, when there are more pieces: one of a single byte takes 20 us of the event loop, as long ones do."""


class BodyError(Exception):
    """The body is too long, in too small pieces, in an unknown encoding, or not what its encoding says."""


class BoundedBody:
    """Takes a body piece by piece. Raises `BodyError` as soon as it has more bytes than it may, sent or unpacked."""

    def __init__(self, encoding: str, most_bytes: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in ("", "identity", *ENCODINGS):
            raise BodyError
        self._most = most_bytes
        self._sent = 0
        self._pieces = 0
        self._unpacked = bytearray()
        self._unpacking = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in ENCODINGS else None

    def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._sent += len(piece)
        self._pieces += 1
        if self._pieces > _FEW_PIECES + self._sent // _BYTES_PER_PIECE:
            raise BodyError
        if self._unpacking is None:
            self._unpacked += piece
        else:
            try:
                # One byte more than there is room for says enough. What follows the end is left.
                self._unpacked += self._unpacking.decompress(piece, self._most - len(self._unpacked) + 1)
            except zlib.error:
                raise BodyError from None
        if max(self._sent, len(self._unpacked)) > self._most:
            raise BodyError

    def whole(self) -> bytes:
        """All of it. Raises `BodyError` when its end is missing."""
        if self._unpacking is not None and not self._unpacking.eof:
            raise BodyError
        return bytes(self._unpacked)
