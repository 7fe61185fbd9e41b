"""Requests and answers, and the edge where a request is checked: whatever is wrong with one is said in one line.

`/v1/rerank` has the shape that Cohere's and Jina's clients speak. Keys of a request that this service does not know are
ignored, as those clients send some; in a document they are refused, since a misspelt one would be graded as empty.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from limbeck.serve.ranker import Ranked, RankedDocument

MAX_QUERY = 1_000  # characters
MAX_BODY = 1 << 20  # bytes
MAX_DOCUMENTS = 1_000
EXAMPLE = 'Send {"query": "…", "documents": ["…", {"id": "…"}], "top_n": 10}'

Query = Annotated[str, Meta(min_length=1, max_length=MAX_QUERY)]


class Refused(Exception):  # noqa: N818 -- an answer rather than a fault
    """A request that cannot be answered: the HTTP status, what is wrong, and what to do about it."""

    def __init__(self, status: int, error: str, remedy: str | None = None) -> None:
        super().__init__(error)
        self.status, self.error, self.remedy = status, error, remedy


class Document(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be graded: a Pin by its `id`, or texts. `text` is another name for `description`."""

    id: str | None = None
    text: str | None = None
    title: str | None = None
    description: str | None = None
    caption: str | None = None
    board_titles: tuple[str, ...] = ()
    engaged_queries: tuple[str, ...] = ()
    link_title: str | None = None
    link_description: str | None = None

    def fields(self) -> dict[str, Any]:
        """The document as the ranker takes it."""
        if self.id is not None:
            return {"pin_id": self.id}
        said = {name: value for name, value in msgspec.structs.asdict(self).items() if value}
        return {**said, "description": said.pop("text")} if "text" in said else said


class RerankRequest(msgspec.Struct):
    """`POST /v1/rerank`."""

    query: Query
    documents: Annotated[list[str | Document], Meta(max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    model: str | None = None


class RerankResult(msgspec.Struct):
    """One graded document; `relevance_score` is the expected level laid onto 0 to 1."""

    index: int
    relevance_score: float
    level: int
    expected_level: float
    probabilities: tuple[float, ...]
    document: Document | UnsetType = UNSET


class RerankAnswer(msgspec.Struct):
    """The best `top_n` documents, most relevant first."""

    id: str
    model: str
    results: list[RerankResult]


class SearchRequest(msgspec.Struct):
    """`GET /search`."""

    q: Query
    k: Annotated[int, Meta(ge=1)] | None = None
    language: str | None = None
    country: str | None = None


class SearchAnswer(msgspec.Struct):
    """The best `k` Pins, most relevant first."""

    query: str
    results: list[Ranked]


def read_rerank(body: bytes) -> RerankRequest:
    """The request in a body; `Refused` says what is wrong with it."""
    try:
        request = msgspec.json.decode(body, type=RerankRequest)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error), EXAMPLE) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}", EXAMPLE) from None
    _check_query(request.query)
    for number, document in enumerate(request.documents):
        if isinstance(document, Document):
            _check_document(document, number)
    return request


def read_search(parameters: dict[str, str], most: int) -> SearchRequest:
    """The request in a query string; `most` is how many Pins may be asked for."""
    given = {name: value for name, value in parameters.items() if value}
    try:
        request = msgspec.convert(given, SearchRequest, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(422, str(error), "Ask /search?q=words&k=20") from None
    _check_query(request.q)
    if request.k is not None and request.k > most:
        raise Refused(422, f"k is {request.k}", f"Ask for 1 to {most} Pins")
    return request


def result(graded: RankedDocument, document: str | Document | None) -> RerankResult:
    """A graded document as it is answered, with the document where it was asked for."""
    shown = Document(text=document) if isinstance(document, str) else document
    return RerankResult(
        index=graded.index,
        relevance_score=relevance_score(graded.expected_level),
        level=graded.level,
        expected_level=graded.expected_level,
        probabilities=graded.probabilities,
        document=UNSET if shown is None else shown,
    )


def relevance_score(expected_level: float) -> float:
    """Level 1 is 0, level 5 is 1."""
    return round(min(max((expected_level - 1) / 4, 0.0), 1.0), 6)


def _check_query(query: str) -> None:
    if not query.strip():
        raise Refused(422, "the query is empty", "Send at least one word")


def _check_document(document: Document, number: int) -> None:
    if document.id is not None and document != Document(id=document.id):
        raise Refused(422, f"documents[{number}] has both an id and texts", "Send either the id of a Pin or texts")
    if document.text and document.description:
        raise Refused(422, f"documents[{number}] has both a text and a description", "They are the same; send one")
