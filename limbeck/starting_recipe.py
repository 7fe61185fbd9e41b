"""Recipes to start from: your own tables, as `limbeck init` writes it, and the generated world of `limbeck demo`."""

MINE = """\
# A Limbeck recipe: which of your files is which table, and the few settings worth a thought.
# `limbeck check RECIPE` tells what is there; `limbeck run RECIPE` does everything. Every key: docs/recipes.md.
name = "mine"
seed = 0

# The items that can be found. Only this table is required; all paths are relative to this file.
[[tables.pins]]
files = ["items.csv"]
columns = { pin_id = "id", title = "name", description = "text" }
constants = { language = "en" }

# What people said about (query, item) pairs: a rating column becomes a level from 1 to 5,
# by a table of its values or by four ascending thresholds.
[[tables.judgments]]
files = ["ratings.csv"]
columns = { query = "query", pin_id = "item_id", rater_id = "rater" }
constants = { language = "en" }
level = { column = "rating", table = { bad = 1, poor = 2, fair = 3, good = 4, perfect = 5 } }

# What was shown for searches, clicked and saved. Without it, pairs to label are mined from the catalogue.
# [[tables.impressions]]
# files = ["log/*.parquet"]
# [tables.impressions.columns]
# search_id = "search"
# searched_at = "time"
# user_id = "user"
# query = "query"
# pin_id = "item"
# position = "rank"
# clicked = "click"
# dwell_seconds = "dwell"
# saved = "save"

[teacher]
backbone = "all-MiniLM-L6-v2"   # a local folder, an installed package that carries it, or a hub id
epochs = 2

[labels]
per_human_label = 20            # pairs the teacher labels, for each one that a person did

[student]
tune = "projection"             # "all" also trains the language model: slower and better

# A language model as one more grader, behind any OpenAI-compatible endpoint: docs/judge.md.
# [judge]
# endpoint = "http://localhost:8000/v1"
# model = "Qwen/Qwen3-8B"
"""

DEMO = """\
# A small generated Pinterest (docs/world.md), sized for minutes on two cores: `limbeck demo` runs exactly this.
# The full one is world.toml.
name = "demo"
seed = 0

[world]
pins = 5_000
days = 30
heldout_pairs = 2_000

[text]
max_tokens = 44

[teacher]
head = "softmax"                # the paper's; the default does no better on these labels: docs/heads.md
epochs = 1
learning_rate = 2e-4
dropout = 0.0
tokens_per_batch = 1_400

[labels]
per_human_label = 2             # a hundred in real use

[student]
max_tokens = 36
epochs = 8

[measure]
attacked_pairs = 12
"""
