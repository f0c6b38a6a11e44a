"""A file as the API shows it."""

from typing import Any

from jobs.store.files import File


def file_json(file: File) -> dict[str, Any]:
    """OpenAI's File object; times are whole Unix seconds."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": int(file.expires_at.timestamp()) if file.expires_at else None,
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }
