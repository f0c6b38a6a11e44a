"""`python -m benchmarks.loops PATH...`: whether the loop guard finds loops, and finds none where there are none.

It reads each different UTF-8 text of at least 4 kB below the paths, also gzipped, as if a model had written it. Each
alarm is printed. Then it lets each text end with a loop, a piece of it of 8 to 2,000 bytes again and again, and says
how soon that was cut. Last, what the guard costs, with and without it by turns.
"""

import argparse
import gzip
import random
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from worker.loop_guard import LONGEST_PERIOD, SHORTEST_PERIOD, SHORTEST_TEXT, STEP, LoopGuard, find_loop
from worker.upstream.errors import Repetition

AFTER_THIRD = 2048
_DELTA_BYTES = 5
_LONGEST_BEFORE = 16_384
"""The loop is put behind so much of a text."""
_TURNS = 7


@dataclass
class Found:
    """What a run has seen."""

    documents: int = 0
    bytes: int = 0
    non_latin: int = 0
    alarms: list[str] = field(default_factory=list)
    looped: int = 0
    in_time: int = 0
    rows: int = 0
    missed: list[str] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


def texts_of(paths: list[Path]) -> Iterator[tuple[Path, bytes]]:
    """Each different text of enough bytes."""
    seen: set[bytes] = set()
    for root in paths:
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            text = _read(path) if path.is_file() and not path.is_symlink() else b""
            digest = sha256(text).digest()
            if len(text) >= SHORTEST_TEXT and digest not in seen:
                seen.add(digest)
                yield path, text


def _read(path: Path) -> bytes:
    try:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return b"" if b"\0" in text else text.decode().encode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):
        return b""


def find_alarm(text: bytearray) -> tuple[int, str] | None:
    """Where a text is cut, and how."""
    for end in range(SHORTEST_TEXT, len(text) + 1, STEP):
        loop = find_loop(text, end)
        if loop is not None:
            words = bytes(text[loop.start : loop.start + min(loop.period, 60)])
            return end, f"byte {loop.start}, period {loop.period}: {words.decode('utf-8', 'replace')!r}"
    return None


def add_loop(found: Found, path: Path, text: bytes, chance: random.Random) -> None:
    """Let a text end with a loop, and note when that is cut."""
    before = text[:_LONGEST_BEFORE].decode("utf-8", "ignore")
    size = chance.randint(SHORTEST_PERIOD, LONGEST_PERIOD)
    start = chance.randrange(len(before))
    period = before[start : start + size].encode()[:size].decode("utf-8", "ignore").encode()
    if len(period) < SHORTEST_PERIOD:
        return
    if 2 * sum(map(str.isalpha, period.decode())) < len(period.decode()):
        found.rows += 1
        return
    begun = len(before.encode())
    cut = find_alarm(bytearray(before.encode() + period * (3 + 2 * AFTER_THIRD // len(period) + 2)))
    found.looped += 1
    third = max(begun + 3 * len(period), SHORTEST_TEXT)
    if cut is None or cut[0] > third + AFTER_THIRD:
        found.missed.append(f"{path}: period {len(period)}, {cut}")
    else:
        found.in_time += 1
        found.after.append(cut[0] - third)


def nanoseconds(texts: list[bytes]) -> tuple[float, float]:
    """What a delta costs without and with the guard: the least of several turns."""
    without, guarded = [], []
    for _ in range(_TURNS):
        without.append(_time(texts, lambda text: lambda piece: text.extend(piece.encode())))
        guarded.append(_time(texts, _guarded))
    return min(without), min(guarded)


def _guarded(text: bytearray) -> Callable[[str], None]:
    return LoopGuard("text", text, lambda piece: text.extend(piece.encode())).add


def _time(texts: list[bytes], adder: Callable[[bytearray], Callable[[str], None]]) -> float:
    spent = deltas = 0
    for text in texts:
        words = text.decode()
        pieces = [words[at : at + _DELTA_BYTES] for at in range(0, len(words), _DELTA_BYTES)]
        add = adder(bytearray())
        begun = time.thread_time_ns()
        try:
            for piece in pieces:
                add(piece)
        except Repetition:
            continue
        spent += time.thread_time_ns() - begun
        deltas += len(pieces)
    return spent / max(1, deltas)


def main() -> None:
    """Read the paths and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    chance = random.Random(given.seed)  # no secret: it must repeat
    found = Found()
    sample: list[bytes] = []
    for path, text in texts_of(given.paths):
        found.documents += 1
        found.bytes += len(text)
        found.non_latin += sum(byte >= 0xE0 for byte in text[:SHORTEST_TEXT]) > SHORTEST_TEXT // 10
        alarm = find_alarm(bytearray(text))
        if alarm is not None:
            found.alarms.append(f"{path}: {alarm[1]}")
        add_loop(found, path, text, chance)
        if chance.random() < 0.01 and len(sample) < 100:
            sample.append(text[: 1 << 17])
    print(*found.alarms, sep="\n")
    print(f"{found.documents:,} documents, {found.bytes / 1e6:,.0f} MB; {found.non_latin:,} mostly of other scripts")
    print(f"{len(found.alarms)} false alarms")
    print(*found.missed[:20], sep="\n")
    after = sorted(found.after)
    print(f"{found.in_time:,} of {found.looped:,} loops cut within 2 kB after the third repetition", end="")
    print(f" (median {after[len(after) // 2]:,} bytes, most {after[-1]:,}); {found.rows:,} rows without words left out")
    without, guarded = nanoseconds(sample)
    print(f"{without:.0f} ns per delta without the guard, {guarded:.0f} with it")


if __name__ == "__main__":
    main()
