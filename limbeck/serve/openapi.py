"""What the service answers, as an OpenAPI 3.1 document: written from the types that requests are checked against."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from limbeck.serve.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from limbeck.serve.messages import (
    BoardRequest,
    CompareRequest,
    RerankAnswer,
    RerankRequest,
    SearchAnswer,
    SearchRequest,
    SimilarAnswer,
    SimilarRequest,
)
from limbeck.serve.pins import PinsAnswer, PinsRequest
from limbeck.serve.ranked import Pin
from limbeck.serve.texts import TextsRequest, TextsResult

REFERENCE = "#/components/schemas/{name}"
Shapes = Mapping[type, dict[str, Any]]  # the schema of each type


class Error(msgspec.Struct):
    """What is wrong, and what to do about it."""

    error: str
    remedy: str | None


@dataclass(frozen=True)
class Operation:
    """One route: what it takes (the parameters of a GET, the body of a POST), and what it gives."""

    method: str
    path: str
    summary: str
    takes: type | None = None
    gives: type | None = None
    example: dict[str, Any] = field(default_factory=dict)
    kind: str = "application/json"


OPERATIONS = (
    Operation("get", "/search", "Pins for a query", SearchRequest, SearchAnswer, {"q": "red sofa", "k": 10}),
    Operation(
        "post", "/v1/rerank", "Documents or Pins by relevance to a query", RerankRequest, RerankAnswer,
        {"query": "red sofa", "documents": ["a red velvet sofa", {"id": "81"}], "top_n": 10},
    ),
    Operation(
        "post", "/v2/rerank", "The same, as newer clients of Cohere ask for it", RerankRequest, RerankAnswer,
        {"query": "red sofa", "documents": ["a red velvet sofa", "an oak table"], "top_n": 1},
    ),
    Operation(
        "post", "/rerank", "Texts by relevance, as clients of text-embeddings-inference ask for them", TextsRequest,
        list[TextsResult], {"query": "red sofa", "texts": ["a red velvet sofa", "an oak table"]},
    ),
    Operation(
        "post", "/v1/embeddings", "Vectors of texts, as OpenAI's clients ask for them", EmbeddingsRequest,
        EmbeddingsAnswer, {"input": ["red sofa", "a tall lamp"]},
    ),
    Operation("get", "/similar", "The Pins nearest to a Pin", SimilarRequest, SimilarAnswer, {"pin_id": "81", "k": 10}),
    Operation(
        "post", "/v1/pins", "Add, change and delete Pins", PinsRequest, PinsAnswer,
        {"put": [{"id": "new-1", "title": "Red velvet sofa", "language": "en"}], "delete": ["old-7"]},
    ),
    Operation("get", "/v1/pins/{pin_id}", "What is shown of a Pin", None, Pin, {"pin_id": "81"}),
    Operation("get", "/pins/{pin_id}", "A page: a Pin, and why it is found", None, None, {"pin_id": "81"}, "text/html"),
    Operation(
        "get", "/boards/{board_id}", "A page: the Pins of a board", BoardRequest, None, {"board_id": "7"}, "text/html"
    ),
    Operation(
        "get", "/compare", "A page: two rankers side by side", CompareRequest, None, {"q": "red sofa"}, "text/html"
    ),
    Operation("get", "/healthz", "Whether the process answers"),
    Operation("get", "/readyz", "The student, how many Pins there are, and what was refused; 503: a file is damaged"),
    Operation("get", "/metrics", "Counts and times for Prometheus", kind="text/plain"),
    Operation("get", "/images/{path}", "A Pin's picture", example={"path": "81/x81.png"}, kind="image/*"),
    Operation("get", "/openapi.json", "This document"),
)  # fmt: skip
ROUTES = {f"{operation.method.upper()} {operation.path}": operation.summary for operation in OPERATIONS}


@functools.cache
def document(version: str) -> dict[str, Any]:
    """The whole document: always the same one, not to be changed."""
    types = [kind for operation in OPERATIONS for kind in (operation.takes, operation.gives) if kind] + [Error]
    schemas, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    shapes = dict(zip(types, schemas))
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, components, shapes)
    about = {"title": "Limbeck", "version": version, "description": "Search relevance: retrieve, grade, rank"}
    return {"openapi": "3.1.0", "info": about, "paths": paths, "components": {"schemas": components}}


def _described(operation: Operation, components: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    given = _content(operation.gives, shapes, operation.kind)
    found = {
        "summary": operation.summary,
        "responses": {
            "200": {"description": "the answer", "content": given},
            "default": {"description": "what is wrong", "content": _content(Error, shapes)},
        },
        "parameters": _parameters(operation, components),
    }
    if operation.method == "post":
        asked = _content(operation.takes, shapes)
        asked["application/json"]["example"] = operation.example
        found["requestBody"] = {"required": True, "content": asked}
    return found


def _content(kind: type | None, shapes: Shapes, media: str = "application/json") -> dict[str, Any]:
    return {media: {"schema": shapes[kind] if kind else {}}}


def _parameters(operation: Operation, components: dict[str, Any]) -> list[dict[str, Any]]:
    """Those in the path, and of a GET those in the query string."""
    asked = [("path", name, True, {"type": "string"}) for name in operation.example if f"{{{name}}}" in operation.path]
    if operation.method == "get" and operation.takes:
        schema = components[operation.takes.__name__]
        required = schema.get("required", ())
        asked += [("query", name, name in required, kind) for name, kind in schema["properties"].items()]
    return [
        {"in": where, "name": name, "required": needed, "schema": schema}
        | ({"example": operation.example[name]} if name in operation.example else {})
        for where, name, needed, schema in asked
    ]
