"""No key and no password of the settings is told, in no error and no repr."""

import pytest

from tests.store.reading_settings import KEY, PASSWORD, _nothing_is_set, key_of, load, problems

__all__ = ["_nothing_is_set"]  # a fixture


@pytest.mark.parametrize("name", ["LONGHAND_UPSTREAM_API_KEY", "OPENAI_API_KEY"])
def test_the_key_is_in_no_repr(name: str) -> None:
    settings = load({name: KEY})
    assert key_of(settings) == KEY
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert KEY not in shown


def test_the_key_is_in_no_error() -> None:
    lines = problems({"OPENAI_API_KEY": KEY, "LONGHAND_STREAMS": "0", "LONGHAND_UPSTREAM_KEY": KEY})
    assert len(lines) == 2
    assert not any(KEY in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LONGHAND_DATABASE_URL", f"mysql://user:{PASSWORD}@host/db"),
        ("LONGHAND_REDIS_URL", f"http://user:{PASSWORD}@host"),
        ("LONGHAND_UPSTREAM_URL", f"https://user:{PASSWORD}@host/v1"),
        ("LONGHAND_UPSTREAM_URL", f"host/v1?key={PASSWORD}"),
        ("OPENAI_BASE_URL", f"host/v1?key={PASSWORD}"),
    ],
)
def test_a_password_or_key_in_a_url_is_in_no_error(name: str, value: str) -> None:
    [line] = problems({name: value})
    assert line.startswith(name)
    assert PASSWORD not in line


def test_a_password_or_key_in_a_url_is_in_no_repr() -> None:
    settings = load(
        {
            "LONGHAND_DATABASE_URL": f"postgresql://user:{PASSWORD}@host/db",
            "LONGHAND_REDIS_URL": f"redis://:{PASSWORD}@host",
            "LONGHAND_UPSTREAM_URL": f"https://host/v1?key={PASSWORD}",
        }
    )
    assert PASSWORD in settings.database
    assert PASSWORD not in repr(settings) + str(settings)
