"""A client of the simulator that sees the bytes as they are on the wire."""

import json
import socket
from typing import Any

import httpx

from longhand.simulator import Pace

UNPACED = Pace(deltas_per_second=0, first_delta_seconds=0)
ABC = ["a", "b", "c"]


def asking(prompt: str = "Write 60 words about bees", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": prompt}], "stream": True, **fields}


def ordering(**orders: Any) -> dict[str, Any]:
    return asking(simulate={"deltas": ABC, **orders})


def events(text: str) -> list[Any]:
    """The JSON of every event but the last, which must be [DONE]."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def text_of(chunks: list[Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def address(url: str) -> tuple[str, int]:
    parsed = httpx.URL(url)
    assert parsed.port is not None
    return parsed.host, parsed.port


def post(request: dict[str, Any], *headers: str) -> bytes:
    body = json.dumps(request).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "host: simulator", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def receive_until(connection: socket.socket, end: bytes) -> bytes:
    connection.settimeout(60)
    received = b""
    while end not in received:
        piece = connection.recv(65536)
        assert piece, f"closed before {end!r}"
        received += piece
    return received


def exchange(url: str, request: dict[str, Any], *headers: str) -> bytes:
    """Everything that the server sends until it closes the connection."""
    received = b""
    with socket.create_connection(address(url)) as connection:
        connection.settimeout(60)
        connection.sendall(post(request, "connection: close", *headers))
        while piece := connection.recv(65536):
            received += piece
    return received


def http_chunks(raw: bytes) -> list[bytes]:
    """The chunks of a response, without its head; the last is empty when the body has ended cleanly."""
    rest = raw.partition(b"\r\n\r\n")[2]
    chunks = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        assert rest[int(size, 16) :].startswith(b"\r\n")
        rest = rest[int(size, 16) + 2 :]
    return chunks


def contents(chunks: list[bytes]) -> str:
    return text_of([json.loads(chunk.removeprefix(b"data: ")) for chunk in chunks if b'"content"' in chunk])
