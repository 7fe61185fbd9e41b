"""The OpenAPI document is valid, tells of every route, and its schemas fit what is answered."""

import jsonschema
import pytest
from fixed import Fixed
from live_service import Following, client_of
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.testclient import TestClient

from limbeck.serve import app, openapi
from limbeck.serve.compare import Judgments
from limbeck.serve.metrics import Metrics
from limbeck.settings import Serve

POSTED = ["/v1/rerank", "/v2/rerank", "/rerank", "/v1/embeddings"]


@pytest.fixture(scope="module")
def service(ranker, workspace):
    return app.create(Fixed(ranker), Serve(candidates=40, results=10), workspace.folder("images/pins"))


@pytest.fixture(scope="module")
def client(service):
    with TestClient(service) as it:
        yield it


@pytest.fixture(scope="module")
def document(client):
    return client.get("/openapi.json").json()


def test_it_is_valid(document):
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_route_is_described_and_none_that_is_not_there(ranker, document, tmp_path):
    service = app.Service(Fixed(ranker), Serve(), tmp_path, Metrics(), Judgments([]), app.NOTHING)
    served = {
        (method.lower(), route.path.replace(":path", ""))
        for route in app.routes(service)
        for method in route.methods - {"HEAD"}
        if route.path != "/"
    }
    described = {(method, path) for path, found in document["paths"].items() for method in found}
    assert described == served == {tuple(name.lower().split(" ")) for name in openapi.ROUTES}


@pytest.mark.parametrize("path", [*POSTED, "/search", "/similar", "/v1/pins/{pin_id}"])
def test_examples_are_answered_as_described(client, document, path):
    [(method, operation)] = document["paths"][path].items()
    response = _asked(client, method, path, operation)
    assert response.status_code == 200, response.text
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": document["components"]})


def test_the_example_of_changed_pins_is_answered_as_described(store, document, tmp_path):
    operation = document["paths"]["/v1/pins"]["post"]
    with client_of(Following(store, tmp_path)) as client:
        response = _asked(client, "post", "/v1/pins", operation)
        refused = client.post("/v1/pins")
    for answer, status in ((response, "200"), (refused, "default")):
        schema = operation["responses"][status]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})
    assert (response.status_code, refused.status_code) == (200, 400)


@pytest.mark.parametrize("path", [*POSTED, "/search", "/similar"])
def test_refusals_are_as_described(client, document, path):
    [(method, operation)] = document["paths"][path].items()
    response = client.request(method, path)
    assert response.status_code in (400, 422)
    schema = operation["responses"]["default"]["content"]["application/json"]["schema"]
    jsonschema.validate(response.json(), {**schema, "components": document["components"]})


def _asked(client, method, path, operation):
    """The documented example, of a Pin that there is."""
    if method == "post":
        body = operation["requestBody"]["content"]["application/json"]["example"]
        return client.post(
            path, json={**body, **({"documents": ["tea", {"id": "pin05"}]} if "documents" in body else {})}
        )
    given = {
        p["name"]: "pin05" if p["name"] == "pin_id" else p["example"] for p in operation["parameters"] if "example" in p
    }
    asked = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
    return client.get(path.format(**given), params={name: value for name, value in given.items() if name in asked})
