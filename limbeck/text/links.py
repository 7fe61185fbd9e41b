"""What the page says that a Pin links to."""

from daft import DataFrame, col

from limbeck.text import tables


def join(pins: DataFrame, files: tables.Files) -> DataFrame:
    """Pins (with a column `link`) with link_title and link_description; null where the page is unknown."""
    pages = tables.read(files, "links", ["link", "title", "description"])
    texts = pages.select("link", col("title").alias("link_title"), col("description").alias("link_description"))
    return pins.join(texts, on="link", how="left")
