"""What a request to the simulator says: the chat request, and the faults ordered in its `simulate` field."""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

import msgspec

from longhand.simulator.tool_calls import CalledTool, required_calls

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Shape = Literal["empty_choices", "null_content", "reasoning", "tool_calls", "refusal"]
Body = Literal["json_error", "html", "bare_done", "empty"]

# The shortest line that can hold a chunk's JSON around the text.
SHORTEST_LONG_LINE = 1024

_HEADER = re.compile(r"[\w!#$%&'*+.^`|~-]+: [\x20-\x7e]*", re.ASCII)


class RequestError(Exception):
    """A request that the simulator answers with an error in OpenAI's form."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code


class Orders(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `simulate` field, or the `x-simulate` header. `None` and `False` order nothing.

    The first group orders no faults and always applies; `length` is in deltas, whatever the prompt asks for;
    so many deltas of `reasoning` come before the text; `tool_calls` come after it, or, if no text is ordered, alone,
    in pieces that count as deltas; and with
    `finish_early` every chunk says `finish_reason: "stop"`, from the first on, as some providers' do. The rest are
    faults: with `times` they apply only to that many requests of a `key` (default: a hash of the messages), and
    later requests are healthy. Positions count deltas.
    """

    text: str | None = None
    deltas: list[str] | None = None
    length: Positive | None = None
    reasoning: Count = 0
    tool_calls: list[CalledTool] = []
    deltas_per_second: Seconds | None = None
    first_delta_seconds: Seconds | None = None
    finish_early: bool = False
    key: str | None = None
    times: Positive | None = None

    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    retry_after: Seconds | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Body | None = None

    loop_after: Count | None = None
    cut_after: Count | None = None
    stall_after: Count | None = None
    silent_after: Count | None = None
    error_after: Count | None = None
    no_end: bool = False
    bytes_per_write: Positive | None = None
    long_line: Annotated[int, msgspec.Meta(ge=SHORTEST_LONG_LINE)] | None = None
    crlf: bool = False
    bom: bool = False
    shapes: list[Shape] = []
    finish_reason: str | None = None
    usage: Literal[False] | dict[str, Any] | None = None

    def healthy(self) -> "Orders":
        """These orders without their faults."""
        return Orders(**{name: getattr(self, name) for name in _NO_FAULTS})


_NO_FAULTS = (
    *("text", "deltas", "length", "reasoning", "tool_calls", "deltas_per_second", "first_delta_seconds"),
    *("finish_early", "key", "times"),
)
# A response in one piece has no deltas to count, and no lines to damage.
_ONLY_STREAMED = (
    *("loop_after", "cut_after", "stall_after", "silent_after", "error_after", "no_end"),
    *("bytes_per_write", "long_line", "crlf", "bom", "shapes"),
)


class Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(str(part.get("text", "")) for part in self.content)
        return self.content or ""


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a chat completion request that the simulator obeys; it accepts all others and ignores them."""

    model: str
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Literal[1] | None = None
    tools: list[Any] | None = None
    tool_choice: Any = None
    simulate: Orders | None = None

    @property
    def prompt(self) -> str:
        """The text of the last message of the user, or of the last message if none is the user's."""
        of_user = [message for message in self.messages if message.role == "user"] or self.messages
        return of_user[-1].text

    @property
    def max_deltas(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def called(self, orders: Orders) -> list[CalledTool]:
        """The tools that the answer calls: those ordered, or the one that `tool_choice` requires."""
        return orders.tool_calls or required_calls(self.tools or (), self.tool_choice)

    def prompt_tokens(self) -> int:
        """An estimate: four Latin characters, or one other, make a token; four more tokens for each message."""
        tokens = 3
        for message in self.messages:
            text = message.text
            others = (len(text.encode(errors="surrogatepass")) - len(text)) // 2
            tokens += 4 + others + max(0, len(text) - others) // 4
        return tokens


_KNOWN = msgspec.json.Decoder(ChatRequest)
"""Only made, as in `jobs/pace/state.py`: several simulators may run in one process."""


def read_request(body: bytes, header: bytes | None) -> tuple[ChatRequest, Orders, str]:
    """Read a request body and an `x-simulate` header into the request, its orders and a hash of its messages.

    Raises a `RequestError` (400) that names what is wrong, also for an unknown field in the orders: a fault test with a
    misspelt order must not pass silently.
    """
    # json, not msgspec: orders may hold lone surrogates as escapes, which msgspec refuses.
    content = _json(body, "The request body")
    if not isinstance(content, dict):
        raise RequestError("The request body must be a JSON object.")
    try:
        request = msgspec.convert(content, ChatRequest)
    except msgspec.ValidationError as error:
        raise RequestError(str(error), param=_param_of(str(error))) from error
    orders = request.simulate or Orders()
    if header is not None:
        if request.simulate is not None:
            raise RequestError(
                "Give the orders in `simulate` or in the x-simulate header, not in both.", param="simulate"
            )
        try:
            orders = msgspec.convert(_json(header, "The x-simulate header"), Orders)
        except msgspec.ValidationError as error:
            raise RequestError(f"x-simulate: {error}", param="simulate") from error
    _check(orders, streamed=bool(request.stream))
    return request, orders, messages_hash(content["messages"])


def _check(orders: Orders, *, streamed: bool) -> None:
    """Raise a `RequestError` for orders that cannot be carried out together."""
    if not streamed and (asked := [name for name in _ONLY_STREAMED if getattr(orders, name) not in (None, False, [])]):
        raise RequestError(f"simulate: {asked[0]!r} needs `stream: true`.", param=f"simulate.{asked[0]}")
    if orders.text is not None and orders.deltas is not None:
        raise RequestError("simulate: give `text` or `deltas`, not both.", param="simulate.text")
    if orders.length is not None and (orders.text is not None or orders.deltas is not None):
        raise RequestError("simulate: `length` needs neither `text` nor `deltas`.", param="simulate.length")
    if orders.retry_after is not None and orders.status is None:
        raise RequestError("simulate: `retry_after` needs a `status`.", param="simulate.retry_after")
    if bad := [name for name, value in orders.headers.items() if not _HEADER.fullmatch(f"{name}: {value}")]:
        raise RequestError(f"simulate: {bad[0]!r} is no valid header.", param="simulate.headers")


def messages_hash(messages: Any) -> str:
    """The seed of the text, and the key that requests count under unless they name one."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:16]


def _json(content: bytes, what: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{what} is not valid JSON: {error}") from error


def _param_of(message: str) -> str | None:
    """The field that a msgspec message is about: "Expected `int` - at `$.max_tokens`"."""
    path = message.rpartition("`$")[2].strip("`.") if "`$" in message else ""
    return path or (message.split("`")[1] if "required field `" in message else None)
