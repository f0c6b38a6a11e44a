"""The options of `longhand submit`: metadata, rules for the text, and the time after which a job is deleted."""

import json
from pathlib import Path

import pytest

from api.submitting.fields import check_retention
from jobs.model.retention import Retention
from longhand.cli.submission import Options, read_submission
from longhand.cli.submit_options import parse_metadata, read_accept, read_expiry
from longhand.client.errors import InputError
from tests.stack.test_command_submission import written


def test_metadata_are_pairs() -> None:
    assert parse_metadata(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    with pytest.raises(InputError, match="--metadata takes key=value, not 'a'"):
        parse_metadata(["a"])


def test_rules_hold_for_a_prompt_and_for_a_whole_file(tmp_path: Path) -> None:
    options = Options(model="m-1", fields={"accept": {"min_words": 3}, "on_reject": "retry"})
    prompt = read_submission("Write about bees.", options).body
    batch = read_submission(written(tmp_path, "in.txt", "Bees\nTea\n"), options).body
    for body in (prompt, batch):
        assert (body["accept"], body["on_reject"]) == ({"min_words": 3}, "retry")
    assert all("accept" not in request["body"] for request in batch["requests"])


def test_a_period_after_the_end_holds_for_a_prompt_and_for_a_whole_file(tmp_path: Path) -> None:
    options = Options(model="m-1", fields={"expires_after": read_expiry("30d")})
    for source in ("Write about bees.", written(tmp_path, "in.txt", "Bees\nTea\n")):
        body = read_submission(source, options).body
        assert check_retention(body["expires_after"]) == Retention(30 * 86400, "ended_at")
    assert read_expiry(None) is None


@pytest.mark.parametrize("given", ["30", "30 days", "never", "59m", "999999d", ""])
def test_what_is_no_period_is_refused(given: str) -> None:
    with pytest.raises(InputError) as refused:
        read_expiry(given)
    assert str(refused.value).endswith(f"such as 12h or 30d, not {given!r}")


def test_rules_are_read_from_json_or_from_a_file(tmp_path: Path) -> None:
    rules = {"must_include": ["茶"], "ends_well": True}
    assert read_accept(json.dumps(rules)) == rules
    assert read_accept(written(tmp_path, "rules.json", json.dumps(rules, ensure_ascii=False))) == rules
    assert read_accept(None) is None
    for wrong in ("{", written(tmp_path, "list.json", "[]"), str(tmp_path / "none.json")):
        with pytest.raises(InputError, match="--accept takes"):
            read_accept(wrong)
