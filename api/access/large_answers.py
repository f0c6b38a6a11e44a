"""Sends large answers in pieces, and bounds how many bytes of them wait for slow readers."""

from collections.abc import AsyncIterator, Iterator, Mapping
from time import monotonic
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.budget import Budget
from api.access.turns import Turns
from api.http.errors import ApiError, error_answer

ACCOUNT = "longhand.account"
"""The key in the scope under which `read_caller` leaves the project and the id of the key."""

SHORTER = "longhand.shorter"
"""The key in the scope under which an answer leaves the `Response` that is sent where there is no room for itself."""

REFUSED = "longhand.refused"
"""The key in the scope that says that the client was sent something else, because there was no room for the answer."""

_WHAT_WAS_MADE = ("x-job-id", "location", "idempotent-replayed")
"""The headers of an answer that say what its request has made."""

LEAST_PIECE = 64 * 1024
TURN_SECONDS = 0.02
"""So much of a download is made in one turn, or for so long: a text of twenty words is not worth a thread, and a
thousand jobs without a text are nothing in a ZIP.
"""

PIECE = 256 * 1024
"""Longer bodies are sent piece by piece, each after the one before has gone: else the socket would copy all at once."""


class LargeAnswers:
    """ASGI middleware. It counts whole answers. A streamed answer makes its own pieces: `StreamedAnswer` counts it."""

    def __init__(self, app: ASGIApp, budget: Budget) -> None:
        self._app = app
        self._budget = budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None

        async def send_in_pieces(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _length_of(message) > PIECE:
                start = message  # until it is known whether there is room for its body
                return
            begun, start = start, None
            held = self._budget.open(scope.get(ACCOUNT, ("", None)))
            try:
                if begun is not None:
                    if not message.get("more_body", False):
                        held.add(len(message.get("body", b"")))
                    await send(begun)
                await _send_pieces(message, send)
            except ApiError as refused:
                scope[REFUSED] = True
                shorter: Response = scope.get(SHORTER) or error_answer(_name_what_was_made(refused, scope, begun))
                await shorter(scope, receive, send)
            finally:
                held.release()

        await self._app(scope, receive, send_in_pieces)


def made_without_room(refused: ApiError, made: Mapping[str, str], *, has_key: bool) -> ApiError:
    """The refusal of an answer whose request has made something, which these headers name.

    OpenAI's SDK repeats a POST after a 503. Without an `Idempotency-Key` that makes a second one: a header forbids it.
    """
    again = "send it again with the same Idempotency-Key, or" if has_key else "do not send it again, but"
    message = (
        "this server holds as many bytes of large answers as it may at once, so this one was not sent. The request"
        f" was carried out: {again} read what it made at {made['location']}"
    )
    retry = dict(refused.headers or {}) if has_key else {"x-should-retry": "false"}
    return ApiError(refused.status, refused.code, message, headers={**made, **retry})


class StreamedAnswer(StreamingResponse):
    """An answer that is written while it is read, piece by piece in `turns`.

    `at_once`: the most bytes of texts that are read for it at a time.

    Its reader may be slow. So what it holds meanwhile, such a text and the line that it becomes, is counted until its
    end. Where there is no room, it is refused before it begins.
    """

    def __init__(self, budget: Budget, turns: Turns, at_once: int, content: Iterator[bytes], **more: Any) -> None:
        super().__init__(read_in_turns(turns, content), **more)
        self._budget = budget
        self._holds = min(2 * at_once, budget.most_of_one)  # none is too large for ever

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = self._budget.open(scope.get(ACCOUNT, ("", None)))
        try:
            held.add(self._holds)
        except ApiError as refused:
            await error_answer(refused)(scope, receive, send)
            return
        try:
            await super().__call__(scope, receive, send)
        finally:
            held.release()


async def read_in_turns(turns: Turns, content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What this makes, in a thread and in pieces, each in its project's turn."""
    # Two hundred downloads in forty threads kept all others waiting for the interpreter for seconds.
    while (piece := await turns.run(_next_piece, content)) is not None:
        if piece:
            yield piece


def _next_piece(content: Iterator[bytes]) -> bytes | None:
    """What comes next: at least `LEAST_PIECE` bytes, the rest, or what `TURN_SECONDS` have brought. None at the end."""
    until = monotonic() + TURN_SECONDS
    pieces, length = [], 0
    for piece in content:
        pieces.append(piece)
        length += len(piece)
        if length >= LEAST_PIECE or monotonic() > until:
            return b"".join(pieces)
    return b"".join(pieces) if length else None


async def _send_pieces(message: Message, send: Send) -> None:
    body = message.get("body", b"")
    for at in range(0, len(body) - PIECE, PIECE):
        await send({"type": "http.response.body", "body": body[at : at + PIECE], "more_body": True})
    if len(body) > PIECE:
        message = {**message, "body": body[(len(body) - 1) // PIECE * PIECE :]}
    await send(message)


def _name_what_was_made(refused: ApiError, scope: Scope, begun: Message | None) -> ApiError:
    """The refusal of this answer, which was about to begin so."""
    headers = Headers(raw=begun["headers"]) if begun is not None else {}
    made = {name: headers[name] for name in _WHAT_WAS_MADE if name in headers}
    if "location" not in made:
        return refused  # it only reads, or may be repeated
    return made_without_room(refused, made, has_key="idempotency-key" in Headers(scope=scope))


def _length_of(start: Message) -> int:
    return next((int(value) for name, value in start["headers"] if name.lower() == b"content-length"), 0)
