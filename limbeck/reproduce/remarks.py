"""Why a table may not show here what the paper found: said beside the figures, from what is known of this run."""

from collections.abc import Iterator, Sequence

from limbeck.measure.reproduction import Row
from limbeck.settings import Recipe
from limbeck.workspace import Workspace


def of(number: int, recipe: Recipe, ws: Workspace, rows: Sequence[Row]) -> Iterator[str]:
    """Sentences for one table."""
    yield ""
