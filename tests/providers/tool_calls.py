"""For the cases of tool calls: calls as they are returned unstreamed, and the pieces in which they are streamed."""

from tests.providers.case import Case, Fails, Whole, case, stream
from tests.upstream.scripted_upstream import ROLE, chunk

CALLED = chunk({}, "tool_calls")
PARIS = '{"city": "Paris, {the} \\"old\\" town"}'
OSLO = '{"city":"Oslo","days":[1,{"n":2}]}'


def call(call_id: str, arguments: str, name: str = "get_weather") -> dict[str, object]:
    """A call as OpenAI returns it unstreamed."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def whole(*calls: dict[str, object], text: str = "", finish_reason: str | None = "tool_calls") -> Whole:
    return Whole(text, finish_reason, message={"tool_calls": list(calls)})


ONE, BOTH = whole(call("call_1", PARIS)), whole(call("call_1", PARIS), call("call_2", OSLO))


def piece(index: int | str | None = None, call_id: str | None = None, **function: object) -> dict[str, object]:
    """A piece of a call, with only what it says."""
    made: dict[str, object] = {} if index is None else {"index": index}
    made |= {} if call_id is None else {"id": call_id, "type": "function"}
    return made | {"function": function}


def called(*pieces: dict[str, object], **more: object) -> bytes:
    return chunk({"tool_calls": list(pieces), **more})


def pieces(index: int, call_id: str, arguments: str, size: int = 5) -> list[bytes]:
    """A call as OpenAI streams it: id and name first, then the arguments in pieces."""
    parts = [arguments[start : start + size] for start in range(0, len(arguments), size)]
    first = called(piece(index, call_id, name="get_weather", arguments=""))
    return [first, *(called(piece(index, arguments=part)) for part in parts)]


def tools(name: str, source: str, *events: bytes, right: Whole | Fails = ONE) -> Case:
    return case("Q", name, source, stream(ROLE, *events), right)
