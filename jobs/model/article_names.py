"""What the file of an article is called: by its place in the input and its custom id, safe on any system."""

import re
import unicodedata

_UNSAFE = re.compile(r"[^\w.-]+")


def article_stem(number: int, custom_id: str | None, job_id: str) -> str:
    """The name of an article's file without its end. `number` counts from 1."""
    return f"{number:04}-{safe_name(custom_id or job_id)}"


def safe_name(name: str) -> str:
    """`name` as a part of a file name on any system: letters, digits, `_`, `-` and inner dots, at most 80 bytes."""
    plain = _UNSAFE.sub("-", unicodedata.normalize("NFC", name)).strip("-.")
    return plain.encode()[:80].decode(errors="ignore").strip("-.") or "article"
