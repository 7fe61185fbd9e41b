"""What `limbeck check` counts, and how it says it."""

import io
import json

import pytest
from rich.console import Console

from limbeck import recipe_file
from limbeck.sources import check
from limbeck.sources.check import Rates

TOML = """
[[tables.pins]]
files = ["pins.csv"]
columns = { pin_id = "id", title = "t", language = "lang", link = "link" }

[[tables.links]]
files = ["links.csv"]
columns = { link = "url", title = "t" }

[[tables.boards]]
files = ["boards.csv"]
columns = { board_id = "id", title = "t" }

[[tables.saves]]
files = ["saves.csv"]
columns = { board_id = "b", pin_id = "p", user_id = "u", saved_at = "t" }

[[tables.judgments]]
files = ["j1.csv", "j2.csv"]
where = { use = "yes" }
columns = { query = "q", pin_id = "p", rater_id = "who", level = "r" }
"""


@pytest.fixture
def recipe(write, recipe_of):
    write("pins.csv", "id,t,lang,link\na,A,en,u1\nb,,de,u2\nc,C,en,\n")
    write("links.csv", "url,t\nu1,x\nu3,y\n")
    write("boards.csv", "id,t\nb1,x\nb2,y\n")
    write("saves.csv", "b,p,u,t\nb1,a,u,2026-01-01\nb1,a,u,2026-01-01\nb9,z,u,2026-01-01\n")
    write("j1.csv", "q,p,who,r,use\nlamp,a,ann,5,yes\nlamp,a,bo,1,yes\nlamp,b,ann,2,yes\nlamp,b,ann,4,yes\n")
    write("j2.csv", "q,p,who,r,use\nlamp,z,,3,yes\nlamp,a,ann,5,yes\nlamp,a,ann,5,no\n")
    return recipe_of(TOML)


def test_everything_is_counted(recipe):
    tables = check.check(recipe).tables
    assert tables["pins"].rows == 3
    assert tables["pins"].languages == {"de": 1, "en": 2}
    assert {k: n for k, n in tables["pins"].nulls.items() if 0 < n < 3} == {"title": 1, "link": 1}
    judged = tables["judgments"]
    assert (judged.files, judged.rows, judged.left_out, judged.duplicates, judged.conflicts) == (2, 6, 1, 1, 1)
    assert judged.levels == {1: 1, 2: 1, 3: 1, 4: 1, 5: 2}
    assert judged.conflict_samples == ["'lamp', b: 2 and 4"]
    assert tables["saves"].duplicates == 1


def test_ids_that_point_nowhere(recipe):
    dangling = {name: table.dangling for name, table in check.check(recipe).tables.items()}
    assert dangling == {
        "pins": {"link → links": 1},
        "links": {"link → pins": 1},
        "boards": {"board_id → saves": 1},
        "saves": {"pin_id → pins": 1, "board_id → boards": 1},
        "judgments": {"pin_id → pins": 1},
    }


def test_the_same_pair_at_two_levels_by_nobody_in_particular_is_a_conflict(write, recipe_of):
    write("j.csv", "q,p,r\nlamp,a,5\nlamp,a,4\nlamp,b,3\n")
    recipe = recipe_of('[[tables.judgments]]\nfiles=["j.csv"]\ncolumns = { query = "q", pin_id = "p", level = "r" }')
    assert check.check(recipe).tables["judgments"].conflicts == 1


def test_rows_left_out_by_distinct_are_repeats(write, recipe_of):
    write("p.csv", "id\n1\n1\n2\n1\n")
    recipe = recipe_of('[[tables.pins]]\nfiles = ["p.csv"]\ndistinct = true\ncolumns = { pin_id = "id" }')
    pins = check.check(recipe).tables["pins"]
    assert (pins.rows, pins.repeats, pins.duplicates, pins.left_out) == (2, 2, 0, 0)


