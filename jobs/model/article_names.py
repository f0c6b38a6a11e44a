"""What the file of an article is called: by its place in the input and its name, safe on any system."""

import re
import unicodedata
from enum import StrEnum

_LOOKED_AT = 2000


class NameBy(StrEnum):
    """What names an article's file first."""

    CUSTOM_ID = "custom_id"
    HEADING = "heading"
    ID = "id"


def article_stem(number: int, custom_id: str | None, job_id: str, text: str = "", name_by: NameBy | None = None) -> str:
    """The name of an article's file without its end: by its custom id, else its first heading, as the page calls it,
    else by its job; what `name_by` says comes first. `number` counts from 1.
    """
    first = {NameBy.HEADING: heading_of(text), NameBy.ID: job_id}.get(name_by) if name_by else None
    return f"{number:04}-{safe_name(first or custom_id or heading_of(text) or job_id)}"


def export_stem(resource_id: str, name: object) -> str:
    """The name of a file with all results of a batch or a job. The end of the id keeps apart two of one name."""
    return f"{safe_name(str(name))}-{resource_id[-6:]}" if name else safe_name(resource_id)


def heading_of(text: str) -> str:
    """The first heading near the beginning of a text, without its marks; empty without one."""
    *lines, _ = text[:_LOOKED_AT].split("\n")
    for line in lines:
        marked = line.lstrip(" ")
        level = len(marked) - len(marked.lstrip("#"))
        if len(line) - len(marked) < 4 and 0 < level < 7 and marked[level : level + 1] in {" ", "\t"}:
            return marked[level:].strip().rstrip("#").strip()
    return ""


def safe_name(name: str) -> str:
    """`name` as a part of a file name on any system: letters, digits, `_`, `-` and inner dots, at most 80 bytes.

    It does not end in `.partial`, as only the names of incomplete texts do.
    """
    letters = (letter if _is_safe(letter) else "/" for letter in unicodedata.normalize("NFC", name))
    plain = re.sub("/+", "-", "".join(letters)).strip("-.")
    short = plain.encode()[:80].decode(errors="ignore").strip("-.")
    return re.sub(r"\.(?=partial$)", "-", short, flags=re.IGNORECASE) or "article"


def _is_safe(letter: str) -> bool:
    """Vowel signs are marks, without which a word in Hindi or Thai is another one."""
    return letter.isalnum() or letter in "_.-" or unicodedata.category(letter) in ("Mn", "Mc")
