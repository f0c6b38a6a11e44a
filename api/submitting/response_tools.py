"""Translates the tools of a Response, its calls and what tools gave back into the forms of chat completions.

Only functions: whatever else OpenAI calls a tool runs on its own servers, and no other upstream has it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from api.submitting.fields import invalid, unsupported

Message = dict[str, Any]

_FUNCTION_FIELDS = ("name", "description", "parameters", "strict")
_CHOICES = ("auto", "none", "required")


def check_tools(fields: Mapping[str, Any]) -> None:
    """Refuse tools that are no functions, and a choice that is none of them. Raises `ApiError`."""
    tools = fields.get("tools", [])
    if not isinstance(tools, list):
        raise invalid("tools", 'must be a list such as [{"type": "function", "name": "...", "parameters": {}}]')
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        if not isinstance(tool, dict):
            raise invalid(at, 'must be an object such as {"type": "function", "name": "..."}')
        _require_function(tool, at)
        if not isinstance(tool.get("parameters"), dict | None):
            raise invalid(f"{at}.parameters", "must be a JSON schema")
    choice = fields.get("tool_choice", "auto")
    if isinstance(choice, dict):
        _require_function(choice, "tool_choice")
    elif choice not in _CHOICES:
        raise invalid("tool_choice", f"must be one of {', '.join(_CHOICES)}, or name a function")


def chat_tools(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a chat-completions body; none without tools, because upstreams refuse a choice among nothing."""
    tools = fields.get("tools")
    if not tools:
        return {}
    functions = [{name: tool[name] for name in _FUNCTION_FIELDS if tool.get(name) is not None} for tool in tools]
    body: dict[str, Any] = {"tools": [{"type": "function", "function": function} for function in functions]}
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        body["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    elif choice is not None:
        body["tool_choice"] = choice
    if "parallel_tool_calls" in fields:
        body["parallel_tool_calls"] = fields["parallel_tool_calls"]
    return body


def read_call(item: Mapping[str, Any], at: str) -> Message:
    """A `function_call` item as the assistant's message."""
    name, arguments = _text(item, "name", at), _text(item, "arguments", at, empty=True)
    called = {"id": _text(item, "call_id", at), "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [called]}


def read_call_output(item: Mapping[str, Any], at: str) -> Message:
    """A `function_call_output` item as the tool's message."""
    output = item.get("output")
    if isinstance(output, list):
        output = "".join(_text_of_part(part, f"{at}.output[{place}]") for place, part in enumerate(output))
    if not isinstance(output, str):
        raise invalid(f"{at}.output", "must be a text or a list of parts of type input_text")
    return {"role": "tool", "tool_call_id": _text(item, "call_id", at), "content": output}


def join_calls(messages: Sequence[Message]) -> list[Message]:
    """The messages, each call in the assistant's message before it: that is how one answer looks to an upstream."""
    joined: list[Message] = []
    for message in messages:
        before = joined[-1] if joined else {}
        if message.get("tool_calls") and message["content"] is None and before.get("role") == "assistant":
            calls = [*(before.get("tool_calls") or ()), *message["tool_calls"]]
            joined[-1] = {**before, "tool_calls": calls}
        else:
            joined.append(message)
    return joined


def _require_function(tool: Mapping[str, Any], at: str) -> None:
    if tool.get("type") != "function":
        reason = f"{str(tool.get('type'))[:60]!r} is not supported: only functions are, which you run yourself"
        raise unsupported(f"{at}.type", reason)
    _text(tool, "name", at)


def _text_of_part(part: Any, at: str) -> str:
    if not isinstance(part, dict) or part.get("type") != "input_text":
        raise unsupported(at, "only parts of type input_text are supported: send what the tool gave as text")
    return _text(part, "text", at, empty=True)


def _text(given: Mapping[str, Any], name: str, at: str, *, empty: bool = False) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not (value or empty):
        raise invalid(f"{at}.{name}", "must be a text")
    return value
