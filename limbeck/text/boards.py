"""What the boards say on which users saved a Pin: titles and single words on which several users agree.

Users rarely word a title alike ("boho bedroom", "My bedroom"), so words are counted beside whole titles; a word goes
where a title of several words says it for as many users. Scripts without spaces are counted by whole title.
"""

from datetime import datetime

from daft import DataFrame, DataType, Expression, col, lit

from limbeck.text import tables

_BETWEEN_WORDS = r"[^\p{L}\p{M}\p{N}'’\x{200c}\x{200d}]+"


def saved(files: tables.Files, since: datetime) -> DataFrame:
    """One row per save from `since` on whose board has a title: pin_id, user_id, and as token the normalised title."""
    boards = tables.read(files, "boards", ["board_id", "title"])
    titles = boards.select("board_id", _normalised(col("title")).alias("token"))
    saves = tables.read(files, "saves", ["board_id", "pin_id", "user_id", "saved_at"])
    recent = saves.where(col("saved_at") >= lit(since)).select("board_id", "pin_id", "user_id")
    return recent.join(titles.where(col("token") != lit("")), on="board_id").select("pin_id", "user_id", "token")


def evidence(rows: DataFrame, min_users: int) -> DataFrame:
    """Titles and words by at least `min_users` users of a Pin: pin_id, token, weight (the number of users)."""
    rows = rows.distinct().collect()
    titles = _agreed(rows.where(col("token").contains(" ")), min_users).collect()
    words = _agreed(_words(rows).distinct(), min_users)
    said = _words(titles).groupby("pin_id", "token").agg(col("users").max().alias("said_by"))
    words = words.join(said, on=["pin_id", "token"], how="left")
    words = words.where((col("users") > col("said_by")).fill_null(True)).select(*titles.column_names)
    return titles.concat(words).select("pin_id", "token", col("users").cast(DataType.float64()).alias("weight"))


def _normalised(title: Expression) -> Expression:
    """Lower case, words parted by one space; null stays null."""
    return title.lower().regexp_replace(_BETWEEN_WORDS, " ").strip()


def _words(rows: DataFrame) -> DataFrame:
    return rows.with_column("token", col("token").split(" ")).explode("token")


def _agreed(distinct: DataFrame, min_users: int) -> DataFrame:
    """Of distinct (pin_id, user_id, token), the tokens of enough users: pin_id, token, users."""
    users = distinct.groupby("pin_id", "token").agg(col("user_id").count().alias("users"))
    return users.where(col("users") >= lit(min_users))
