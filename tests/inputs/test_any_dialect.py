"""Kind O: a line of a batch file means the same in every dialect, and what was read otherwise is noted."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.submitting.bodies import read_fields
from api.submitting.checks import check_item
from jobs.inputs.mistakes import Notes
from jobs.intake.submission import NewJob

URLS = [
    "/v1/chat/completions",
    "/chat/completions",
    "/openai/deployments/x/chat/completions?api-version=2024-10-21",
    "https://api.openai.com/v1/chat/completions",
    None,
]
PROMPT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
EXTRA = st.dictionaries(st.sampled_from(["enable_thinking", "top_k", "provider"]), st.booleans() | st.integers(0, 9))


def read(line: dict[str, Any]) -> tuple[NewJob, Notes]:
    """The job of a line, and what was noted of it."""
    notes = Notes()
    content = json.dumps(line).encode()
    return check_item(read_fields(content, ""), "", NewJob({}), notes, 1, of_file=True, needs_custom_id=True), notes


@given(
    url=st.sampled_from(URLS),
    method=st.sampled_from(["POST", "post", None]),
    custom_id=st.integers(0, 10**12) | st.text("abc-_", min_size=1, max_size=12),
    prompt=PROMPT,
    extra=EXTRA,
    in_extra_body=st.booleans(),
)
def test_a_line_means_the_same_in_every_dialect(
    url: str | None, method: str | None, custom_id: int | str, prompt: str, extra: dict[str, Any], in_extra_body: bool
) -> None:
    body = {"model": "m-1", "messages": [{"role": "user", "content": prompt}]}
    plain = {"custom_id": str(custom_id), "method": "POST", "url": URLS[0], "body": {**body, **extra}}
    written = {**body, "extra_body": extra} if in_extra_body else {**body, **extra}
    line: dict[str, Any] = {"custom_id": custom_id, "body": written}
    line |= {name: value for name, value in (("url", url), ("method", method)) if value is not None}
    expected, nothing = read(plain)
    found, notes = read(line)
    assert found == expected
    assert found.request["messages"] == body["messages"]
    assert nothing.as_json() == []
    if isinstance(custom_id, int) or url not in (URLS[0], None) or (in_extra_body and extra):
        assert notes.as_json()  # what was read otherwise is said
