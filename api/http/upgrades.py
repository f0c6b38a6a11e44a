"""A request that asks for another protocol is read as one that does not: RFC 9110, 7.8 lets a server leave that aside.

Java's client asks so in its first request to each host. httptools takes all that follows such a head for the other
protocol, and uvicorn for the next request: behind a proxy, a stranger's body would have been a request of the next
client, with its key.
"""

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.http.heads import Headers


class WithoutUpgrades(HttpToolsProtocol):
    """uvicorn's connection. A head for which `asks_for_upgrade` holds comes again without that, before its body."""

    def asks_for_upgrade(self) -> bool:
        """Whether the head, or the message, that the parser has just read is to be left aside."""
        return bool(self.parser.should_upgrade()) and self.parser.get_method() != b"CONNECT"

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        while data and not self.transport.is_closing():
            try:
                self.parser.feed_data(data)
            except HttpParserUpgrade as asked:
                if not self.asks_for_upgrade() or self.transport.is_closing():
                    return  # it is refused
                head = _head_without_upgrade(self.parser, self.url, self.headers)
                data = head + data[asked.args[0] :]
                self.parser = HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            except HttpParserError:
                self.send_400_response("Invalid HTTP request received.")
                return
            else:
                return


def _head_without_upgrade(parser: HttpRequestParser, url: bytes, headers: Headers) -> bytes:
    lines = [parser.get_method() + b" " + url + b" HTTP/" + parser.get_http_version().encode("ascii")]
    for name, value in headers:
        if name == b"connection":
            others = [token for token in value.split(b",") if token.strip().lower() != b"upgrade"]
            lines.append(b"connection: " + b",".join(others))
        elif name != b"upgrade":
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])
