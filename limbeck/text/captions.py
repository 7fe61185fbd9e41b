"""What a Pin's image shows, in the user's own words or, where there are none, in those of a captioning model."""

from daft import DataFrame, col

from limbeck.text import tables


def join(pins: DataFrame, files: tables.Files) -> DataFrame:
    """Pins with their caption; null where there is none."""
    own, generated = (tables.read(files, table, ["pin_id", "caption"]) for table in ("captions", "generated_captions"))
    generated = generated.select("pin_id", col("caption").alias("generated"))
    rows = pins.join(own, on="pin_id", how="left").join(generated, on="pin_id", how="left")
    return rows.with_column("caption", col("caption").fill_null(col("generated"))).exclude("generated")
