"""Files that name several simulated providers: how they are read, and which are refused."""

from pathlib import Path

import pytest

from longhand.simulator.provider import ProviderError, read_upstreams


def test_a_file_names_several_providers(tmp_path: Path) -> None:
    path = tmp_path / "providers.toml"
    path.write_text(
        "[[upstream]]\nport = 9001\nrequests_per_minute = 60\nretry_after = true\n"
        "[[upstream]]\ncredit = 3\ndeltas_per_second = 100\n"
    )
    limited, poor = read_upstreams(path)
    assert (limited.port, limited.requests_per_minute, limited.retry_after) == (9001, 60, True)
    assert (poor.credit, poor.deltas_per_second) == (3, 100)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[[upstream]]\nrpm = 3", "rpm"),
        ("[[upstream]]\nport = 1\n[[upstream]]\nport = 1", "port 1"),
        ("upstream = []", "upstream"),
        ("[[upstream", "TOML"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path: Path, content: str | None, named: str) -> None:
    path = tmp_path / "providers.toml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ProviderError, match=named) as refused:
        read_upstreams(path)
    assert str(path) in str(refused.value)
