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
from limbeck.signals import joined
from limbeck.workspace import Made, Workspace

Renew = Callable[[Path, Path], None]  # what was learnt before, and the folder to write


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

    def learnt(self, name: str, made: Made, build: Callable[[Path, Path], None], renew: Renew | None = None) -> None:
        """As `folder`, for what is learnt from tables, and is not learnt again where it is to be kept.

        `renew` then makes anew what it says of the Pins, of the folder that holds it; without, all of it stays.
        """
        why = self.ws.outdated(name, made)
        if not self.keep or why is None:
            self.folder(name, made, build)
        elif renew is None or not self.ws.has(name):
            say("keep", f"  [dim]{name}: kept as it was learnt ({why})[/]", name=name, why=why)
        else:
            before, root = self.ws.folder(name), joined.trained(self.ws, name)
            kept = Made({**made.inputs, joined.TRAINED: root}, made.settings, made.version)
            self.folder(name, kept, lambda out, _: renew(before, out))

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
