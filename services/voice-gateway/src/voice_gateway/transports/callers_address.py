"""Tells a caller's own address, which proxies hide. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import unquote

Network = IPv4Network | IPv6Network
FORWARDED = "x-forwarded-for"


class Proxies:
    """The proxies that are believed about whom they forward."""

    def __init__(self, networks: str = "") -> None:
        """`networks` is a list of addresses and networks, with commas or spaces."""
        self._networks: Sequence[Network] = [
            ip_network(each) for each in networks.replace(",", " ").split()
        ]

    def caller(self, peer: str, forwarded: str) -> str:
        """The caller's address: `forwarded` lists it and the proxies on the way, the last last.

        What a caller itself wrote into that list stands before what a proxy added, so that only
        what trusted proxies vouch for is believed.
        """
        caller = peer
        hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
        while hops and self._trusts(caller):
            hop = hops.pop()
            if _parsed(hop) is None:
                break
            caller = hop
        return caller

    def _trusts(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed


def grpc_peer(peer: str) -> str:
    """The address of gRPC's `ipv4:192.0.2.7:5060` or `ipv6:[2001:db8::1]:5060`; else empty."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")
