"""The socket that the API accepts on."""

import socket
import sys

GONE_SECONDS = 8
"""A client that acknowledges nothing for this long is gone: counted from the first unacknowledged byte, or from its
last sign of life when nothing is sent. At worst it is freed after 17 s. A live client that reads nothing for as long is
cut too, and resumes with its cursor.
"""
_PROBE_SECONDS = 3
SEND_BYTES = 128 * 1024
"""What the kernel keeps of an answer that its client does not read. Left to itself it keeps up to 4 MB of each, and no
budget counts them: 400 strangers who asked for a file of the page and read nothing held 920 MB. A client 100 ms away
still gets more than a megabyte a second.
"""


def listen(host: str, port: int, *, share_port: bool) -> socket.socket:
    """A socket that accepts; the port 0 is a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=2048, reuse_port=share_port)
    # What is accepted inherits what is set here. A client whose machine or network is gone says no goodbye: without
    # these its watch stays for hours when nothing is sent to it, and for a quarter of an hour when something is.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_SECONDS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_SECONDS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000)
    return listener
