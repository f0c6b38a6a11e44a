"""Several commands from one start of an interpreter, for tests of how it starts: each is a fork of it."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_RUN_EACH = """
import os, sys
{before}
from longhand.cli.command import main
_, folder, *words = sys.argv
for number in range(words.count("--next")):
    end = words.index("--next")
    arguments, words = words[:end], words[end + 1 :]
    if not (command := os.fork()):
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(os.path.join(folder, str(number) + "." + name), os.O_WRONLY | os.O_CREAT), descriptor)
        sys.argv = ["longhand", *arguments]
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(command, 0)[1]), flush=True)
"""


def run_each(
    commands: Sequence[Sequence[str]], environ: Mapping[str, str], folder: Path, before: str = ""
) -> list[subprocess.CompletedProcess[bytes]]:
    """Run each command to its end, after one start with this environment and this code `before` the command's own."""
    words = [word for arguments in commands for word in (*arguments, "--next")]
    ran = subprocess.run(
        [sys.executable, "-P", "-c", _RUN_EACH.format(before=before), str(folder), *words],
        env=dict(environ),
        cwd=folder,
        stdout=subprocess.PIPE,
        check=True,
    )
    codes = [int(line) for line in ran.stdout.splitlines()]
    assert len(codes) == len(commands)
    return [
        subprocess.CompletedProcess(
            list(arguments), code, *((folder / f"{number}.{name}").read_bytes() for name in ("out", "err"))
        )
        for number, (arguments, code) in enumerate(zip(commands, codes, strict=True))
    ]
