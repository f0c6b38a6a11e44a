"""The `openai` Python SDK with strict validation of every answer: python openai_python.py URL."""

import io
import json
import queue
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from openai import InvalidWebhookSignatureError, OpenAI
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


def run(client: OpenAI) -> None:
    """All of it."""
    for model in (*client.models.list(), client.models.retrieve(MODEL)):
        assert model.id == MODEL
    chat(client)
    responses(client)
    tools(client)
    for endpoint, body in (
        ("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "tea"}]}),
        ("/v1/responses", {"model": MODEL, "input": "tea"}),
    ):
        batch(client, endpoint, body)
    webhooks(client)


def chat(client: OpenAI) -> None:
    """Chat completions and completions of a prompt."""
    messages: Any = [{"role": "user", "content": "tea"}]
    whole = client.chat.completions.create(model=MODEL, messages=messages)
    assert whole.choices[0].message.content == "1 messages, the last: tea"
    parse = getattr(client.chat.completions, "parse", None) or client.beta.chat.completions.parse
    parsed = parse(model=MODEL, messages=messages, response_format=City)
    assert parsed.choices[0].message.parsed == City(name="Paris", population=7)
    chunks = client.chat.completions.create(model=MODEL, messages=messages, stream=True)
    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert told == "1 messages, the last: tea"
    prompted = client.completions.create(model=MODEL, prompt="tea")
    assert prompted.choices[0].text == "1 messages, the last: tea"
    # Its type for this has no room for a chunk that is not the last, so the strict client refuses OpenAI's own.
    with OpenAI(base_url=client.base_url, api_key=client.api_key) as lenient:
        pieces = list(lenient.completions.create(model=MODEL, prompt="tea", stream=True))
    assert "".join(piece.choices[0].text for piece in pieces if piece.choices) == "1 messages, the last: tea"


def responses(client: OpenAI) -> None:
    """Responses."""
    first = client.responses.create(model=MODEL, input="think of tea", include=[], truncation="auto")
    assert first.output_text == "1 messages, the last: think of tea"
    assert [item.type for item in first.output] == ["reasoning", "message"]
    items = client.responses.input_items.list(first.id, include=["message.input_image.image_url"])
    assert [item.type for item in items] == ["message"]
    second = client.responses.create(model=MODEL, previous_response_id=first.id, input="more")
    assert second.output_text == "3 messages, the last: more"
    referred: Any = [{"type": "item_reference", "id": item.id} for item in first.output]
    third = client.responses.create(model=MODEL, input=[*referred, {"role": "user", "content": "again"}])
    assert third.output_text == "2 messages, the last: again"
    parsed = client.responses.parse(model=MODEL, input="Paris", text_format=City)
    assert parsed.output_parsed == City(name="Paris", population=7)
    events = list(client.responses.create(model=MODEL, input="think of tea", stream=True, store=False))
    assert events[-1].type == "response.completed"
    assert [event.type for event in events].count("response.output_item.done") == 2
    counting = getattr(client.responses, "input_tokens", None)
    if counting is not None:  # newer than some of the SDK's versions
        assert counting.count(model=MODEL, input="hello world").input_tokens == 9
    with client.responses.stream(model=MODEL, input="think of tea") as stream:
        assert stream.get_final_response().output_text == "1 messages, the last: think of tea"


def tools(client: OpenAI) -> None:
    """A tool that is called and answered, streamed and not, over both endpoints."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function: Any = {"name": "weather", "description": "The weather of a city.", "parameters": schema}
    messages: Any = [{"role": "user", "content": "call weather"}]
    offered: Any = [{"type": "function", "function": function}]
    whole = client.chat.completions.create(model=MODEL, messages=messages, tools=offered).choices[0]
    assert whole.finish_reason == "tool_calls"
    assert whole.message.tool_calls
    call: Any = whole.message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    chunks = client.chat.completions.create(model=MODEL, messages=messages, tools=offered, stream=True)
    told = [piece for chunk in chunks for choice in chunk.choices for piece in choice.delta.tool_calls or ()]
    arguments = "".join(piece.function.arguments or "" for piece in told if piece.function)
    assert (told[0].index, json.loads(arguments)) == (0, {"city": "Paris"})
    answered = [*messages, whole.message, {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}]
    last = client.chat.completions.create(model=MODEL, messages=answered, tools=offered)
    assert last.choices[0].message.content == "3 messages, the last: 18 degrees"
    offered = [{"type": "function", "strict": False, **function}]
    first = client.responses.create(model=MODEL, input="call weather", tools=offered)
    made: Any = first.output[-1]
    assert (made.type, made.name, json.loads(made.arguments)) == ("function_call", "weather", {"city": "Paris"})
    output: Any = [{"type": "function_call_output", "call_id": made.call_id, "output": "18 degrees"}]
    second = client.responses.create(model=MODEL, previous_response_id=first.id, input=output, tools=offered)
    assert second.output_text == "3 messages, the last: 18 degrees"
    events = list(client.responses.create(model=MODEL, input="call weather", tools=offered, stream=True))
    assert "response.function_call_arguments.done" in [event.type for event in events]


def batch(client: OpenAI, endpoint: Any, body: dict[str, Any]) -> None:
    """A batch file from its upload to its output."""
    line = {"custom_id": "a", "method": "POST", "url": endpoint, "body": body}
    file = client.files.create(file=("in.jsonl", io.BytesIO(json.dumps(line).encode())), purpose="batch")
    made = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    deadline = time.monotonic() + 60
    while made.status not in ("completed", "failed") and time.monotonic() < deadline:
        made = client.batches.retrieve(made.id)
    assert made.status == "completed", made
    assert made.output_file_id
    output = json.loads(client.files.content(made.output_file_id).text)
    assert output["response"]["body"]["object"] == ("response" if "responses" in endpoint else "chat.completion")
    assert {listed.id for listed in client.files.list()} >= {file.id, made.output_file_id}
    assert made.id in {listed.id for listed in client.batches.list()}


def webhooks(client: OpenAI) -> None:
    """The end of a batch and of a Response, as this program is told of them."""
    came: queue.Queue[tuple[bytes, dict[str, str]]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.put((self.rfile.read(int(self.headers["content-length"])), dict(self.headers)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint: Any = client.post(
            "/webhooks", cast_to=object, body={"url": f"http://127.0.0.1:{server.server_port}/hook"}
        )
        batch(client, "/v1/responses", {"model": MODEL, "input": "tea"})
        response = client.responses.create(model=MODEL, input="tea", background=True)
        told: dict[str, Any] = {}
        for _ in range(2):
            body, headers = came.get(timeout=60)
            event = client.webhooks.unwrap(body, headers, secret=endpoint["secret"])
            told[event.type] = event
        assert told.keys() == {"batch.completed", "response.completed"}
        assert told["response.completed"].data.id == response.id
        try:
            client.webhooks.unwrap(body.replace(b"evt_", b"evt-"), headers, secret=endpoint["secret"])
        except InvalidWebhookSignatureError:
            pass
        else:
            raise AssertionError("a body that was changed is taken")
        client.delete(f"/webhooks/{endpoint['id']}", cast_to=object)
        server.shutdown()


def main(url: str) -> None:
    """The strict client, and one that adds a version to every request, as those for Azure do."""
    with OpenAI(_strict_response_validation=True, timeout=60) as client:
        run(client)
        key = client.api_key
    with OpenAI(base_url=url, api_key=key, default_query={"api-version": "2024-10-21"}, timeout=60) as versioned:
        chat(versioned)


if __name__ == "__main__":
    main(sys.argv[1])
