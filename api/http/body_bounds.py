"""The limits that the protocol sets to every request body, before any endpoint reads it."""

from api.http.errors import ApiError
from api.http.heads import MOST_HEAD_BYTES

MOST_FRAMING = 4
"""How many bytes of a chunked body may come for each byte in it, beyond one head's worth: tiny chunks cost CPU."""

CHUNKS_FREE, BYTES_OF_CHUNK = 500, 16
"""So many chunks a body may have, and one more for so many bytes in it: each costs a microsecond."""

LEAST_READ, MOST_READ = 16 * 1024, 256 * 1024
"""How much is read of a connection at once: at first little, then as much as its endpoint has taken of the body."""

WITHOUT_BODY, MOST_WITHOUT = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"}), 8 * 1024
"""No endpoint reads the body of these. What comes of it would be kept until the answer ends, up to 320 KiB: 1,900
watches took 230 MB that nobody counted."""


def find_body_fault(method: bytes, came: int, body: int, chunks: int) -> ApiError | None:
    """Why a body is refused of which so many bytes came, with `body` bytes in so many chunks, if it is."""
    if came > MOST_HEAD_BYTES + MOST_FRAMING * body or chunks > CHUNKS_FREE + body // BYTES_OF_CHUNK:
        message = "the chunks of the body are so small that reading them costs more than what is in them"
        return ApiError(400, "chunks_too_small", message)
    if body > MOST_WITHOUT and method in WITHOUT_BODY:
        return ApiError(413, "body_too_large", f"a {method.decode()} has no body here: send it without one")
    return None
