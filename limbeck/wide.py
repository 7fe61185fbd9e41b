"""Bytes of a text looked at 64 at a time in compiled loops, by the processor's vectors, rather than one by one.

Whoever asks sees to it that so many bytes are there.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

SIZE = 64  # bytes
_BYTES, _BITS = ir.VectorType(ir.IntType(8), SIZE), ir.IntType(SIZE)


@intrinsic
def first_special(typing, address):  # type: ignore[no-untyped-def]
    """How far it is from an address to the first byte that is not in ASCII, or stands not for itself in a JSON text.

    64 where there is none so near.
    """

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        there = _load(builder, given[0])
        special = builder.icmp_signed("<", there, _each(ord(" ")))  # and those above 127, which are negative
        for character in b'"\\':
            special = builder.or_(special, builder.icmp_unsigned("==", there, _each(character)))
        return builder.cttz(builder.bitcast(special, _BITS), ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def first_other(typing, one, other):  # type: ignore[no-untyped-def]
    """How far it is from two addresses to the first bytes that are not the same; 64 where none so near is."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        differs = builder.icmp_unsigned("!=", *(_load(builder, address) for address in given))
        return builder.cttz(builder.bitcast(differs, _BITS), ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64, types.uint64), generate


def _load(builder: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, _BYTES.as_pointer()), align=1)


def _each(number: int) -> ir.Constant:
    return ir.Constant(_BYTES, SIZE * [number])
