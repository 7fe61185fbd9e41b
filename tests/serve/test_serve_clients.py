"""Clients that others wrote, unchanged, against the service on a port: Cohere's own, and Haystack's for TEI."""

import importlib
import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # read when Haystack is imported
cohere, haystack, tei = map(
    importlib.import_module, ("cohere", "haystack", "haystack_integrations.components.rankers.huggingface_api")
)

TEXTS = ["a tea pot", "red velvet sofa", "", "an oak shelf for the living room"]
QUERY = "red sofa"


@pytest.fixture(scope="module")
def expected(ranker):
    """Places of the texts and their scores, best first."""
    found = ranker.rerank_documents(QUERY, [{"description": t} if t else {} for t in TEXTS])
    return [(graded.index, pytest.approx((graded.expected_level - 1) / 4, abs=1e-5)) for graded in found]


def test_cohere_as_it_is_now(url, expected):
    client = cohere.ClientV2(api_key="any", base_url=url)
    answer = client.rerank(model="any", query=QUERY, documents=TEXTS, top_n=3, max_tokens_per_doc=512)
    assert [(r.index, r.relevance_score) for r in answer.results] == expected[:3]


def test_cohere_as_it_was(url, expected):
    client = cohere.Client(api_key="any", base_url=url)
    answer = client.rerank(query=QUERY, documents=[{"text": t} for t in TEXTS], return_documents=True)
    assert [(r.index, r.relevance_score) for r in answer.results] == expected
    assert [r.document.text for r in answer.results if TEXTS[r.index]] == [TEXTS[i] for i, _ in expected if TEXTS[i]]


def test_cohere_says_what_was_wrong(url):
    client = cohere.ClientV2(api_key="any", base_url=url)
    with pytest.raises(cohere.UnprocessableEntityError, match="the query is empty"):
        client.rerank(model="any", query=" ", documents=TEXTS)


def test_haystack(url, expected):
    documents = [haystack.Document(content=text, id=str(i)) for i, text in enumerate(TEXTS)]
    found = tei.HuggingFaceTEIRanker(url=url, top_k=3, token=None).run(QUERY, documents)["documents"]
    assert [(int(d.id), d.score) for d in found] == expected[:3]


def test_haystack_with_raw_scores(url, ranker):
    documents = [haystack.Document(content=text) for text in TEXTS]
    found = tei.HuggingFaceTEIRanker(url=url, raw_scores=True, token=None).run(QUERY, documents)["documents"]
    best = ranker.rerank_documents(QUERY, [{"description": t} if t else {} for t in TEXTS])[0]
    assert found[0].score == pytest.approx(best.expected_level, abs=1e-5)
