"""A scripted upstream: it counts the messages it was sent and repeats the last, or fits the schema it was given.

It calls a tool when it must, or when the last message is a user's that begins with the word `call`: the first tool, or
the first whose name has the word that follows.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-mini"
_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of models; a single one has no address here, as on many servers."""
        found = self.path == "/v1/models"
        listed = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": "tests"}]}
        self._send(200 if found else 404, "application/json", json.dumps(listed if found else {}).encode())

    def do_POST(self) -> None:
        """A chat completion, streamed."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            tool = _tool_for(request)
            text = "" if tool else _answer(request)
        except (AttributeError, KeyError, TypeError):
            error = {"error": {"message": "that is no chat", "type": "invalid_request_error"}}
            self._send(400, "application/json", json.dumps(error).encode())
            return
        cut = len(text) // 2
        first = {"role": "assistant", "content": text[:cut]}
        chunks = [
            *([_chunk({"reasoning_content": "Let me think."})] if "think" in json.dumps(request["messages"]) else []),
            *(_call(tool) if tool else [_chunk(first), _chunk({"content": text[cut:]})]),
            _chunk({}, "tool_calls" if tool else "stop"),
            {**_chunk({}), "choices": [], "usage": _USAGE},
        ]
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        self._send(200, "text/event-stream", "".join([*events, "data: [DONE]\n\n"]).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def scripted_upstream() -> Iterator[str]:
    """The base URL of a running one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(request: dict[str, Any]) -> str:
    asked = request.get("response_format") or {}
    if asked.get("type") == "json_schema":
        return json.dumps(_fit(asked["json_schema"]["schema"]))
    said = [message for message in request["messages"] if message["role"] != "system"]
    content = said[-1].get("content") if said else ""
    last = content if isinstance(content, str) else " ".join(part.get("text", "an image") for part in content)
    return f"{len(said)} messages, the last: {last}"


def _tool_for(request: dict[str, Any]) -> dict[str, Any] | None:
    """The function to call."""
    functions: list[dict[str, Any]] = [tool["function"] for tool in request.get("tools") or []]
    choice, last = request.get("tool_choice"), request["messages"][-1]
    if isinstance(choice, dict):
        return next(one for one in functions if one["name"] == choice["function"]["name"])
    if choice == "required":
        return next(iter(functions))
    said = str(last.get("content")) if last["role"] == "user" else ""
    if not said.startswith("call "):
        return None
    return next((one for one in functions if said.split()[1] in one["name"]), None)


def _call(function: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The chunks of a call, its arguments in two pieces."""
    arguments = json.dumps(_fit(function.get("parameters") or {"type": "object"}))
    opening = {"name": function["name"], "arguments": ""}
    call = {"index": 0, "id": "call_1", "type": "function", "function": opening}
    yield _chunk({"role": "assistant", "content": None, "tool_calls": [call]})
    for piece in (arguments[:5], arguments[5:]):
        yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})


def _fit(schema: dict[str, Any]) -> Any:
    """A value that fits a schema of the tests: objects of texts and numbers."""
    match schema.get("type"):
        case "object":
            return {name: _fit(inner) for name, inner in schema.get("properties", {}).items()}
        case "integer" | "number":
            return 7
        case "boolean":
            return True
        case "array":
            return [_fit(schema["items"])]
    return "Paris"


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice]}
