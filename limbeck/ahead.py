"""Memory that a compiled loop will read soon, asked for ahead of time: rows of a large table are far from the core."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from limbeck import compiled

LINE = 64  # bytes that come together


@intrinsic
def fetch(typing, address):  # type: ignore[no-untyped-def]
    """Have the line of this address brought near, and go on meanwhile; any address will do."""

    def generate(context, builder, signature, given):  # type: ignore[no-untyped-def]
        pointer, how = ir.IntType(8).as_pointer(), [ir.Constant(ir.IntType(32), n) for n in (0, 3, 1)]
        kinds = [pointer, *(flag.type for flag in how)]
        called = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), ir.FunctionType(ir.VoidType(), kinds))
        builder.call(called, [builder.inttoptr(given[0], pointer), *how])
        return context.get_dummy_value()

    return types.void(types.int64), generate


@compiled.within
def fetch_row(table, rows, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fetch the row of a table (n, d) that `rows[i]` says, where there is such an i."""
    if i < len(rows):
        size = table.shape[1] * table.itemsize
        begin = table.ctypes.data + rows[i] * size
        for address in range(begin, begin + size, LINE):
            fetch(address)


@compiled.within
def fetch_row_at(table, places, rows, i):  # type: ignore[no-untyped-def]  # pragma: no cover - compiled
    """Fetch the row of a table (n, d) that is at the place of `rows[i]`, where there is such an i."""
    if i < len(rows):
        fetch_row(table, places, rows[i])
