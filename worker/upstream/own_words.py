"""The words of a request itself, which its refusal may repeat: they say nothing of the upstream.

Providers quote the model, a parameter's value, a tool's name or the prompt in what they refuse. A user may write
anything there, so whatever is read from an upstream's words is asked here first: words that stand in the request, too,
are proof of nothing that others would have to pay for.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property

_NOT_LETTERS = bytes(byte for byte in range(128) if not chr(byte).isalnum())
_NOT_ASCII = bytes(range(128, 256))

_MOST_SEARCHED = 1 << 28
"""So many bytes are searched for one request, in a quarter of a second: the worker's other streams wait meanwhile."""

_USAGE = frozenset(("include_usage",))
_ROLES = frozenset(("role", "system", "developer", "user", "assistant", "tool", "function"))
"""Words that every request has: one of them is the name of a parameter."""

_DEEPEST = 8
"""Nobody looks deeper into an error."""


class OwnWords:
    """All strings of one request: values, names of fields, prompts. They are gathered when somebody asks."""

    def __init__(self, request: Mapping[str, object] | None = None) -> None:
        self._request = request or {}
        self._known: dict[str, bool] = {}
        self._left = _MOST_SEARCHED

    def have(self, words: str) -> bool:
        """Whether these words stand in the request. Only letters and digits are compared, so quotes, escapes, lines
        and capitals may differ; and a provider may have shortened what stands around them.
        """
        if words not in self._known:
            self._left -= len(self._values[1])
            # An error that has so many of these words to look for in so long a request is an echo.
            self._known[words] = self._left < 0 or self.have_in_values(words) or _is_in(words, self._names)
        return self._known[words]

    def have_in_values(self, words: str) -> bool:
        """The same without the names of the request's own parameters, which a refusal rightly names."""
        return _is_in(words, self._values)

    def name(self, field: str) -> bool:
        """Whether a field is called so, at any depth."""
        return field in self._fields

    @cached_property
    def _values(self) -> tuple[bytes, bytes]:
        return _joined(self._strings())

    @cached_property
    def _names(self) -> tuple[bytes, bytes]:
        return _joined(str(name) for name in self._request)

    @cached_property
    def _fields(self) -> frozenset[str]:
        return frozenset([*self._request, *self._strings()])

    def _strings(self) -> Iterator[str]:
        for name, value in self._request.items():
            # Longhand asks for usage itself, and a refusal of that is no echo of the user.
            own = {"stream_options": _USAGE, "messages": _ROLES}.get(name, frozenset())
            yield from (each for each in _strings(value) if each not in own)


NO_WORDS = OwnWords()


def without_own_objects(found: object, own: OwnWords, depth: int = 0) -> object:
    """The JSON of an error without those strings that are JSON and stand in the request: they would be read as what
    the upstream says of itself.
    """
    if isinstance(found, str):
        return "" if found.lstrip()[:1] == "{" and own.have(found) else found
    if depth > _DEEPEST:
        return found
    if isinstance(found, Mapping):
        return {name: without_own_objects(value, own, depth + 1) for name, value in found.items()}
    if isinstance(found, list):
        return [without_own_objects(value, own, depth + 1) for value in found]
    return found


def _is_in(words: str, known: tuple[bytes, bytes]) -> bool:
    letters = _letters(words)
    # A provider may write another sign for what is no ASCII, so that alone is compared if there is any.
    ascii_letters = letters.translate(None, _NOT_ASCII)
    return ascii_letters in known[0] if ascii_letters else bool(letters) and letters in known[1]


def _joined(strings: Iterator[str]) -> tuple[bytes, bytes]:
    """Only the ASCII letters and digits of all of them, and all of their letters."""
    letters = b"".join(_letters(string) for string in strings)
    return letters.translate(None, _NOT_ASCII), letters


def _letters(string: str) -> bytes:
    return string.casefold().encode("utf-8", "surrogatepass").translate(None, _NOT_LETTERS)


def _strings(value: object) -> Iterator[str]:
    """The strings in a JSON value and the names of its fields, in their order; it may be of any depth."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            left += [part for item in reversed(list(each.items())) for part in reversed(item)]
        elif isinstance(each, list | tuple):
            left += reversed(each)
