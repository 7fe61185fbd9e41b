"""What a user can get wrong, said in one line: what is wrong, where, and what to do about it."""


class InputError(Exception):
    """Wrong input from the user. The command line prints it and exits with 2; the service answers 4xx."""

    def __init__(
        self,
        problem: str,
        *,
        file: object = None,
        row: int | None = None,
        column: str | None = None,
        remedy: str | None = None,
    ) -> None:
        place = [str(file)] if file is not None else []
        place += [f"row {row}"] if row is not None else []
        place += [f"column {column!r}"] if column is not None else []
        where = ", ".join(place)
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem, self.file, self.row, self.column, self.remedy = problem, file, row, column, remedy

    def __str__(self) -> str:
        message = str(self.args[0])
        return f"{message}. {self.remedy}" if self.remedy else message


class WorkspaceError(Exception):
    """The workspace cannot be read or written (disk full, damaged shard). Exits with 1; what was committed stays."""


class IncompleteError(Exception):
    """What a run could not get from elsewhere (a judge's answers). The rest is done and kept. Exits with 1."""
