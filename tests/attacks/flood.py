"""`python -m tests.attacks.flood PORT PATH CONNECTIONS [KEY]`: connections that ask again as soon as they are answered,
until it is killed."""

import asyncio
import sys


class _Asking(asyncio.Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 "):
            self._transport.write(self._request)


async def main(port: int, path: str, connections: int, key: str = "") -> None:
    line = f"Authorization: Bearer {key}\r\n" if key else ""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{line}\r\n".encode()
    for _ in range(connections):
        await asyncio.get_running_loop().create_connection(lambda: _Asking(request), "127.0.0.1", port)
    print("all ask", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
