"""The recipes of the package, on rows in the published format of each data set, and on the data where it is there."""

import os
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from limbeck import recipe_file
from limbeck.settings import TableMapping
from limbeck.sources import check, mapped, mapping

RECIPES = Path(__file__).parents[2] / "recipes"
HOME_DEPOT = Path(os.environ.get("LIMBECK_DATA", RECIPES.parent / "data")) / "homedepot" / "train.csv.zip"


def read(name, tmp_path, monkeypatch):
    monkeypatch.setenv("LIMBECK_DATA", str(tmp_path))
    return recipe_file.read(RECIPES / f"{name}.toml")


def rows(recipe, table, *columns):
    made = pa.concat_tables([make() for make in mapped.shards(recipe, table).values()])
    return list(zip(*(made.column(c).to_pylist() for c in columns)))


def test_the_recipe_of_the_documentation_says_what_it_explains(tmp_path):
    page = (RECIPES.parent / "docs" / "recipes.md").read_text(encoding="utf-8")
    (tmp_path / "shop.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    recipe = recipe_file.read(tmp_path / "shop.toml")
    for table, blocks in recipe.tables.items():
        for block in blocks:
            mapping.validate(block, table, "docs/recipes.md")
    explained = {
        f.name for f in fields(TableMapping) if getattr(recipe.tables["pins"][0], f.name) not in (None, "", {})
    }
    assert explained == {f.name for f in fields(TableMapping)} - {"level"}


def test_wands(tmp_path, monkeypatch):
    folder = tmp_path / "wands"
    folder.mkdir()
    (folder / "query.csv").write_text("query_id\tquery\tquery_class\n0\tsalon chair\tMassage Chairs\n1\tsmart tv\t\n")
    (folder / "product.csv").write_text(
        "product_id\tproduct_name\tproduct_class\tcategory hierarchy\tproduct_description\tproduct_features\t"
        "rating_count\taverage_rating\treview_count\n"
        "0\tsolid wood platform bed\tBeds\tFurniture / Beds\tgood, deep sleep\toverallwidth : 64|color : brown\t"
        "15.0\t4.5\t15.0\n"
        '42993\t"12"" stool"\t\t\t\tseat : round\t\t\t\n'
    )
    (folder / "label.csv").write_text(
        "id\tquery_id\tproduct_id\tlabel\n0\t0\t0\tExact\n1\t0\t42993\tIrrelevant\n2\t1\t42993\tPartial\n"
    )
    recipe = read("wands", tmp_path, monkeypatch)
    assert rows(recipe, "pins", "pin_id", "title", "description", "language") == [
        ("0", "solid wood platform bed", "Beds\ngood, deep sleep\noverallwidth : 64|color : brown", "en"),
        ("42993", '12" stool', "seat : round", "en"),
    ]
    assert rows(recipe, "interests", "pin_id", "query", "interest", "shopping") == [
        ("0", None, "Beds", None),
        ("42993", None, None, None),
        (None, "salon chair", "Massage Chairs", None),
        (None, "smart tv", None, None),
    ]
    assert rows(recipe, "judgments", "query", "pin_id", "level") == [
        ("salon chair", "0", 5),
        ("salon chair", "42993", 1),
        ("smart tv", "42993", 3),
    ]
    assert check.check(recipe).tables["judgments"].dangling == {}


def test_esci(tmp_path, monkeypatch):
    folder = tmp_path / "esci"
    folder.mkdir()
    products = [
        ("B1", "Fire stick", "streams", "small\nblack", "Brand", "Black", "us"),
        ("B1", "ファイヤー", None, None, None, None, "jp"),
        ("B2", "Silla", None, None, None, "Rojo", "es"),
    ]
    names = ["id", "title", "description", "bullet_point", "brand", "color", "locale"]
    columns = {f"product_{n}": list(c) for n, c in zip(names, zip(*products))}
    pq.write_table(pa.table(columns), folder / "shopping_queries_dataset_products.parquet")
    examples = [
        (0, "tv stick", 7, "B1", "us", "E", 1, 1, "train"),
        (1, "テレビ", 8, "B1", "jp", "S", 1, 1, "train"),
        (2, "silla", 9, "B2", "es", "C", 1, 1, "train"),
        (3, "large only", 10, "B2", "es", "E", 0, 1, "train"),
        (4, "chair", 11, "B1", "us", "I", 1, 1, "test"),
    ]
    names = "example_id query query_id product_id product_locale esci_label small_version large_version split"
    pq.write_table(
        pa.table({n: list(c) for n, c in zip(names.split(), zip(*examples))}),
        folder / "shopping_queries_dataset_examples.parquet",
    )
    recipe = read("esci", tmp_path, monkeypatch)
    assert rows(recipe, "pins", "pin_id", "title", "description", "language", "country") == [
        ("us:B1", "Fire stick", "Brand\nBlack\nsmall\nblack\nstreams", "en", "US"),
        ("jp:B1", "ファイヤー", None, "ja", "JP"),
        ("es:B2", "Silla", "Rojo", "es", "ES"),
    ]
    assert rows(recipe, "judgments", "query", "pin_id", "level", "language", "country") == [
        ("tv stick", "us:B1", 5, "en", "US"),
        ("テレビ", "jp:B1", 4, "ja", "JP"),
        ("silla", "es:B2", 3, "es", "ES"),
    ]
    assert rows(recipe, "heldout", "query", "pin_id", "level") == [("chair", "us:B1", 1)]
    findings = check.check(recipe).tables
    assert (findings["judgments"].left_out, findings["heldout"].left_out) == (2, 4)


def test_home_depot(tmp_path, monkeypatch):
    """Latin-1, quoted and zipped, products repeated, the raters' mean as text: on rows of the published format."""
    from zipfile import ZipFile

    (tmp_path / "homedepot").mkdir()
    lines = ['2,100001,"12"" angle, caf\xe9","angle bracket",3', '3,100001,"12"" angle, caf\xe9","l bracket",2.5']
    lines += ['9,100002,"deck","deck over",1']
    text = "\r\n".join(['"id","product_uid","product_title","search_term","relevance"', *lines, ""])
    with ZipFile(tmp_path / "homedepot" / "train.csv.zip", "w") as archive:
        archive.writestr("train.csv", text.encode("latin-1"))
    recipe = read("homedepot", tmp_path, monkeypatch)
    assert rows(recipe, "pins", "pin_id", "title") == [("100001", '12" angle, café'), ("100002", "deck")]
    assert rows(recipe, "judgments", "query", "pin_id", "level") == [
        ("angle bracket", "100001", 5),
        ("l bracket", "100001", 4),
        ("deck over", "100002", 1),
    ]


@pytest.mark.skipif(not HOME_DEPOT.exists(), reason=f"{HOME_DEPOT} is not there; set LIMBECK_DATA to its parent folder")
def test_home_depot_as_published():
    findings = check.check(recipe_file.read(RECIPES / "homedepot.toml")).tables
    assert findings["pins"].rows == 54_667
    assert findings["judgments"].rows == 74_067
    assert findings["judgments"].levels == {1: 2105, 2: 3010, 3: 18524, 4: 31303, 5: 19125}
    assert findings["judgments"].dangling == {}
