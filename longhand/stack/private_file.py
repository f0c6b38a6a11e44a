"""Files of a home that nobody else may read."""

from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, even if it existed before."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
