"""A version that never changes, for services whose ranker a test chooses."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Fixed:
    ranker: Any
    refused: str | None = None
    damaged: str | None = None

    def catch_up(self):
        pass
