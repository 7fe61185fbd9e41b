"""How loops are compiled: kept on the disk, beside other threads, and without counting references.

Numba counts references to each array that a function is given and to each row that is taken out of one, by atomic
operations: more than half of the time of match features went there. Loops that make no arrays need none of it. One that
makes an array all the same is not compiled ("NRT required").

What is kept on the disk is made anew when the kernel's own file changes. Who changes what a kernel of another file is
made of (this one, `ahead.py`, `wide.py`, `student/tiles.py`) removes `__pycache__`.
"""

from functools import partial
from typing import Any

import numba

making: Any = partial(numba.njit, nogil=True, error_model="numpy", cache=True)  # makes arrays, for loops to work on
kernel: Any = partial(making, _nrt=False)
within: Any = partial(
    kernel, cache=False, forceinline=True
)  # part of the loop that calls it, as what it hands over is much
