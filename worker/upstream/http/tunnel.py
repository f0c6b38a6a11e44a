"""A tunnel through a proxy, before the upstream is spoken to."""

import asyncio
import socket

from jobs.proxy import Proxy
from worker.upstream.errors import ConnectFailed, quote

_MAX_ANSWER_BYTES = 1 << 16
PROXY_SETTING = "`proxy` in the upstreams file, or HTTPS_PROXY"


async def open_tunnel(opened: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """Have the proxy at the other end of a connection connect to the upstream. Raises `ConnectFailed`, and OSError."""
    loop = asyncio.get_running_loop()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(opened, "\r\n".join([*lines, "", ""]).encode("ascii"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = await loop.sock_recv(opened, 4096)
        if not piece or len(answer) > _MAX_ANSWER_BYTES:
            raise ConnectFailed(f"No valid answer from {proxy.where} to CONNECT {authority}. Check {PROXY_SETTING}.")
        answer += piece
    status = answer.partition(b"\r\n")[0].partition(b" ")[2].decode("ascii", "replace")
    if not status.startswith("2"):
        advice = "Set its user and password in" if status.startswith("407") else "Check"
        said = f"No connection to {authority}: {proxy.where} refuses it ({quote(status)})."
        raise ConnectFailed(f"{said} {advice} {PROXY_SETTING}.")
