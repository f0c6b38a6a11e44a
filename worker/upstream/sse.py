"""Server-sent events from bytes that may be cut anywhere.

Follows "Parsing an event stream" and "Interpreting an event stream" of the WHATWG HTML standard, for the one field that
completions use, `data`. It works on bytes: CR and LF are never part of a longer UTF-8 character, and U+2028 is no line
end here, unlike in `str.splitlines`.

More lenient than the standard, because upstreams are: a line that is a whole JSON object is an event, with `data:` in
front of it or without; an `error:` line is an error, and so are the data of an event named `error`.
"""

import re

from worker.upstream.errors import URL_SETTING, LineTooLong
from worker.upstream.sse_objects import Looks, as_error, is_object

BOM = b"\xef\xbb\xbf"
DONE = b"[DONE]"

_MAX_STRAY = 4096

MOST_SILENT_BYTES = 16 << 20
"""So much may come in a row without any event. Comments keep a connection open and cost CPU: 236 MB of them fit into
300 kB of gzip."""

_FIELDS = re.compile(rb"(?:data:\s*)*")
_BOMS = re.compile(rb"(?:\xef\xbb\xbf)+")
"""Where two streams are joined, a BOM stands in the middle."""
_HARMLESS = re.compile(rb"(?!error)[a-z][\w.-]*(?::|$)|<!--.*-->\s*$|(?!.*[a-z\x80-\xff]{3})", re.IGNORECASE)
"""A field that the standard does not know, a comment, or nothing that has words: brackets, a number, zero bytes."""
_LIKE_DATA = re.compile(rb"\W*(?:\w+\]\s*)?data\s*:\s*(?=\{)", re.IGNORECASE)
"""A field `data` that is not written as it should be: after a space or a zero byte, as `Data:` or `[stream] data:`."""


