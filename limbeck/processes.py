"""Several processes of one run, as `accelerate launch` starts them: the first leads, the others train with it.

The first one alone writes tables and folders and talks to the user.
"""

import os
from datetime import timedelta

PATIENCE = timedelta(days=7)  # how long the others wait for the first, and for each other


def count() -> int:
    """How many processes run this together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leads() -> bool:
    """Whether this is the first process, or the only one."""
    return int(os.environ.get("RANK", "0")) == 0


def tell(word: bool = False) -> bool:
    """What the first process says here, in all of them; each waits for all others, the first one too."""
    if count() == 1:
        return word
    import torch
    from accelerate import PartialState
    from accelerate.utils import broadcast

    state = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)
    return bool(broadcast(torch.tensor([int(word)], device=state.device)).item())