def judged(write, recipe_of, extra=""):
    """40 queries of which the split trains on 28: 0–1 test, 2 valid; each judged on one Pin by two raters."""
    write("j.csv", "q,p,r\n" + "".join(f"query {i},a,5\nquery {i},a,5\n" for i in range(40)))
    toml = '[[tables.judgments]]\nfiles=["j.csv"]\ncolumns = { query = "q", pin_id = "p", level = "r" }\n'
    return recipe_of(toml + extra + "[labels]\nper_human_label = 10\nper_query = 7\n[teacher]\nepochs = 2\n")


def test_the_estimate_counts_training_pairs_and_pins(write, recipe_of):
    import hashlib

    folds = [int(hashlib.md5(f"query {i}".encode()).hexdigest(), 16) % 10 for i in range(40)]
    train = sum(fold > 2 for fold in folds)
    rates = Rates(trained_pairs=2, graded_pairs=5, embedded_pins=0.25)
    estimate = check.check(judged(write, recipe_of), rates).estimate
    assert (estimate.train_pairs, estimate.label_pairs, estimate.pins) == (train, 7 * train, 1)
    assert estimate.seconds == {"teach": train, "label": -(-7 * train // 5), "index": 4}


def test_held_out_queries_are_not_trained_on(write, recipe_of):
    write("h.csv", "q,p,r\n" + "".join(f"Query {i},a,5\n" for i in range(40)))
    heldout = '[[tables.heldout]]\nfiles=["h.csv"]\ncolumns = { query = "q", pin_id = "p", level = "r" }\n'
    estimate = check.check(judged(write, recipe_of, heldout)).estimate
    assert (estimate.train_pairs, estimate.label_pairs) == (0, 0)
    assert estimate.heldout_pairs > 0


def test_a_log_bounds_the_pairs_to_label(write, recipe_of):
    write("log.csv", "q,p\n" + "lamp,a\n" * 3 + "chair,a\nlamp,b\n")
    log = """
        [[tables.impressions]]
        files = ["log.csv"]
        columns = { query = "q", pin_id = "p" }
        [tables.impressions.constants]
        search_id = "s"
        searched_at = "2026-01-01"
        user_id = "u"
        position = 1
        clicked = false
        saved = false
    """
    log = "\n".join(line.strip() for line in log.splitlines()) + "\n"
    assert check.check(judged(write, recipe_of, log)).estimate.label_pairs == 3


def test_a_world_is_described_not_made(recipe_of, tmp_path):
    (tmp_path / "world.toml").write_text("[world]\npins = 500\njudged_pairs = 100\n")
    findings = check.check(recipe_file.read(tmp_path / "world.toml"))
    assert findings.tables == {}
    assert findings.world is not None
    assert (findings.estimate.pins, findings.estimate.train_pairs) == (500, 70)
    assert "500" in printed(findings)


def printed(findings) -> str:
    out = io.StringIO()
    check.render(findings, Console(file=out, width=100))
    return out.getvalue()


def test_the_page_states_findings(recipe):
    text = printed(check.check(recipe))
    for words in (
        "judgments: pairs with several levels by one rater, which all count: 1 ('lamp', b: 2 and 4)",
        "judgments: rows with a pin_id that is not in pins, which are dropped: 1",
        "saves: rows like an earlier one, which distinct = true leaves out: 1",
        "en 2, de 1",
        "highly relevant",
        "What a run will cost",
    ):
        assert words in text, text


def test_a_language_is_not_taken_for_markup(write, recipe_of):
    write("p.csv", "id,lang\n1,[bold]en[/]\n")
    recipe = recipe_of('[[tables.pins]]\nfiles = ["p.csv"]\ncolumns = { pin_id = "id", language = "lang" }')
    assert "[bold]en[/] 1" in printed(check.check(recipe))


def test_json_says_the_same(recipe):
    findings = json.loads(check.to_json(check.check(recipe)))
    assert findings["recipe"] == "recipe"
    assert findings["tables"]["judgments"]["levels"] == {"1": 1, "2": 1, "3": 1, "4": 1, "5": 2}
    assert findings["estimate"]["pins"] == 3
