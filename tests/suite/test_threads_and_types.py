"""Types that several threads may be the first to use: msgspec 0.22 may end the process if it does not know them yet."""

import subprocess
import sys

import pytest

from tests.stack.running_up import ROOT

_BEGIN_TOGETHER = """
import sys, threading
sys.setswitchinterval(1e-6)
import msgspec
from {module} import {name}
together = threading.Barrier(8)

value = {value}

def use():
    together.wait()
    msgspec.convert(value, {name})

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        ("jobs.pace.state", "State", "msgspec.to_builtins(State(at=1.0))"),
        ("longhand.simulator.orders", "ChatRequest", '{"messages": [{"role": "user", "content": "x"}], "model": "m"}'),
        ("longhand.simulator.orders", "Orders", "msgspec.to_builtins(Orders())"),
    ],
)
def test_threads_that_are_the_first_to_use_a_type_do_not_end_the_process(module: str, name: str, value: str) -> None:
    """An API died when two requests were the first to ask how the upstreams do."""
    code = _BEGIN_TOGETHER.format(module=module, name=name, value=value)
    for _ in range(3):
        ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr) == (0, "")


def test_nothing_else_is_converted_to_a_type_of_its_own() -> None:
    """Whoever adds a place adds its type above; `make` of the simulator's settings is called by one thread."""
    places = {
        path.relative_to(ROOT).as_posix()
        for room in ("api", "jobs", "worker", "longhand")
        for path in (ROOT / room).rglob("*.py")
        if "msgspec.convert(" in path.read_text() or "json.decode(" in path.read_text()
    }
    assert places == {"jobs/pace/lane.py", "longhand/simulator/orders.py", "longhand/simulator/provider.py"}
