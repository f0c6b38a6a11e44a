"""A simulated provider that goes away and comes back."""

import socket

import httpx
import pytest

from longhand.simulator import Pace, ServedSimulator, serve_in_thread
from tests.simulator.wire import UNPACED, address, asking, ordering, post, receive_until

SLOW = Pace(deltas_per_second=20, first_delta_seconds=0)


def ask(simulator: ServedSimulator) -> httpx.Response:
    return httpx.post(f"{simulator.url}/chat/completions", json=ordering())


def test_nothing_listens_in_an_outage_and_what_was_running_is_cut() -> None:
    with serve_in_thread(SLOW) as simulator, socket.create_connection(address(simulator.url)) as connection:
        connection.sendall(post(asking("write 5000 words")))
        receive_until(connection, b'"content":"')
        simulator.go_away()
        with pytest.raises(httpx.ConnectError):
            ask(simulator)
        stats = simulator.stats()
        assert (stats["cut"], stats["running"], stats["clients_gone"]) == (1, 0, 0)
        with pytest.raises((ConnectionResetError, AssertionError)):
            receive_until(connection, b"[DONE]")
        simulator.come_back()
        assert ask(simulator).status_code == 200


def test_the_port_is_kept_through_an_outage() -> None:
    with serve_in_thread(UNPACED) as simulator:
        for _ in range(3):
            simulator.go_away()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address(simulator.url))
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(address(simulator.url))
            simulator.come_back()
            assert ask(simulator).status_code == 200


@pytest.mark.parametrize(
    ("status", "words"), [(500, "had an error"), (502, "Bad Gateway"), (503, "Loading model"), (529, "Overloaded")]
)
def test_a_server_can_answer_that_it_is_away(status: int, words: str) -> None:
    with serve_in_thread(UNPACED) as simulator:
        simulator.go_away(status)
        refused = ask(simulator)
        assert (refused.status_code, words in refused.text) == (status, True)
        assert httpx.get(f"{simulator.url}/models").status_code == status
        assert simulator.stats()["refused"] == {"outage": 1}
        simulator.come_back()
        assert ask(simulator).status_code == 200


def test_an_outage_can_be_ordered_over_http_and_ends_by_itself() -> None:
    with serve_in_thread(UNPACED) as simulator:
        server = simulator.url.removesuffix("/v1")
        answer = httpx.post(f"{server}/outage", json={"seconds": 0.2})
        assert answer.json() == {"seconds": 0.2, "status": None}
        simulator.wait_until(lambda stats: "outage_over" in stats["last"])
        assert ask(simulator).status_code == 200


def test_a_second_outage_changes_what_the_first_answers() -> None:
    with serve_in_thread(UNPACED) as simulator:
        simulator.go_away(503)
        simulator.go_away()
        simulator.go_away()
        with pytest.raises(httpx.ConnectError):
            ask(simulator)
        simulator.come_back()
        assert ask(simulator).status_code == 200
