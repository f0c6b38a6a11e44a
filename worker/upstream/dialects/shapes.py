"""Finding an error in JSON of any shape: the object that holds it, its words, its sentences, its status."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jobs.strict_json import dump_json

_INNER = (
    "error", "errors", "Error", "err", "base_resp", "base_response", "Response", "detail", "data", "message", "raw",
)  # fmt: skip
"""Fields whose object, or list of objects, may be the error itself."""

_WORDS = ("type", "code", "status", "Code", "error_type", "error_code", "status_code", "reason", "errorCode",
          "errcode")  # fmt: skip
_SENTENCES = ("message", "msg", "Message", "status_msg", "error_msg", "error_message", "detail", "errmsg",
              "error_description", "description", "reason", "title", "param", "loc", "raw")  # fmt: skip

_FINE_CODES = frozenset(("", "0", "200", "ok", "success", "none", "null", "20000"))
_FINE_SENTENCES = frozenset(("", "ok", "success", "succeed", "none", "null"))

_DEEPEST = 6
_MOST_SENTENCES, _LONGEST_SENTENCE = 16, 4096


def objects_of(found: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The object itself and those inside of it that may say more, the outermost first."""
    if depth > _DEEPEST:
        return
    if isinstance(found, list):
        for item in found[:5]:
            yield from objects_of(item, depth + 1)
    elif isinstance(found, Mapping):
        yield found
        for name, value in found.items():
            if name in _INNER or name in ("metadata", "details"):
                yield from objects_of(_unpacked(value), depth + 1)


def words_of(found: object) -> set[str]:
    """All codes and types in an error, in lower case."""
    if isinstance(found, str):
        return {found.lower()[:200]}
    words = set()
    for each in objects_of(found):
        words |= {str(each[name]).lower()[:200] for name in _WORDS if isinstance(each.get(name), str | int)}
    return words


def sentences_of(found: object) -> Iterator[str]:
    """What an error says to people. Of each sentence the beginning, and the first sentences: some errors repeat the
    whole prompt, and all of it is searched for words.
    """
    for sentence in islice(_sentences(found), _MOST_SENTENCES):
        yield sentence[:_LONGEST_SENTENCE]


def _sentences(found: object) -> Iterator[str]:
    if isinstance(found, str):
        yield found
    for each in objects_of(found):
        for name in (*_SENTENCES, "error", "type", "code"):
            value = each.get(name)
            if isinstance(value, list):
                value = ".".join(str(part) for part in value if isinstance(part, str | int))
            if isinstance(value, str) and value:
                yield value


def parameters_of(found: object) -> set[str]:
    """The parameters of the request that an error says, in a field for that, it is about."""
    named = {str(each.get("param") or "").strip() for each in objects_of(found)}
    return {name for name in named if name.lower() not in ("", "none", "null")}


def status_of(found: object) -> int | None:
    """The HTTP status that an error names, 400 to 599."""
    for each in objects_of(found):
        for name in ("code", "status", "status_code", "statusCode", "error_code", "http_status"):
            digits = str(each.get(name))
            if len(digits) == 3 and digits.isascii() and digits.isdigit() and "400" <= digits < "600":
                return int(digits)
    return None


def find_error(found: Mapping[str, Any]) -> object | None:
    """The error in a JSON object; None when it holds none. An error whose values are all empty is none."""
    for name in ("error", "errors", "Error", "err"):
        if not is_empty(found.get(name)):
            # Beside an error that is only words there may be its status.
            return found if isinstance(found[name], str) else found[name]
    if found.get("object") == "error" or found.get("type") == "error":
        return found
    for name in ("base_resp", "base_response"):
        if not is_empty(found.get(name)):
            return found[name]  # type: ignore[no-any-return]  # as above
    inner = found.get("Response")
    if isinstance(inner, Mapping) and not is_empty(inner.get("Error")):
        return inner["Error"]  # type: ignore[no-any-return]  # as above
    if found.get("choices") or "done" in found or is_empty(found):
        return _error_of_choice(found.get("choices"))
    if any(not _is_fine(found.get(name)) for name in ("code", "error_code", "errcode", "status_code", "error_type")):
        return found
    sentences = [
        value for name in ("message", "msg", "error_message", "detail") if not _is_well(value := found.get(name))
    ]
    return found if "choices" not in found and any(sentences) else None


def _error_of_choice(choices: object) -> object | None:
    """OpenRouter, "Errors and Debugging": a provider broke off, and what it had written stands beside that."""
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and not is_empty(choice.get("error")):
            return choice if isinstance(choice["error"], str) else choice["error"]
    return None


def is_empty(error: object, depth: int = 0) -> bool:
    """Whether an error says nothing: null, "", false, or an object whose values all are so, or say that all is well."""
    if depth > _DEEPEST:
        return False
    if isinstance(error, Mapping):
        return all(
            is_empty(value, depth + 1) or _is_fine(value) or str(value).strip().lower() in _FINE_SENTENCES
            for value in error.values()
        )
    if isinstance(error, list):
        return all(is_empty(item, depth + 1) for item in error)
    return error in (None, False, "", 0) or (isinstance(error, str) and error.strip().lower() in ("", "null", "none"))


def sentence_of(found: object) -> str:
    """What an error says, for a person: its sentence with its code, or all of it."""
    if isinstance(found, str):
        return found
    for each in objects_of(found):
        for name in _SENTENCES[:10]:
            sentence = each.get(name)
            if isinstance(sentence, str) and sentence.strip():
                named = [
                    f"{word} {each[word]}"
                    for word in ("type", "code", "status_code", "error_code", "status")
                    if isinstance(each.get(word), str | int) and not isinstance(each.get(word), bool)
                ]
                return sentence + (f" ({', '.join(named)})" if named else "")
        if isinstance(each.get("error"), str) and each["error"].strip():
            return str(each["error"])
    try:
        return dump_json(found, ascii_only=False, spaced=True)
    except (ValueError, RecursionError, TypeError):
        return "an error that cannot be read"


def _is_well(sentence: object) -> bool:
    return is_empty(sentence) or str(sentence).strip().lower() in _FINE_SENTENCES


def _is_fine(code: object) -> bool:
    return code is None or (isinstance(code, str | int) and str(code).strip().lower() in _FINE_CODES)


def _unpacked(value: object) -> object:
    """Some gateways put the JSON of the provider's error into a string."""
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value
