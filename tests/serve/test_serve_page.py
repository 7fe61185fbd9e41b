import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.serve import page, pictures
from limbeck.serve.ranked import Ranked

PNG = b"\x89PNG\r\n\x1a\n"


def pin(**changes):
    given = {
        "level": 4,
        "expected_level": 3.9,
        "probabilities": (0.05, 0.05, 0.1, 0.5, 0.3),
        "pin_id": "p1",
        "title": "Oak shelf",
        "description": "Solid, for a small room",
        "image": "a/p1.png",
        "link": "https://shop.example/1",
        "language": "en",
        "country": "US",
    }
    return Ranked(**{**given, **changes})


def rendered(*results, has_picture=False, **view):
    return page.render(page.SearchView(pins=1, found=results, **view), lambda image: has_picture)


def test_a_result_shows_title_level_and_expected_level():
    html = rendered(pin(), query="shelf")
    for shown in ("Oak shelf", "relevant", "3.90", 'href="https://shop.example/1"', "level 5: 30 %"):
        assert shown in html


def test_a_page_of_fewer_candidates_says_so_and_one_without_grades_shows_none():
    assert "The service is busy: fewer candidates than usual" in rendered(pin(), degraded="fewer candidates")
    html = rendered(pin(level=None, expected_level=None, probabilities=None), degraded="text match: why", level=3)
    assert "Nothing could be graded this time (text match: why)" in html
    assert "best match of words first" in html
    assert "Oak shelf" in html
    assert 'class="grade"' not in html


def test_facets_count_languages_and_levels_and_keep_the_other_choice():
    html = rendered(pin(), pin(level=5), pin(language="de"), query="oak shelf", language="de")
    assert 'href="/?q=oak+shelf&amp;language=en">en <span class="number">2</span>' in html
    assert (
        'href="/?q=oak+shelf&amp;language=de&amp;level=5"><span class="badge l5" title="highly relevant">5</span> '
        in html
    )
    assert html.index("&amp;level=5") < html.index("&amp;level=4")
    assert '<a href="/?q=oak+shelf">any language</a>' in html
    assert rendered(pin(), query="shelf").count("facets") == rendered(query="shelf").count("facets") + 1


def test_a_level_shows_those_of_it_alone():
    html = rendered(pin(), pin(level=5, title="Best"), query="shelf", level=5)
    assert html.count('<li class="pin">') == 1
    assert "Best" in html


def test_a_pin_without_a_title_is_called_by_what_it_says():
    assert 'href="/pins/p1?">Solid, for a small room</a></h2>' in rendered(pin(title=None))
    assert ">p1</a></h2>" in rendered(pin(title=None, description=None))


def test_a_picture_is_shown_only_if_the_workspace_has_it():
    assert 'src="/images/a/p1.png"' in rendered(pin(), has_picture=True)
    assert "<img" not in rendered(pin(), has_picture=False)


def test_a_picture_elsewhere_is_never_asked_for():
    assert "elsewhere.example" not in rendered(pin(image="https://elsewhere.example/x.png"))


@given(st.text(max_size=30))
def test_no_text_becomes_markup(text):
    marked = f"<img src=x onerror=alert(1)>{text}\"'"
    html = rendered(
        pin(title=marked, description=marked, pin_id=marked, language=marked), query=marked, language=marked
    )
    assert "<img" not in html
    assert "onerror=alert(1)>" not in html.replace("&lt;img src=x onerror=alert(1)&gt;", "")


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "data:text/html,x", "//a.example/x", "", None, "http://[", "ftp://a"]
)
def test_only_web_links_are_offered(link):
    assert page.site(link) is None
    assert rendered(pin()).count("nofollow") == 1
    assert "nofollow" not in rendered(pin(link=link))


def test_the_style_is_the_one_that_the_policy_allows():
    html = rendered()
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    assert style == page._STYLE
    script = html[html.index("<script>") + 8 : html.index("</script>")]
    assert script == page._SCRIPT
    assert page._hashed(script) in page.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in page.HEADERS["Content-Security-Policy"]


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda p: sum(p) > 0.1))
def test_the_bar_is_whole_and_level_five_comes_first(weights):
    parts = page.bar([w / sum(weights) for w in weights])
    assert [level for level, _, _ in parts] == [5, 4, 3, 2, 1]
    assert parts[0][1] == 0
    assert parts[-1][1] + parts[-1][2] == pytest.approx(100, abs=0.05)


@pytest.fixture
def folder(tmp_path):
    inside = tmp_path / "images"
    (inside / "a").mkdir(parents=True)
    (inside / "a" / "p.png").write_bytes(PNG)
    (inside / "notes.txt").write_text("private")
    (tmp_path / "secret.png").write_bytes(PNG)
    (tmp_path / "images-of-others").mkdir()
    (tmp_path / "images-of-others" / "p.png").write_bytes(PNG)
    (inside / "way-out.png").symlink_to(tmp_path / "secret.png")
    (inside / "round.png").symlink_to(inside / "round.png")
    return inside


def test_a_picture_inside_the_folder_is_found(folder):
    assert pictures.find(folder, "a/p.png") == folder / "a" / "p.png"
    assert pictures.find(folder, "a/../a/p.png") == folder / "a" / "p.png"


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "a", "a/missing.png", "notes.txt", "../secret.png", "a/../../secret.png", "/etc/passwd",
        "../images-of-others/p.png", "way-out.png", "round.png", "a/p.png\0", "\0", "x" * 300 + ".png",
        "p.png/" * 2_000,
    ],
)  # fmt: skip
def test_nothing_else_is_found(folder, name):
    assert pictures.find(folder, name) is None


def test_an_absolute_path_outside_is_not_found(folder):
    assert pictures.find(folder, str(folder.parent / "secret.png")) is None


@given(st.text(alphabet=st.sampled_from("./a p\\%\0png~"), max_size=20))
def test_no_name_leads_outside(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / "pictures"
    folder.mkdir(exist_ok=True)
    found = pictures.find(folder, name)
    assert found is None or found.is_relative_to(folder.resolve())
