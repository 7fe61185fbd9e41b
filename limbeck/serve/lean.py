"""A start without what libraries look for on sight and a service never uses, for which everybody would wait.

pyarrow imports pandas before its first array, to know pandas' objects, and Numba SciPy's linear algebra before its
first kernel, in case that multiplies matrices. Both do without for good where there is none at that moment.
"""

import contextlib
import sys
from collections.abc import Iterator

import pyarrow as pa

from limbeck import lookup


def start() -> None:
    """Let both look now, before workers are forked. Where somebody imported one already, nothing is taken away.

    With its first kernel, Numba also learns all types that it knows, which each worker would else do for itself.
    """
    with _absent("pandas"):
        pa.array([])
    with _absent("scipy.linalg"):
        lookup.of([""]).rows([""])


@contextlib.contextmanager
def _absent(name: str) -> Iterator[None]:
    """What is not imported yet cannot be imported meanwhile."""
    finder = _Missing(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Missing:
    """A finder of modules by which there is none of that name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: object) -> None:
        """As importlib asks; None leaves a module to other finders."""
        if name == self._name:
            raise ModuleNotFoundError(f"{name} is left out while the service starts", name=name)
