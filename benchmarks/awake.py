"""Cores that never sleep: what runs on them is measured without what waking up costs on this machine."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cores_awake() -> Iterator[None]:
    """Keep each core busy with what gives way to everything else (`SCHED_IDLE`)."""
    spawning = multiprocessing.get_context("spawn")
    spinning = [spawning.Process(target=_spin, args=(core,), daemon=True) for core in os.sched_getaffinity(0)]
    try:
        for one in spinning:
            one.start()
        yield
    finally:
        for one in spinning:
            one.kill()
            one.join()


def _spin(core: int) -> None:
    os.sched_setaffinity(0, {core})
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    while True:
        pass
