"""Queries whose searchers clicked or saved a Pin, weighed by what they did: each impression counts its best action."""

from datetime import datetime

from daft import DataFrame, DataType, Expression, col, lit

from limbeck.settings import Text
from limbeck.text import tables

LONG_CLICK_SECONDS = 10
ACTIONS = ("saves", "long_clicks", "clicks")


def engaged(files: tables.Files, since: datetime) -> DataFrame:
    """One row per impression from `since` on that was clicked or saved; one of the three actions is 1, the others 0."""
    columns = ["pin_id", "user_id", "query", "searched_at", "clicked", "dwell_seconds", "saved"]
    rows = tables.read(files, "impressions", columns)
    rows = rows.where((col("searched_at") >= lit(since)) & (col("clicked") | col("saved")))
    long = (col("dwell_seconds") >= lit(LONG_CLICK_SECONDS)).fill_null(False)
    actions = {"saves": col("saved"), "long_clicks": ~col("saved") & long, "clicks": ~col("saved") & ~long}
    counts = [did.cast(DataType.int64()).alias(name) for name, did in actions.items()]
    token = col("query").strip().lower().alias("token")  # as relevance.normalise_query
    return rows.select("pin_id", "user_id", token, *counts).where(col("token") != lit(""))


def evidence(rows: DataFrame, settings: Text) -> DataFrame:
    """Queries by at least `min_users` users of a Pin: pin_id, token, weight (summed over impressions)."""
    by_user = rows.groupby("pin_id", "token", "user_id").agg(*(col(a).sum() for a in ACTIONS))
    asked = [col("user_id").count().alias("users"), *(col(a).sum() for a in ACTIONS)]
    queries = by_user.groupby("pin_id", "token").agg(*asked).where(col("users") >= lit(settings.min_users))
    return queries.select("pin_id", "token", _weight(settings).alias("weight"))


def _weight(settings: Text) -> Expression:
    """From whole counts, so that it does not depend on the order in which they were summed."""
    saves, long_clicks, clicks = (col(a).cast(DataType.float64()) for a in ACTIONS)
    seen = long_clicks * settings.long_click_weight + clicks * settings.click_weight
    return saves * settings.save_weight + seen
