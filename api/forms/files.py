"""A file as the API shows it."""

from typing import Any

from api.forms.jobs import whole_seconds
from jobs.store.files import File


def file_json(file: File) -> dict[str, Any]:
    """OpenAI's File object; times are whole Unix seconds."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": whole_seconds(file.created_at),
        "expires_at": whole_seconds(file.expires_at),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }
