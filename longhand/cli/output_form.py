"""In which form results are written, and whether into a folder or into one file: as the name of the output says."""

import os
import re
from pathlib import Path

from jobs.model.article_names import NameBy
from longhand.client.errors import InputError
from longhand.words.catalogue import t

_FORMATS = ("md", "jsonl", "csv", "zip")
_LIKE_A_FILE = re.compile(r"[a-z]{1,8}")
"""How the name of a file ends, and that of a folder seldom: `articles.docx` was a folder of Markdown files, to the
surprise of whoever wanted to open it. A folder may be called `v1.2`."""


def form_of(output: str, form: str | None) -> tuple[str, bool]:
    """The form of the results, and whether `output` is to be one file: its name ends so, and it is no folder. Raises
    `InputError` if the name promises another form than the one that would be written.
    """
    ending = Path(output).suffix.lower().removeprefix(".")
    if not _LIKE_A_FILE.fullmatch(ending) or output.endswith(("/", os.sep)) or Path(output).is_dir():
        return form or "md", False
    if ending not in _FORMATS:
        raise InputError(t("results.no_such_file", file=output))
    if form not in (None, ending):
        raise InputError(t("results.two_forms", file=output, form=form))
    return ending, True


def check_form(form: str, resource_id: str) -> None:
    """Raises `InputError` if there is no such form, or none of such a resource."""
    if form not in _FORMATS:
        raise InputError(t("results.format", known=", ".join(_FORMATS), given=repr(form)))
    if not resource_id.startswith(("batch_", "job_")):
        raise InputError(t("id.unknown", id=repr(resource_id)))
    if form in ("csv", "zip") and resource_id.startswith("job_"):
        raise InputError(t("results.of_a_job", form=form))


def check_name_by(name_by: NameBy | None, form: str, *, is_file: bool) -> None:
    """Raises `InputError` if no file of an article is written that could be named so."""
    if name_by is not None and form != "zip" and (form != "md" or is_file):
        raise InputError(t("results.name_by"))
