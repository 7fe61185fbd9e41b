"""Why a picture gets no caption. The run goes on; reasons are counted and kept in the `pictures` table."""


class SkippedError(Exception):
    """This picture is skipped, for a reason of a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PassingError(SkippedError):
    """Skipped for a reason that may have passed a moment later."""
