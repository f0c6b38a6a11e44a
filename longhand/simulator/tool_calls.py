"""The tool calls that a simulated model makes: whole, and in the pieces in which OpenAI streams them."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

PIECE_CHARACTERS = 12


class CalledTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that a request orders: a name and its arguments, as an object or as the text to send."""

    name: str
    arguments: dict[str, Any] | str = {}
    id: str | None = None


def required_calls(tools: Sequence[Any], choice: Any) -> list[CalledTool]:
    """The call that a request for chat completions requires, its arguments of the types that the tool's schema says."""
    functions = [
        tool["function"] for tool in tools if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
    ]
    if isinstance(choice, dict):
        named = (choice.get("function") or {}).get("name")
        functions = [function for function in functions if function.get("name") == named]
    elif choice != "required":
        return []
    return [CalledTool(str(tool.get("name")), _example(tool.get("parameters") or {}) or {}) for tool in functions[:1]]


def _example(schema: dict[str, Any]) -> Any:
    """Some value of a JSON schema, by the simple types."""
    if schema.get("enum"):
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            return {name: _example(inner) for name, inner in (schema.get("properties") or {}).items()}
        case "array":
            return [_example(schema.get("items") or {})]
        case "integer" | "number":
            return 1
        case "boolean":
            return True
        case "null":
            return None
    return "something"


def whole_calls(called: Sequence[CalledTool]) -> list[dict[str, Any]]:
    """The calls as a completion in one piece holds them."""
    return [
        {
            "id": call.id or f"call_{number}",
            "type": "function",
            "function": {
                "name": call.name,
                "arguments": call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments),
            },
        }
        for number, call in enumerate(called, start=1)
    ]


def call_pieces(called: Sequence[CalledTool]) -> Iterator[dict[str, Any]]:
    """The deltas that stream them: for each call its id and its name, then its arguments in pieces."""
    for index, call in enumerate(whole_calls(called)):
        arguments = call["function"]["arguments"]
        opening = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [opening]}
        for start in range(0, len(arguments), PIECE_CHARACTERS):
            piece = arguments[start : start + PIECE_CHARACTERS]
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
