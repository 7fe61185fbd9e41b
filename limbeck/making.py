"""What a stage is given, and how it makes things: only what is out of date, saying why."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.markup import escape

from limbeck import assembly
from limbeck.errors import IncompleteError, InputError
from limbeck.failures import explained
from limbeck.inputs import Inputs
from limbeck.progress import say
from limbeck.settings import Recipe
from limbeck.workspace import Made, Workspace


@dataclass(frozen=True)
class Run:
    """A recipe, the workspace it is run in, its input tables, and what the present stage has made.

    `keep`: what was learnt stays as it is, whatever has changed since.
    """

    recipe: Recipe
    ws: Workspace
    inputs: Inputs
    made: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    keep: bool = False

    def table(self, name: str, made: Made, shards: Callable[[], assembly.Shards]) -> None:
        """Bring a table up to date; `shards` is only called when it is not."""
        if self._outdated(name, made):
            with explained(self.ws, made):
                self.ws.write_table(name, made, shards())

    def folder(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """Bring a model, index or report up to date; `build` is only called when it is not."""
        if self._outdated(name, made):
            with explained(self.ws, made):
                self.ws.write_folder(name, made, build)

    def learnt(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """As `folder`, for what is learnt from tables: where it is to be kept, it is neither made nor made again."""
        if not self.keep:
            self.folder(name, made, build)
        elif (why := self.ws.outdated(name, made)) is not None:
            say("keep", f"  [dim]{name}: kept as it was learnt ({why})[/]", name=name, why=why)

    def attempt(self, name: str, made: Made, build: Callable[[Path, Path], None]) -> None:
        """As `folder`, for what others may fail to give us: then there is none, and the run goes on without it."""
        try:
            self.folder(name, made, build)
        except (IncompleteError, InputError) as error:
            self.ws.remove(name)
            say("unfinished", f"  [yellow]{escape(str(error))}[/]", name=name, why=str(error))
            self.unfinished.append(str(error))

    def forget(self, name: str) -> None:
        """What an earlier recipe asked for, and this one does not; the student that is kept may still ask for it."""
        if self.ws.has(name) and not self.keep:
            self.ws.remove(name)

    def _outdated(self, name: str, made: Made) -> bool:
        why = self.ws.outdated(name, made)
        if why is None:
            say("skip", f"  [dim]{name}: up to date[/]", name=name)
        elif self.ws.borrow(name, made):
            say("share", f"  [dim]{name}: that of the run it is a variant of[/]", name=name)
            return False
        else:
            say("make", f"  [bold]{name}[/]: {why}", name=name, why=why)
            self.made.append(name)
        return why is not None
