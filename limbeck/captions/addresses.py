"""Which addresses a picture may be fetched from: those of the public internet alone.

Requests made on behalf of a URL in a table must not reach what only this machine can reach: itself, its neighbours, the
metadata service of its cloud (server-side request forgery, OWASP).
"""

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Thread

from limbeck.captions.skipped import PassingError, SkippedError

Resolver = Callable[[str, int], Sequence[str]]  # host, port → addresses

NAT64 = ip_network("64:ff9b::/96")
TUNNELS = (ip_network("2002::/16"), ip_network("2001::/32"))  # 6to4, Teredo: IPv4 in disguise
HOST_AGENT = ip_address("168.63.129.16")  # where Azure's machines reach their host, though the address is a public one


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, whichever way it is written or wrapped."""
    try:
        return _is_public(ip_address(address))
    except ValueError:
        return False


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return _is_public(ip.ipv4_mapped)
        if ip in NAT64:
            return _is_public(IPv4Address(int(ip) & 0xFFFFFFFF))
        if ip.is_site_local or ip.scope_id or any(ip in tunnel for tunnel in TUNNELS):
            return False
    special = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved
    return ip.is_global and not special and not ip.is_unspecified and ip != HOST_AGENT


def system_resolver(host: str, port: int) -> list[str]:
    """All addresses that the system's resolver knows; it also reads 2130706433, 0177.1 and 0x7f.1 as addresses."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def checked(host: str, port: int, resolve: Resolver, seconds: float) -> list[str]:
    """The addresses of a host, each of them public; `SkippedError` if even one is not, or none is found in time."""
    answer: Future[Sequence[str]] = Future()

    def ask() -> None:
        try:
            answer.set_result(resolve(host, port))
        except Exception as error:
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()  # a resolver knows no time limit: one that hangs is left behind
    try:
        addresses = list(dict.fromkeys(answer.result(seconds)))
    except TimeoutError:
        raise PassingError("timed out") from None
    except (OSError, UnicodeError):
        raise SkippedError("unknown host") from None
    if not addresses:
        raise SkippedError("unknown host")
    if not all(map(is_public, addresses)):
        raise SkippedError("address not public")
    return addresses
