import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck.index import languages
from limbeck.index.languages import Languages

SAID = {
    "en": "the red sofa with wooden legs for a small living room and the kitchen shelf ideas how to build",
    "de": "das rote Sofa mit Holzbeinen für ein kleines Wohnzimmer und die Küche Regal Ideen wie man baut",
    "es": "el sofá rojo con patas de madera para una sala pequeña y la cocina estantería ideas cómo hacer",
    "ru": "красный диван с деревянными ножками для маленькой гостиной и кухня полка идеи как сделать",
}


def texts():
    """Ten texts of each language: runs of its words."""
    for language, said in SAID.items():
        words = said.split()
        for begin in range(10):
            yield " ".join(words[begin : begin + 7]), language


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    languages.learn(texts(), folder)
    return languages.open(folder)


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("a shelf for the kitchen", "en"),
        ("regal für die küche", "de"),
        ("estantería para la cocina", "es"),
        ("полка для кухни", "ru"),
        ("42 3/4", None),
        ("", None),
        ("ραφια κουζινας", "el"),  # never learnt, but of its own script
        ("キッチンの棚", "ja"),
        ("주방 선반", "ko"),
        ("ชั้นวาง", "th"),
        ("مطبخ رف", None),  # nothing like it was ever seen
        ("zzxq wvvq", None),
    ],
)
def test_the_language_of_a_few_words(learnt, query, language):
    assert learnt.of(query) == language


@given(st.text(max_size=40))
def test_probabilities_are_some(learnt, query):
    found = learnt.probabilities(query)
    assert not found or sum(found.values()) == pytest.approx(1, abs=1e-5)


@given(st.lists(st.sampled_from(" ".join(SAID.values()).split()), min_size=1, max_size=4))
def test_a_language_is_said_exactly_where_it_is_sure(learnt, words):
    query = " ".join(words).lower()
    found = learnt.probabilities(query)
    sure = [name for name, share in found.items() if share >= languages.SURE]
    assert learnt.of(query) == (sure[0] if sure else None)


def test_one_language_alone_is_not_told_from_others(tmp_path):
    languages.learn([(text, "en") for text, _ in texts()], tmp_path)
    assert languages.open(tmp_path).of("the red sofa") is None


def test_a_language_of_a_few_texts_is_not_learnt(tmp_path):
    languages.learn([*texts(), ("un canapé rouge", "fr")], tmp_path)
    assert languages.open(tmp_path).names == ["de", "en", "es", "ru"]


def test_spellings_of_a_languages_name_are_one(tmp_path):
    mixed = [(text, language.upper() if i % 2 else language) for i, (text, language) in enumerate(texts())]
    languages.learn(mixed, tmp_path)
    assert languages.open(tmp_path).names == ["de", "en", "es", "ru"]


def test_without_a_model_scripts_alone_tell():
    assert Languages().of("キッチン") == "ja"
    assert Languages().of("kitchen") is None
