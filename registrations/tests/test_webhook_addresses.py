"""Which URLs webhooks may have, and which addresses they reach."""

from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from threading import Event

import pytest

from registrations.webhooks import addresses
from registrations.webhooks.addresses import (
    AddressNotAllowed,
    check_addresses,
    is_global,
    look_up,
    parse,
    url_errors,
)


def codes(url: str) -> list[str]:
    return [error.code for error in url_errors(url)]


@pytest.fixture
def names(monkeypatch):
    """Names that resolve, without a name server."""
    known: dict[str, list[str]] = {}

    def resolve(host, *args, **kwargs):
        if host not in known:
            raise OSError("unknown")
        return [(2, 1, 6, "", (text, 0)) for text in known[host]]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", resolve)
    return known


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1",
        "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.7",
        "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1", "fc00::1",
        "fd00::1", "fec0::1", "ff02::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1",
        "2002:7f00:1::", "2002:a00:1::", "3fff::1", "5f00::1", "64:ff9b::7f00:1",
        "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1:fffe::808:808",
    ],
)  # fmt: skip
def test_an_inner_address_is_not_global(text):
    assert not is_global(ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "2a00::1"],
)
def test_a_public_address_is_global(text):
    assert is_global(ip_address(text))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.example/a?b=c", []),
        ("https://hooks.example:443/", []),
        ("HTTPS://Hooks.Example", []),
        ("https://müller.example/", []),
        ("https://8.8.8.8/", []),
        ("http://hooks.example/", ["https_required"]),
        ("https://hooks.example:8443/", ["port_not_allowed"]),
        ("http://hooks.example:8080/", ["https_required", "port_not_allowed"]),
        ("https://user:secret@hooks.example/", ["has_credentials"]),
        ("https://user@hooks.example/", ["has_credentials"]),
        ("https://@hooks.example/", ["has_credentials"]),
        ("https://127.0.0.1/", ["address_not_allowed"]),
        ("https://127.1/", ["address_not_allowed"]),
        ("https://0x7f000001/", ["address_not_allowed"]),
        ("https://2130706433/", ["address_not_allowed"]),
        ("https://0177.0.0.1/", ["address_not_allowed"]),
        ("https://[::1]/", ["address_not_allowed"]),
        ("https://[::ffff:10.0.0.1]/", ["address_not_allowed"]),
        ("https://inner.example/", ["address_not_allowed"]),
        ("https://mixed.example/", ["address_not_allowed"]),
        ("https://inner.example./", ["address_not_allowed"]),
        *(
            (url, ["invalid"])
            for url in (
                "", "hooks.example", "ftp://a.example/", "https://", "https:///a", "//a.example",
                "https://a b.example/", "https://a.example/ ", "https://a.example/\n", "https://[::1",
                "https://a.example:99999/", "https://a.example:0/", "https://a.example:x/",
                "https://a.example/#part", "https://a..example/", "https://-a.example/",
                "https://[fe80::1%25eth0]/", "https://%31.example/", "https://a.example\\@b.example/",
                "https://a.example/\u00e9", "https://999.1.1.1/", "https://1.2.3.4.5/",
                "javascript:alert(1)", "https://" + "a" * 64 + ".example/", "https://\u2603\ufffd/",
                "https://a.example/\x00",
            )
        ),
    ],
)  # fmt: skip
def test_url_is_checked_when_it_is_saved(names, url, expected):
    names["inner.example"] = ["10.0.0.1"]
    names["mixed.example"] = ["8.8.8.8", "fd00::1"]
    names["127.0.0.1"] = ["127.0.0.1"]

    assert codes(url) == expected


def test_opened_networks_allow_http_and_every_port(names, settings):
    settings.WEBHOOK_NETWORKS = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
    names["inner.example"] = ["10.0.0.1", "fd00::1"]
    names["half.example"] = ["10.0.0.1", "8.8.8.8"]

    assert codes("http://inner.example:8080/") == []
    assert codes("https://inner.example/") == []
    assert codes("http://10.1.2.3:1/") == []
    assert codes("http://[fd00::2]:1/") == []
    assert codes("http://half.example/") == ["https_required"]
    assert codes("https://half.example/") == []
    assert codes("http://127.0.0.1:8080/") == [
        "https_required",
        "port_not_allowed",
        "address_not_allowed",
    ]
    assert codes("http://unknown.example/") == ["https_required"]


def test_every_address_of_a_name_is_checked_before_a_connection(names):
    names["mixed.example"] = ["8.8.8.8", "10.0.0.1"]
    target = parse("https://mixed.example/")

    with pytest.raises(AddressNotAllowed):
        check_addresses(target, look_up(target.host))


def test_an_address_that_ipv6_maps_is_that_of_ipv4(settings):
    settings.WEBHOOK_NETWORKS = [ip_network("10.0.0.0/8")]
    target = parse("http://[::ffff:10.0.0.1]:8080/")

    assert check_addresses(target, look_up(target.host)) == [ip_address("10.0.0.1")]


def test_a_public_address_without_https_needs_an_opened_network(names):
    names["hooks.example"] = ["8.8.8.8"]

    with pytest.raises(AddressNotAllowed):
        check_addresses(parse("http://hooks.example/"), look_up("hooks.example"))


def test_a_name_server_that_hangs_stops_one_request_at_a_time(monkeypatch):
    begun, ended = Event(), Event()

    def hang(host, *args, **kwargs):
        begun.set()
        ended.wait(10)
        raise OSError("unknown")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", hang)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(codes, "https://slow.example/")
        begun.wait(10)
        meanwhile = codes("https://other.example/"), codes("https://10.0.0.1/")
        is_waiting = not first.done()
        ended.set()

    assert meanwhile == ([], ["address_not_allowed"])
    assert is_waiting
    assert first.result() == []
