"""What a captioning model says a Pin's image shows."""

from daft import DataFrame

from limbeck.text import tables


def join(pins: DataFrame, files: tables.Files) -> DataFrame:
    """Pins with their caption; null where there is none."""
    return pins.join(tables.read(files, "captions", ["pin_id", "caption"]), on="pin_id", how="left")
