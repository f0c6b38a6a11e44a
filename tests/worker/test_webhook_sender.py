"""One webhook on its way: signed, to no address but a global one, and never for longer than its time."""

import asyncio
import ssl
from datetime import UTC, datetime
from ipaddress import ip_network

import pytest
import trustme
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

import worker.webhooks.sender
from jobs.webhooks.addresses import (
    ReceiverRefusedError,
    check_addresses,
    check_url,
    is_permitted,
    look_up,
)
from jobs.webhooks.deliveries import Outcome
from tests.store.store_fixtures import START
from tests.upstream.test_tls import serving
from tests.worker.receiving import LOOPBACK, SECRET, TAKEN, delivery_to, receiving, send
from worker.webhooks.sender import MOST_ANSWER_BYTES, Sender, sign

REFUSED = {
    "loopback": "127.0.0.1",
    "loopback elsewhere": "127.8.9.1",
    "private 10": "10.1.2.3",
    "private 172": "172.16.0.1",
    "private 192": "192.168.1.1",
    "shared": "100.64.0.1",
    "link-local, metadata": "169.254.169.254",
    "unspecified": "0.0.0.0",  # noqa: S104  # it is refused
    "this network": "0.1.2.3",
    "broadcast": "255.255.255.255",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "documentation": "203.0.113.5",
    "loopback 6": "::1",
    "unspecified 6": "::",
    "mapped loopback": "::ffff:127.0.0.1",
    "mapped metadata": "::ffff:a9fe:a9fe",
    "mapped global": "::ffff:8.8.8.8",
    "compatible": "::127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "local NAT64": "64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "unique local": "fd00:ec2::254",
    "link-local 6": "fe80::1",
    "link-local 6 with its scope": "fe80::1%eth0",
    "site-local": "fec0::1",
    "multicast 6": "ff02::1",
    "global multicast 6": "ff0e::1",
    "documentation 6": "2001:db8::1",
    "the metadata service of a cloud": "192.0.0.192",
    "another service of a cloud": "168.63.129.16",
    "6to4 relays": "192.88.99.1",
    "newer documentation 6": "3fff::1",
    "segment routing": "5f00::1",
}


@pytest.mark.parametrize("address", REFUSED.values(), ids=REFUSED.keys())
def test_an_address_that_is_not_global_is_refused_and_not_connected_to(address: str) -> None:
    assert not is_permitted(address, ())
    got = send("http://app.example/hook", find=lambda *_: [address], allowed=())
    assert got.status is None
    assert got.error is not None
    assert f"{address} is not a global one" in got.error


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111"])
def test_a_global_address_is_permitted(address: str) -> None:
    assert is_permitted(address, ())


def test_one_bad_address_among_good_ones_refuses_the_name() -> None:
    with pytest.raises(ReceiverRefusedError, match=r"10\.0\.0\.1"):
        check_addresses(["8.8.8.8", "10.0.0.1"], ())
    with pytest.raises(ReceiverRefusedError, match="no address"):
        check_addresses([], ())


def test_an_allowed_network_permits_its_addresses_and_no_others() -> None:
    allowed = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert is_permitted("10.1.2.3", allowed)
    assert is_permitted("fd00::1", allowed)
    for address in ("192.168.0.1", "::ffff:10.1.2.3", "127.0.0.1", "fe80::1"):
        assert not is_permitted(address, allowed)


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.1", "017700000001", "localhost", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_this_machine_by_any_spelling_is_refused(host: str) -> None:
    got = send(f"http://{host}/hook", allowed=())
    assert (got.status, "is not a global one" in str(got.error)) == (None, True), got


@pytest.mark.parametrize(
    "url",
    [
        "ftp://app.example/", "https://", "app.example/hook", "https://user:word@app.example/", "https://app.example/#a",
        "https://app.example:0/", "https://app.example:port/", "https://app.exam ple/", "https://app.example\\@10.0.0.1/",
        "https://app.example/\r\nx: y", "https://äpp.example/", "https://app.example/" + "a" * 2000, "file:///etc/passwd",
    ],
)  # fmt: skip
def test_what_is_no_url_for_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ReceiverRefusedError):
        check_url(url)


