"""An upstreams file counts as soon as it is right, without a restart; a wrong one changes nothing."""

import logging
import os
from pathlib import Path

import pytest

from jobs.settings import SettingsError
from jobs.upstreams import UpstreamSource
from tests.upstreams.files import GOOD, settings_of

TWO = GOOD + '[[upstream]]\nname = "two"\nurl = "http://two.example/v1"\n'


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A file and its source, with a clock of their own."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "upstreams.toml"
        self.file.write_text(text)
        self.clock = Clock()
        self.source = UpstreamSource(settings_of(upstreams=self.file), clock=self.clock)

    def names(self) -> list[str]:
        """The upstreams in force."""
        return [spec.name for spec in self.source.current().specs]

    def wait(self, seconds: float = 1) -> None:
        """Let this time pass."""
        self.clock.now += seconds


def test_a_changed_file_counts_once_two_looks_have_found_the_same(tmp_path: Path) -> None:
    watched = Watched(tmp_path, GOOD)
    watched.file.write_text(TWO)
    assert watched.names() == ["one"]
    watched.wait()
    assert watched.names() == ["one"]
    watched.wait()
    assert watched.names() == ["one", "two"]


def test_a_file_that_is_still_being_written_is_not_read(tmp_path: Path) -> None:
    watched = Watched(tmp_path, GOOD)
    for length in (10, 60, len(TWO) - 5):  # each would be wrong, or would lack an upstream
        watched.file.write_text(TWO[:length])
        watched.wait()
        assert watched.names() == ["one"]
    watched.file.write_text(TWO)
    for _ in range(2):
        watched.wait()
        watched.names()
    assert watched.names() == ["one", "two"]
    assert watched.source.mistakes == ()


def test_an_unchanged_file_keeps_the_very_same_object(tmp_path: Path) -> None:
    watched = Watched(tmp_path, GOOD)
    before = watched.source.current()
    watched.file.write_text(GOOD + "# a comment\n")
    for _ in range(3):
        watched.wait()
        assert watched.source.current() is before


def test_a_wrong_file_leaves_the_old_one_in_force_and_each_mistake_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched(tmp_path, GOOD)
    with caplog.at_level(logging.INFO):
        watched.file.write_text(GOOD + "tier = -1\nweight = 0\n")
        for _ in range(4):
            watched.wait()
            assert watched.names() == ["one"]
        assert [mistake.line for mistake in watched.source.mistakes] == [4, 5]
        watched.file.write_text(GOOD + "tier = -1\n")
        for _ in range(2):
            watched.wait()
            assert watched.names() == ["one"]
        assert [mistake.line for mistake in watched.source.mistakes] == [4]
    errors = [record.getMessage() for record in caplog.records]
    assert len(errors) == 2
    assert "line 4: tier must be" in errors[0]
    assert "line 5: weight must be" in errors[1]
    watched.file.write_text(TWO)
    for _ in range(2):
        watched.wait()
        watched.names()
    assert watched.names() == ["one", "two"]
    assert watched.source.mistakes == ()


def test_a_file_that_is_gone_leaves_the_old_one_in_force(tmp_path: Path) -> None:
    watched = Watched(tmp_path, GOOD)
    watched.file.unlink()
    for _ in range(2):
        watched.wait()
        assert watched.names() == ["one"]
    [mistake] = watched.source.mistakes
    assert str(mistake) == "the file cannot be read: No such file or directory"


def test_a_file_that_is_replaced_through_a_link_counts(tmp_path: Path) -> None:
    """As Kubernetes does it with what it mounts."""
    watched = Watched(tmp_path, GOOD)
    (tmp_path / "new").write_text(TWO)
    (tmp_path / "link").symlink_to("new")
    (tmp_path / "link").replace(watched.file)
    for _ in range(2):
        watched.wait()
        watched.names()
    assert watched.names() == ["one", "two"]


def test_a_changed_key_file_counts(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("first")
    watched = Watched(
        tmp_path, GOOD + 'api_key_file = "key"\nheaders = { "x-key" = "file:other" }\n'.replace("other", "key")
    )
    (tmp_path / "next").write_text("second\n")
    (tmp_path / "next").replace(key)
    for _ in range(2):
        watched.wait()
        watched.names()
    [spec] = watched.source.current().specs
    assert spec.api_key is not None
    assert spec.api_key.get_secret_value() == "second"
    assert spec.headers["x-key"].get_secret_value() == "second"
    key.unlink()
    for _ in range(2):
        watched.wait()
        watched.names()
    assert [mistake.line for mistake in watched.source.mistakes] == [4, 5]


def test_the_file_is_looked_at_no_more_than_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(tmp_path, GOOD)
    looks: list[Path] = []
    stat = Path.stat

    def counting(path: Path, **options: bool) -> os.stat_result:
        looks.append(path)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", counting)
    for _ in range(100):
        watched.wait(0.05)
        watched.names()
    assert 4 <= looks.count(watched.file) <= 5


def test_at_the_start_a_wrong_file_is_refused_with_every_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        Watched(tmp_path, GOOD + "tier = -1\nweight = 0\n")
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"LONGHAND_UPSTREAMS: {tmp_path}/upstreams.toml, line 4: tier must be")
    assert lines[1].startswith(f"LONGHAND_UPSTREAMS: {tmp_path}/upstreams.toml, line 5: weight must be")


def test_what_describes_one_upstream_is_said_to_be_unused_beside_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LONGHAND_UPSTREAM_URL", "https://unused.example/v1")
    watched = Watched(tmp_path, GOOD)
    assert watched.names() == ["one"]
    assert "LONGHAND_UPSTREAM_URL not used: LONGHAND_UPSTREAMS declares the upstreams" in caplog.text
