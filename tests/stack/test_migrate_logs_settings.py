"""`longhand migrate`, `logs` and `settings`, which work on a home and need no running server."""

import json
from pathlib import Path

from tests.conftest import free_port
from tests.stack.running_up import environ_of, longhand


def test_migrate_makes_the_database_and_may_be_repeated(tmp_path: Path) -> None:
    environ = environ_of(tmp_path / "home", {})
    for _ in range(2):
        ran = longhand("migrate", environ=environ)
        assert (ran.returncode, ran.stdout) == (0, "the database is at the newest revision\n")
    assert (tmp_path / "home" / "longhand.db").exists()


def test_a_database_that_cannot_be_migrated_is_one_line(tmp_path: Path) -> None:
    environ = environ_of(tmp_path, {"LONGHAND_DATABASE_URL": f"postgresql://127.0.0.1:{free_port()}/none"})
    ran = longhand("migrate", environ=environ)
    assert ran.returncode == 1
    assert ran.stderr.startswith("longhand: the database could not be migrated: ")
    assert len(ran.stderr.splitlines()) == 1


def test_the_logs_of_a_home_are_shown_and_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "api.log").write_text("".join(f"line {number}\n" for number in range(50)))
    (tmp_path / "logs" / "worker-1.log").write_text("begun\x1b[2J\n")
    environ = environ_of(tmp_path, {})
    assert longhand("logs", "api", "-n", "2", environ=environ).stdout == "line 48\nline 49\n"
    assert longhand("logs", "-n", "1", environ=environ).stdout == "api: line 49\nworker-1: begun[2J\n"
    refused = longhand("logs", "wroker", environ=environ)
    assert refused.returncode == 2
    assert refused.stderr.endswith("no log 'wroker'; there are: api, worker-1\n")


def test_settings_are_shown_without_a_secret(tmp_path: Path) -> None:
    canary = "canary-8d1f"
    environ = environ_of(
        tmp_path,
        {
            "LONGHAND_UPSTREAM_URL": f"https://user.example/v1?key={canary}",
            "LONGHAND_UPSTREAM_API_KEY": canary,
            "LONGHAND_API_KEY": f"lh_{canary}",
            "LONGHAND_UPSTREAM_HEADERS": json.dumps({"x-key": canary}),
            "LONGHAND_DATABASE_URL": f"postgresql://user:{canary}@db.example/name",
            "LONGHAND_REDIS_URL": f"redis://:{canary}@redis.example",
        },
    )
    for arguments in (["settings"], ["settings", "--json"]):
        shown = longhand(*arguments, environ=environ)
        assert shown.returncode == 0
        assert canary not in shown.stdout + shown.stderr
        assert "db.example" in shown.stdout
