"""The OpenAPI document, made from a table of operations."""

import json
from typing import Any

import msgspec

from realtime.chat.openapi import document
from tests.support.operations import OPERATIONS


def made() -> dict[str, Any]:
    """The document, as a client reads it."""
    read: dict[str, Any] = json.loads(msgspec.json.encode(document(OPERATIONS, version="1.2.3")))
    return read


def test_an_operation_is_called_what_its_method_is_called_on_the_socket() -> None:
    paths = made()["paths"]
    found = {
        (method, path): operation["operationId"]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert found == {
        ("post", "/channels/{channel}/things"): "test.put",
        ("get", "/channels/{channel}/things"): "test.list",
        ("delete", "/channels/{channel}"): "test.drop",
    }


def test_parameters_are_where_the_request_has_them() -> None:
    things = made()["paths"]["/channels/{channel}/things"]
    listed = {(item["name"], item["in"], item["required"]) for item in things["get"]["parameters"]}
    assert listed == {
        ("channel", "path", True),
        ("limit", "query", False),
        ("ids", "query", False),
        ("events", "query", False),
    }
    body = things["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"client_id", "data", "count", "mentions"}
    assert body["required"] == ["data"]  # a client_id may be the Idempotency-Key
    assert {item["name"] for item in things["post"]["parameters"]} == {
        "channel",
        "Idempotency-Key",
    }


def test_every_error_is_a_problem_with_advice() -> None:
    responses = made()["paths"]["/channels/{channel}/things"]["post"]["responses"]
    assert set(responses) == {
        *("200", "400", "401", "403", "404", "413", "422", "423", "429", "503")
    }
    assert responses["423"]["description"] == "423 locked: wait"
    assert responses["503"]["description"] == "100 internal server error: retry later"
    for status, response in responses.items():
        kind = "application/json" if status == "200" else "application/problem+json"
        reference = response["content"][kind]["schema"]["$ref"]
        assert reference.rpartition("/")[2] in made()["components"]["schemas"]


def test_every_reference_leads_somewhere() -> None:
    text = json.dumps(made())
    schemas = made()["components"]["schemas"]
    for part in text.split('"$ref": "#/components/schemas/')[1:]:
        assert part.partition('"')[0] in schemas
