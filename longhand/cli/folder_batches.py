"""Which batches' articles lie in a folder: a hidden file beside them has a line with the id of each."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from longhand.cli.new_files import NewFiles
from longhand.client.errors import InputError
from longhand.words.catalogue import t

NOTE = ".longhand-batches"

MayMix = Callable[[Sequence[str]], bool]
"""Whether articles may be put beside those of these other batches."""


class FolderBatches:
    """Those of one folder, into which a batch or a job is to be written: `refuse_unless` comes first, `put_note` last.
    You may put single jobs anywhere; they are not noted.
    """

    def __init__(self, folder: Path, resource_id: str) -> None:
        self._folder = folder
        self._id = resource_id
        self._noted = _read_note(folder / NOTE) if resource_id.startswith("batch_") else None

    def refuse_unless(self, may_mix: MayMix) -> None:
        """Raises `InputError` if only others have articles here, and these must not be mixed."""
        if self._noted is None or self._id in self._noted:
            return
        if not any(self._folder.glob("*.md")):
            self._noted = []  # nothing is left of the others
        if self._noted and not may_mix(self._noted):
            raise InputError(t("results.of_another", folder=self._folder, other=self._noted[-1], id=self._id))

    def put_note(self, files: NewFiles) -> None:
        """Write down that this batch has articles here."""
        if self._noted is not None and self._id not in self._noted:
            files.write(NOTE, "".join(f"{one}\n" for one in (*self._noted, self._id)))


def _read_note(file: Path) -> list[str] | None:
    """The ids in the hidden file; None if it is none of Longhand's: then it is left alone."""
    try:
        ids = file.read_text().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        return None
    return ids if all(re.fullmatch(r"batch_\w+", one) for one in ids) else None
