"""FarmHash Fingerprint64, which is GoogleSQL's FARM_FINGERPRINT.

Source: https://github.com/google/farmhash (farmhashna::Hash64, fixed for good as a fingerprint).
"""

import struct

_MASK = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def fingerprint(data: bytes) -> int:
    """As a signed 64-bit integer."""
    value = _hash(data)
    return value - (1 << 64) if value >> 63 else value


def _hash(s: bytes) -> int:
    size = len(s)
    if size <= 16:
        return _up_to_16(s, size)
    if size <= 32:
        return _up_to_32(s, size)
    return _up_to_64(s, size) if size <= 64 else _longer(s, size)


def _fetch(s: bytes, at: int) -> int:
    return struct.unpack_from("<Q", s, at)[0]


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value >> by | value << (64 - by)) & _MASK


def _shift_mix(value: int) -> int:
    value &= _MASK
    return value ^ value >> 47


def _mix(u: int, v: int, mul: int) -> int:
    a = _shift_mix((u ^ v) * mul)
    b = _shift_mix((v ^ a) * mul)
    return b * mul & _MASK


def _up_to_16(s: bytes, size: int) -> int:
    mul = _K2 + size * 2
    if size >= 8:
        a, b = _fetch(s, 0) + _K2 & _MASK, _fetch(s, size - 8)
        c = _rotate(b, 37) * mul + a & _MASK
        d = (_rotate(a, 25) + b) * mul & _MASK
        return _mix(c, d, mul)
    if size >= 4:
        first, last = struct.unpack_from("<I", s, 0)[0], struct.unpack_from("<I", s, size - 4)[0]
        return _mix(size + (first << 3), last, mul)
    if size > 0:
        y, z = s[0] + (s[size >> 1] << 8), size + (s[size - 1] << 2)
        return _shift_mix(y * _K2 ^ z * _K0) * _K2 & _MASK
    return _K2


def _up_to_32(s: bytes, size: int) -> int:
    mul = _K2 + size * 2
    a, b = _fetch(s, 0) * _K1 & _MASK, _fetch(s, 8)
    c, d = _fetch(s, size - 8) * mul & _MASK, _fetch(s, size - 16) * _K2 & _MASK
    first = _rotate(a + b, 43) + _rotate(c, 30) + d & _MASK
    return _mix(first, a + _rotate(b + _K2, 18) + c & _MASK, mul)


def _up_to_64(s: bytes, size: int) -> int:
    mul = _K2 + size * 2
    a, b = _fetch(s, 0) * _K2 & _MASK, _fetch(s, 8)
    c, d = _fetch(s, size - 8) * mul & _MASK, _fetch(s, size - 16) * _K2 & _MASK
    y = _rotate(a + b, 43) + _rotate(c, 30) + d & _MASK
    z = _mix(y, a + _rotate(b + _K2, 18) + c & _MASK, mul)
    e, f = _fetch(s, 16) * mul & _MASK, _fetch(s, 24)
    g, h = (y + _fetch(s, size - 32)) * mul & _MASK, (z + _fetch(s, size - 24)) * mul & _MASK
    first = _rotate(e + f, 43) + _rotate(g, 30) + h & _MASK
    return _mix(first, e + _rotate(f + a, 18) + g & _MASK, mul)


def _weak(s: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = struct.unpack_from("<4Q", s, at)
    a = a + w & _MASK
    b = _rotate(b + a + z, 21)
    c = a
    a = a + x + y & _MASK
    b += _rotate(a, 44)
    return a + z & _MASK, b + c & _MASK


def _longer(s: bytes, size: int) -> int:
    x, y = 81, 81 * _K1 + 113 & _MASK
    z = _shift_mix(y * _K2 + 113) * _K2 & _MASK
    v, w = (0, 0), (0, 0)
    x = x * _K2 + _fetch(s, 0) & _MASK
    end = (size - 1) // 64 * 64
    for at in range(0, end, 64):
        x, y, z, v, w = _round(s, at, (x, y, z), v, w, mul=_K1, nine=1)
    mul = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + (size - 1 & 63) & _MASK, w[1])
    v = (v[0] + w[0] & _MASK, v[1])
    w = (w[0] + v[0] & _MASK, w[1])
    x, y, z, v, w = _round(s, size - 64, (x, y, z), v, w, mul=mul, nine=9)
    first = _mix(v[0], w[0], mul) + _shift_mix(y) * _K0 + z & _MASK
    return _mix(first, _mix(v[1], w[1], mul) + x & _MASK, mul)


def _round(
    s: bytes, at: int, xyz: tuple[int, int, int], v: tuple[int, int], w: tuple[int, int], *, mul: int, nine: int
) -> tuple[int, int, int, tuple[int, int], tuple[int, int]]:
    """64 bytes; `nine` is 1 in the loop and 9 at the end."""
    x, y, z = xyz
    x = _rotate(x + y + v[0] + _fetch(s, at + 8), 37) * mul & _MASK
    y = _rotate(y + v[1] + _fetch(s, at + 48), 42) * mul & _MASK
    x ^= w[1] * nine & _MASK
    y = y + v[0] * nine + _fetch(s, at + 40) & _MASK
    z = _rotate(z + w[0], 33) * mul & _MASK
    v = _weak(s, at, v[1] * mul & _MASK, x + w[0] & _MASK)
    w = _weak(s, at + 32, z + w[1] & _MASK, y + _fetch(s, at + 16) & _MASK)
    return z, y, x, v, w