def test_a_name_that_changes_its_answer_is_connected_to_where_it_was_checked() -> None:
    """It is asked once: the second answer, for whoever would ask again, is an address that is refused."""
    with receiving() as receiver:
        answers = [["127.0.0.1"], ["169.254.169.254"]]
        asked = []

        def find(host: str, port: int) -> list[str]:
            asked.append(host)
            return answers.pop(0)

        assert send(f"http://app.example:{receiver.port}/hook", find=find) == Outcome(204)
        assert asked == ["app.example"]
        [request] = receiver.received
        assert request.headers["host"] == f"app.example:{receiver.port}"
        changed = send(f"http://app.example:{receiver.port}/hook", find=find)
        assert "169.254.169.254 is not a global one" in str(changed.error)
        assert len(receiver.received) == 1


def test_a_request_is_signed_as_the_specification_says() -> None:
    other = "whsec_b3RoZXI="
    now = datetime.now(UTC)
    headers = sign(delivery_to("https://app.example/", secrets=(SECRET, other)), now)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, other):
        assert Webhook(secret).verify('{"id":"evt_1"}', headers) == {"id": "evt_1"}
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify('{"id":"evt_2"}', headers)


def test_no_redirect_is_followed() -> None:
    with receiving() as inward:
        moved = f"HTTP/1.1 307 Moved\r\nlocation: {inward.url}\r\ncontent-length: 0\r\n\r\n".encode()
        with receiving(moved) as receiver:
            assert send(receiver.url) == Outcome(307)
            assert len(receiver.received) == 1
        assert inward.received == []


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert send(receiver.url) == Outcome(204)
        assert (len(proxy.received), len(receiver.received)) == (0, 1)


ENDLESS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nnever\r\n"


def test_an_answer_without_end_is_its_status() -> None:
    with receiving(ENDLESS) as receiver:
        assert send(receiver.url) == Outcome(200)


@pytest.mark.parametrize(
    "answer",
    [None, b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1"],
    ids=["hangs", "stops in the status", "stops in the head", "hints only"],
)
def test_a_receiver_that_does_not_answer_is_given_up_in_time(
    answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.webhooks.sender, "TOTAL_SECONDS", 0.3)
    with receiving(answer) as receiver:
        assert send(receiver.url) == Outcome(error="no answer within 0.3 s")
        assert len(receiver.received) == 1


def test_a_name_server_that_hangs_costs_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.webhooks.sender, "TOTAL_SECONDS", 0.3)
    with receiving() as receiver:

        def find(_host: str, _port: int) -> list[str]:
            receiver.freed.wait(60)
            return []

        assert send(receiver.url, find=find) == Outcome(error="no answer within 0.3 s")


@pytest.mark.parametrize(
    "answer", [b"nonsense\r\n\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\nx:" + b"a" * 300_000 + b"\r\n\r\n"]
)
def test_an_answer_that_is_none_is_a_failure(answer: bytes) -> None:
    with receiving(answer) as receiver:
        got = send(receiver.url)
    assert got.status is None
    assert str(got.error).startswith("no valid answer")


@pytest.mark.parametrize("hint", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n"])
def test_hints_before_an_answer_are_read_up_to_a_bound(hint: bytes) -> None:
    few, many = hint * 100, hint * (MOST_ANSWER_BYTES // len(hint) + 400)
    with receiving(few + TAKEN, many + TAKEN) as receiver:
        assert send(receiver.url) == Outcome(204)
        assert send(receiver.url) == Outcome(error="no valid answer: no end within 32 KiB")
        assert len(receiver.received) == 2


def test_a_port_where_nobody_listens_is_a_failure() -> None:
    with receiving() as receiver:
        pass
    assert str(send(receiver.url).error).startswith("no connection")


@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_is_checked_against_the_name(trusted: bool) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def story() -> Outcome:
        certificate = authority.issue_cert("app.example" if trusted else "other.example")
        async with serving(certificate, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") as server:
            sender = Sender(LOOPBACK, context, lambda *_: ["127.0.0.1"])
            return await sender.send(delivery_to(f"https://app.example:{server.port}/hook"), START)

    got = asyncio.run(story())
    assert (got.status == 200) is trusted
    assert trusted or "certificate" in str(got.error)


def test_a_name_without_an_address_is_a_failure() -> None:
    def find(_host: str, _port: int) -> list[str]:
        raise OSError

    assert "without an address" in str(send("http://app.example/", find=find).error)
    with pytest.raises(OSError, match="no host name"):
        look_up("a" * 70 + ".example", 80)
