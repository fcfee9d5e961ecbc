"""Internet addresses: GoogleSQL's NET functions.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/net_functions
"""

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_SIZES = (4, 16)


def _host(url: str) -> str | None:
    netloc = urlsplit(url.strip() if "//" in url else f"//{url.strip()}").netloc
    return netloc.rpartition("@")[2].partition(":")[0] or None


def _address(text: str | None, safe: bool | None) -> bytes | None:  # noqa: FBT001
    try:
        return None if text is None else ipaddress.ip_address(text).packed
    except ValueError:
        if safe:
            return None
        raise ValueError(f"Invalid IP address: {text}") from None


def _address_text(packed: bytes) -> str:
    _check(packed)
    if len(packed) == _SIZES[1]:
        address = ipaddress.IPv6Address(packed)
        return f"::ffff:{address.ipv4_mapped}" if address.ipv4_mapped else str(address)
    return str(ipaddress.ip_address(packed))


def _mask(size: int, prefix: int) -> bytes:
    if size not in _SIZES or not 0 <= prefix <= 8 * size:
        raise ValueError(
            f"NET.IP_NET_MASK: {size} bytes with a prefix of {prefix} bits: use 4 or 16 bytes and their bits"
        )
    ones = (1 << prefix) - 1
    return (ones << (8 * size - prefix)).to_bytes(size, "big")


def _truncated(packed: bytes, prefix: int) -> bytes:
    _check(packed)
    return bytes(one & other for one, other in zip(packed, _mask(len(packed), prefix), strict=True))


def _from_number(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "big")


def _to_number(packed: bytes) -> int:
    if len(packed) != _SIZES[0]:
        raise ValueError(f"NET.IPV4_TO_INT64 takes 4 bytes, not {len(packed)}")
    return int.from_bytes(packed, "big")


def _check(packed: bytes) -> None:
    if len(packed) not in _SIZES:
        raise ValueError(f"An IP address has 4 or 16 bytes, not {len(packed)}")


FUNCTIONS: tuple[tuple[str, Callable[..., Any], list[str], str], ...] = (
    ("bq_host", _host, ["VARCHAR"], "VARCHAR"),
    ("bq_address", _address, ["VARCHAR", "BOOLEAN"], "BLOB"),
    ("bq_ip_to_string", _address_text, ["BLOB"], "VARCHAR"),
    ("bq_ip_net_mask", _mask, ["BIGINT", "BIGINT"], "BLOB"),
    ("bq_ip_trunc", _truncated, ["BLOB", "BIGINT"], "BLOB"),
    ("bq_ipv4_from_int64", _from_number, ["BIGINT"], "BLOB"),
    ("bq_ipv4_to_int64", _to_number, ["BLOB"], "BIGINT"),
)
