"""A simulated provider whose slots are taken: requests wait for them instead of being refused."""

import threading

from longhand.simulator import Pace
from tests.simulator.provided import SLOW, ask, provider, running
from tests.simulator.wire import receive_until


def test_a_queueing_server_refuses_nothing_and_writes_one_text_after_another() -> None:
    with provider(Pace(deltas_per_second=100, first_delta_seconds=0.05), slots=1) as simulator:
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(simulator).status_code)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = simulator.stats()
    assert answers == [200] * 4
    assert (stats["peak_running"], stats["completed"], stats["refused"]) == (1, 4, {})
    assert stats["peak_waiting"] >= 1


def test_a_waiting_request_whose_client_left_is_never_written() -> None:
    with provider(SLOW, slots=1) as simulator:
        with running(simulator, 1):
            with running(simulator, 2) as left:
                assert simulator.stats()["waiting"] == 2
                left[0].close()
                simulator.wait_until(lambda stats: stats["waiting"] == 1 and stats["clients_gone"] == 1)
            simulator.wait_until(lambda stats: stats["waiting"] == 0 and stats["running"] == 1)
        stats = simulator.wait_until(lambda stats: stats["running"] == 0)
    assert stats["clients_gone"] == 3


def test_what_waits_begins_when_slots_are_added() -> None:
    with provider(SLOW, slots=1) as simulator, running(simulator, 3) as connections:
        assert simulator.stats()["running"] == 1
        simulator.change_limits(slots=3)
        assert simulator.stats()["running"] == 3
        for connection in connections:
            receive_until(connection, b"200 OK")
