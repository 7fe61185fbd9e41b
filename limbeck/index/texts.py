"""What every Pin says, source by source, mapped from disk: read only for those who ask why it was found."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from limbeck.errors import WorkspaceError
from limbeck.records import schema

FILE = "texts.arrow"


class Texts:
    """The rows of `pin_texts`, by their number. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        try:
            self._rows = pa.ipc.open_file(pa.memory_map(str(folder / FILE))).read_all()
        except pa.ArrowInvalid as error:
            raise WorkspaceError(f"{folder / FILE}: {error}. Delete it and run again") from None

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def digests(self, rows: Sequence[int]) -> list[str]:
        """Of all that the Pins in these rows say."""
        return list(self._rows.column("digest").take(pa.array(rows, pa.int64())).to_pylist())

    def of(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """What the Pins in these rows say, by source."""
        return list(self._rows.take(pa.array(rows, pa.int64())).drop_columns(["digest"]).to_pylist())


def build(pin_texts: Iterable[pa.Table], out: Path) -> None:
    """Write the texts of Pins (batches of the pin_texts table), in their order, into the folder `out`."""
    with pa.ipc.new_file(out / FILE, schema("pin_texts")) as writer:
        for batch in pin_texts:
            writer.write_table(batch)


def open(folder: Path) -> Texts:
    """What `build` wrote."""
    return Texts(folder)