class SSEParser:
    """Feed it bytes, get the `data` payloads of the events that are complete.

    No line and no event may be longer than `max_line_bytes`: one byte more raises `LineTooLong`, so the memory used is
    bounded by the cap and the size of one chunk.
    """

    __slots__ = (
        "_at_start",
        "_data",
        "_has_data",
        "_is_careful",
        "_is_error",
        "_is_over",
        "_line",
        "_line_looks",
        "_looks",
        "_max_line_bytes",
        "_most_silent_bytes",
        "_silent_bytes",
        "_skip_lf",
        "_stray_looks",
        "is_astray",
        "stray",
    )

    def __init__(self, max_line_bytes: int = 1 << 20) -> None:
        self._max_line_bytes = max_line_bytes
        self._most_silent_bytes = max(MOST_SILENT_BYTES, max_line_bytes)
        # The unfinished line and the unfinished event. Bytearrays, so that what arrives in many small chunks is neither
        # copied nor searched again, and takes no more memory than its bytes.
        self._line = bytearray()
        self._data = bytearray()
        self._has_data = False
        self._at_start = True
        self._is_careful = True
        """The next bytes are not taken for the usual ones."""
        self._skip_lf = False
        self._is_error = False
        self._silent_bytes = 0
        self._looks = Looks()
        self._stray_looks = Looks()
        self._line_looks = Looks()
        self.stray = b""
        """The last of what came between the events and is none, for an error's message."""
        self.is_astray = False
        """Behind the last event, or right before `[DONE]`, stands what is none: another server's words, in all
        likelihood."""
        self._is_over = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads of the events that `chunk` completes, in order."""
        if (
            chunk[:6] == b"data: "
            and chunk[-2:] == b"\n\n"
            and not (self._line or self._has_data or self._is_careful or self._skip_lf or self._is_error)
            and b"\r" not in chunk
            and len(chunk) <= self._max_line_bytes
        ):
            # The usual chunk: whole events of one `data` line each, and so two LFs for each of them.
            payloads = chunk[6:-2].split(b"\n\ndata: ")
            if chunk.count(b"\n") == 2 * len(payloads):
                self._silent_bytes = 0
                return payloads
        if self._at_start:
            chunk = self._without_bom(chunk)
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            # A CR ends its line at once; an LF that comes with the next chunk belongs to it.
            self._skip_lf = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        payloads = self._take_lines(chunk)
        self._silent_bytes = 0 if payloads else self._silent_bytes + len(chunk)
        if self._silent_bytes > self._most_silent_bytes:
            raise LineTooLong(
                f"The upstream sent {self._most_silent_bytes} bytes in a row without any event, which no completion"
                f" does. Check {URL_SETTING}."
            )
        return payloads

    def close(self) -> list[bytes]:
        """The payloads that the end of the body completes.

        The standard drops an event without its blank line. Some servers leave the last one out, so an event whose lines
        all ended counts, and so does an unended line of `[DONE]` or of a whole JSON object.
        """
        boms = _BOMS.match(self._line)
        line = bytes(self._line[boms.end() :] if boms else self._line)
        self._line.clear()
        if not line:
            return self._dispatch()
        value = strip_fields(line)
        is_whole = is_object(value) or (value == DONE and line.startswith(b"data:"))
        if is_whole and not (self._has_data and not is_object(self._data)):
            return [*self._dispatch(), value]
        return []

    def _without_bom(self, chunk: bytes) -> bytes:
        head = bytes(self._line) + chunk
        if len(head) < len(BOM) and BOM.startswith(head):
            self._line[:] = head
            return b""
        self._at_start = self._is_careful = False
        self._line.clear()
        return head.removeprefix(BOM)

    def _take_lines(self, chunk: bytes) -> list[bytes]:
        first, *rest = chunk.split(b"\n")
        self._line += first
        self._check(len(self._line))
        if not rest:
            return []
        payloads = self._take_line(bytes(self._line))
        self._follow(payloads)
        self._line[:] = rest.pop()
        for line in rest:
            self._check(len(line))
            if found := self._take_line(line):
                self._follow(found)
                payloads += found
        self._check(len(self._line))
        return payloads

    def _follow(self, payloads: list[bytes]) -> None:
        """What was astray before these was none of the end."""
        if payloads and not self._is_over:
            self._is_over = payloads[-1] == DONE
            if not self._is_over or len(payloads) > 1:
                self.is_astray = self._is_careful = False

    def _take_line(self, line: bytes) -> list[bytes]:
        if not line:
            return self._dispatch()
        if line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            if value.startswith(b"data:"):
                value = strip_fields(value)
        elif line == b"data":
            value = b""
        else:
            return self._take_other_line(line)
        whole = self._dispatch() if self._data == DONE or self._is_whole() else []
        if self._has_data:
            self._data += b"\n"
        self._has_data = True
        self._data += value
        self._check(len(self._data))
        return whole

    def _take_other_line(self, line: bytes) -> list[bytes]:
        if line.startswith((b":", b"id", b"retry")):
            return []
        if (boms := _BOMS.match(line)) is not None:
            return self._take_line(line[boms.end() :])
        if line.strip() == DONE:
            return [*self._dispatch(), DONE]
        if line.startswith(b"event:"):
            whole = self._dispatch() if self._is_whole() else []
            self._is_error = line[6:].strip() == b"error"
            return whole
        if line.startswith(b"error:"):
            return [*self._dispatch(), as_error(line[6:].strip())]
        if self._line_looks.see_object(line):
            self._line_looks.forget()
            return [*self._dispatch(), line]
        return self._take_stray_line(line)

    def _take_stray_line(self, line: bytes) -> list[bytes]:
        if (like := _LIKE_DATA.match(line)) is not None:
            return self._take_line(b"data:" + line[like.end() :])
        if b'"choices"' in line and b'"delta"' in line and self.stray[:1] != b"{":
            return [*self._dispatch(), line]  # a chunk behind what nobody knows: its reader refuses it, or text is lost
        if not (self._is_over or _HARMLESS.match(line)):
            self.is_astray = self._is_careful = True
        # It may be a JSON object of several lines.
        if self.stray[:1] != b"{":
            self.stray = b""
            self._stray_looks.forget()
        self.stray = (self.stray + b"\n" + line if self.stray else line)[-_MAX_STRAY:]
        if self._stray_looks.see_object(self.stray):
            payload, self.stray = self.stray, b""
            return [*self._dispatch(), payload]
        return []

    def _is_whole(self) -> bool:
        """Whether the unfinished event is one that only lacks its blank line."""
        return self._looks.see_object(self._data)

    def _dispatch(self) -> list[bytes]:
        self._looks.forget()
        is_error, self._is_error = self._is_error, False
        if not self._has_data:
            return []
        self._line_looks.forget()
        payload = bytes(self._data)
        self._data.clear()
        self._has_data = False
        return [as_error(payload) if is_error else payload]

    def _check(self, length: int) -> None:
        if length > self._max_line_bytes:
            raise LineTooLong(
                f"The upstream sent a line or an event of more than {self._max_line_bytes} bytes, which no chunk of a"
                f" completion has. Check {URL_SETTING}."
            )


def strip_fields(payload: bytes) -> bytes:
    """What a line or a payload holds without `data:` in front of it; some gateways write that twice."""
    payload = payload.strip()
    fields = _FIELDS.match(payload)
    return payload[fields.end() :] if fields else payload
