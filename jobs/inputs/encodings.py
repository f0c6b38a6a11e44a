"""Finds the encoding of a text and converts the text to UTF-8.

What is not valid in its encoding stays invalid in the UTF-8 that is given, so that the row it is in can be named.
"""

import codecs
import io
import re
from dataclasses import dataclass

from jobs.inputs.guesses import guess_encoding
from jobs.inputs.mistakes import MistakeError

_PIECE_BYTES = 1024 * 1024
_SAMPLE_BYTES = 64 * 1024
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before that of UTF-16, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
_NAMES = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "utf-32-le": "UTF-32 LE",
    "utf-32-be": "UTF-32 BE",
    "gb18030": "GB18030",
    "big5": "Big5",
    "big5hkscs": "Big5 (HKSCS)",
    "cp950": "Big5",
    "cp932": "Shift_JIS",
    "cp949": "EUC-KR",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1252": "Windows-1252",
}
_WIDE = frozenset(name for name in _NAMES if name.startswith(("utf-16", "utf-32")))
# What people name and spreadsheets do not mean: the larger set is what Windows writes.
_SUPERSETS = {
    "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "shift_jis": "cp932",
    "euc_kr": "cp949", "iso8859-1": "cp1252", "ascii": "utf-8", "utf-8-sig": "utf-8",
}  # fmt: skip
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]+")


@dataclass(frozen=True, slots=True)
class Encoding:
    codec: str
    bom: int = 0
    """How many bytes its mark at the beginning has."""
    is_guess: bool = False
    """Nothing but the text itself says so."""

    @property
    def name(self) -> str:
        """The name that people know it by."""
        return _NAMES.get(self.codec, self.codec)


def encoding_named(name: str) -> Encoding:
    """The encoding of this name. Raises `MistakeError`."""
    try:
        info = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        info = None
    if info is None or not getattr(info, "_is_text_encoding", True):
        remedy = "take one such as utf-8, utf-16, gb18030, big5, shift_jis or windows-1252"
        raise MistakeError("unknown_encoding", f"{name[:40]!r} is no encoding", remedy, param="encoding")
    codec = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(info.name, info.name)
    return Encoding(_SUPERSETS.get(codec, codec))


def find_encoding(file: io.BufferedReader, named: str | None = None, *, is_json: bool = False) -> Encoding:
    """The encoding of a file, which stays where it is. All of it is looked at, of a pipe the beginning only.

    A text that is mostly UTF-8 is UTF-8: what is wrong in it is found where it is read. So is JSON with a single byte
    that is not: its standard knows no other encoding. Raises `MistakeError` for a name that is none.
    """
    head = file.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]
    given = None if named is None else encoding_named(named)
    for mark, codec in _BOMS:
        if head.startswith(mark) and (given is None or given.codec[:6] == codec[:6]):
            return Encoding(codec, len(mark))
    if given is not None:
        return given
    wide = _find_wide(head)
    if wide is not None:
        return Encoding(wide, is_guess=True)
    odd = _find_odd(file, head)
    if odd is None:
        return Encoding("utf-8")
    good = len(_MULTIBYTE.findall(odd))
    bad = sum(map(len, _HIGH.findall(_MULTIBYTE.sub(b"", odd))))
    if good > 2 * bad or (is_json and bad < 2):
        return Encoding("utf-8")
    return Encoding(guess_encoding(odd), is_guess=True)


def open_utf8(file: io.BufferedReader, encoding: Encoding) -> io.BufferedReader:
    """The text in UTF-8, from its beginning and without its mark. To close it does not close the file."""
    file.read(encoding.bom)
    return io.BufferedReader(_Utf8(file, encoding.codec), _PIECE_BYTES)


def _find_wide(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a mark: every other byte of a comma, a digit or a line feed is 0."""
    if b"\x00" not in head:
        return None
    zeros = [head[place::4].count(0) for place in range(4)]
    quarter = max(len(head) // 4, 1)
    if zeros[3] >= quarter * 0.95 and zeros[2] >= quarter * 0.9:
        return "utf-32-le"
    if zeros[0] >= quarter * 0.95 and zeros[1] >= quarter * 0.9:
        return "utf-32-be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if max(even, odd) < 0.3 * len(head) and _is_utf8(head):
        return None  # a text in UTF-8 that happens to have a NUL in it
    if odd > 10 * even:
        return "utf-16-le"
    return "utf-16-be" if even > 10 * odd else None


def _find_odd(file: io.BufferedReader, head: bytes) -> bytes | None:
    """The piece of a text in which it is not UTF-8; None when all of it is."""
    if not file.seekable():
        return None if _is_utf8(head) else head
    start = file.tell()
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while True:
            at = file.tell()
            piece = file.read(_PIECE_BYTES)
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                file.seek(max(at + error.start - _SAMPLE_BYTES // 2, start))
                return file.read(_SAMPLE_BYTES)
            if not piece:
                return None
    finally:
        file.seek(start)


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # which does not mind where it is cut
    except UnicodeDecodeError:
        return False
    return True


class _Utf8(io.RawIOBase):
    """A text as UTF-8. Bytes that are not valid in its encoding come out as bytes that are not valid here."""

    def __init__(self, file: io.BufferedReader, codec: str) -> None:
        super().__init__()
        self._file = file
        self._errors = "surrogatepass" if codec in _WIDE else "surrogateescape"
        self._decoder = None if codec == "utf-8" else codecs.getincrementaldecoder(codec)(self._errors)
        self._ready = b""
        self._has_ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what the stubs have serves other callers
        while not self._ready and not self._has_ended:
            piece = self._file.read1(_SAMPLE_BYTES)
            self._has_ended = not piece
            self._ready = piece if self._decoder is None else self._encode(self._decoder, piece)
        taken = self._ready[: len(buffer)]
        self._ready = self._ready[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _encode(self, decoder: codecs.IncrementalDecoder, piece: bytes) -> bytes:
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError:  # UTF-16 that is cut in the middle of a character
            text, self._has_ended = "\udcff", True
        return text.encode("utf-8", self._errors)
