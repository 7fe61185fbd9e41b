"""Which addresses may be fetched from: held against every special range there is, however it is written."""

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.captions.addresses import checked, is_public, system_resolver
from limbeck.captions.skipped import PassingError, SkippedError

# IANA's registries of special-purpose addresses, and multicast: none of these is the public internet.
SPECIAL_4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",
]
SPECIAL_6 = [
    "::/128",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/32",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "100.63.255.255", "100.128.0.0", "2606:4700::1111", "2a00:1450::5"]
SAMPLES = {
    "loopback": [
        "127.0.0.1",
        "127.1.2.3",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "64:ff9b::7f00:1",
        "::127.0.0.1",
    ],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "100.100.100.200", "2002:a9fe:a9fe::1"],
    "not an address": [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4.5",
        "2130706433",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "::g",
        "1.2.3.4 ",
    ],
    "scoped": ["fe80::1%eth0", "2606:4700::1111%eth0"],
}


def inside(networks):
    """Addresses of these networks, their first and last ones among them."""
    nets = [ipaddress.ip_network(n) for n in networks]
    each = [st.integers(int(n[0]), int(n[-1])).map(type(n[0])) for n in nets]
    edges = st.sampled_from([a for n in nets for a in (n[0], n[-1])])
    return st.one_of(edges, *each)


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet(address):
    assert is_public(address)


@pytest.mark.parametrize("address", [address for kind in SAMPLES.values() for address in kind])
def test_what_is_not_public(address):
    assert not is_public(address)


@given(inside(SPECIAL_4))
def test_no_special_address_in_any_wrapping(ip):
    number = int(ip)
    wrapped = [
        f"::ffff:{ip}",
        str(ipaddress.IPv6Address(0xFFFF << 32 | number)),
        str(ipaddress.IPv6Address(number)),  # IPv4-compatible, as in the first years of IPv6
        str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | number << 80)),
    ]
    assert not any(map(is_public, [str(ip), *wrapped]))


@given(inside(SPECIAL_6))
def test_no_special_address_of_the_new_kind(ip):
    assert not is_public(str(ip))
    assert not is_public(ip.exploded)


@given(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address))
def test_public_means_in_no_special_network(ip):
    special = any(ip in ipaddress.ip_network(n) for n in [*SPECIAL_4, "192.0.0.0/24", "192.88.99.0/24"])
    assert is_public(str(ip)) <= (not special)
    if not special:
        assert is_public(str(ip))
        assert is_public(f"::ffff:{ip}"), "the same address, written otherwise"


@given(st.text(max_size=30))
def test_texts_that_are_no_addresses_are_refused_not_stumbled_over(text):
    assert is_public(text) in (True, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "127.1", "0", "localhost", "::1"])
def test_whatever_the_system_reads_as_this_machine_is_refused(host):
    try:
        found = system_resolver(host, 80)
    except OSError:  # no IPv6 here, or a resolver that reads no such form: then nothing can be reached by it either
        found = []
    assert not any(map(is_public, found))
    with pytest.raises(SkippedError, match=r"address not public|unknown host"):
        checked(host, 80, system_resolver, 10)


def test_one_private_address_among_public_ones_is_enough():
    with pytest.raises(SkippedError, match="address not public"):
        checked("two.example", 80, lambda host, port: ["93.184.216.34", "10.0.0.1"], 5)


def test_public_addresses_are_handed_on_once_each_in_order():
    found = checked("many.example", 80, lambda host, port: ["8.8.8.8", "1.1.1.1", "8.8.8.8"], 5)
    assert found == ["8.8.8.8", "1.1.1.1"]


def unknown(host, port):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("resolve", [unknown, lambda host, port: []])
def test_unknown_hosts(resolve):
    with pytest.raises(SkippedError, match="unknown host"):
        checked("nowhere.example", 80, resolve, 5)


def test_a_resolver_that_hangs_costs_no_more_than_the_time_there_is():
    done = threading.Event()
    with pytest.raises(PassingError, match="timed out"):
        checked("slow.example", 80, lambda host, port: done.wait(30) and [], 0.2)
    done.set()
