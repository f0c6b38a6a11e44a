"""Which objects of a class are still there.

`gc.get_objects` says so as well, but it shows objects that another thread is just making, and Python may crash.
"""

from typing import Any
from weakref import WeakSet

import pytest


class Instances:
    """Those that are made from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
        self.made = 0
        self.alive: WeakSet[object] = WeakSet()
        make = kind.__init__  # type: ignore[misc]  # of this class alone

        def noted(of: object, *arguments: Any, **named: Any) -> None:
            make(of, *arguments, **named)
            self.made += 1
            self.alive.add(of)

        monkeypatch.setattr(kind, "__init__", noted)
