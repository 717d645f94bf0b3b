"""The table of operations as a whole: what both faces and the document rely on."""

import inspect
from collections import Counter
from typing import Final

import msgspec
import pytest

from realtime.chat.openapi import STATUS, codes, document
from realtime.chat.operations import Done, Operation
from realtime.chat.parameters import Parameters
from realtime.chat.refusals import WHY
from realtime.chat.table import ALL
from realtime.errors import ERRORS, CallRefused
from realtime.server.reference import reference_page

BY_NAME: Final = pytest.mark.parametrize("operation", ALL, ids=lambda each: each.name)


def test_names_and_routes_are_of_one_operation_each() -> None:
    assert [name for name, count in Counter(each.name for each in ALL).items() if count > 1] == []
    routes = Counter((each.method, each.path) for each in ALL)
    assert [route for route, count in routes.items() if count > 1] == []


def test_types_of_different_operations_have_different_names() -> None:
    """Or a schema of the document would be that of another."""
    types = {struct for each in ALL for struct in (each.params, each.result)}
    assert len({struct.__name__ for struct in types}) == len(types)


@BY_NAME
def test_an_operation_says_what_it_is(operation: Operation) -> None:
    assert operation.summary
    assert "\n" not in operation.summary
    assert inspect.getdoc(operation.params)
    assert inspect.getdoc(operation.result)
    subject, _, verb = operation.name.partition(".")
    assert subject in ("chat", "user", "presence", "feed", "push")
    assert verb.isidentifier()


@BY_NAME
def test_parameters_refuse_what_they_do_not_know(operation: Operation) -> None:
    assert operation.params.__struct_config__.forbid_unknown_fields
    Parameters(operation)  # its path names parameters only


@BY_NAME
def test_numbers_can_be_given_in_a_path_or_a_query(operation: Operation) -> None:
    """Also where they are described."""
    schema = msgspec.json.schema(operation.params)["$defs"][operation.params.__name__]
    numbers = [
        name
        for name, said in schema["properties"].items()
        if any(each.get("type") == "integer" for each in said.get("anyOf", [said]))
    ]
    for name in numbers:
        assert _refused(operation, {name: "1"}) != name


def _refused(operation: Operation, query: dict[str, str]) -> str:
    """The field that is named, if any: others are missing."""
    try:
        Parameters(operation).read_parts({}, query, b"")
    except CallRefused as refused:
        return refused.field
    return ""


@BY_NAME
def test_its_errors_are_of_the_table_and_have_a_status(operation: Operation) -> None:
    for code in codes(operation):
        assert code in ERRORS
        assert code in STATUS


def test_every_word_of_a_refusal_has_a_code_of_the_table() -> None:
    assert all(code in ERRORS for code, _, _ in WHY.values())


def test_writes_that_are_entries_have_a_client_id() -> None:
    """So that a retry is one; what has none comes to the same when it is done again."""
    repeatable = {
        "chat.direct",
        "chat.delivered",
        "chat.read",
        "chat.unread",
        "chat.typing",
        "chat.resolve",
        "user.block",
        "user.unblock",
        "user.erase",
        "presence.set",
        "presence.watch",
        "presence.unwatch",
        "feed.follow",
        "feed.unfollow",
        "feed.seen",
        "feed.view",
        "push.register",
        "push.unregister",
        "push.change",
        "push.change_channel",
        "push.replay",
        "push.purge",
    }
    without = {
        each.name
        for each in ALL
        if each.method != "GET" and "client_id" not in Parameters(each).names
    }
    assert without == repeatable


def test_the_page_and_the_document_have_every_operation() -> None:
    described = document(ALL, version="1")
    page = reference_page(described).decode()
    for each in ALL:
        assert f"id='{each.name}'" in page
        assert described["paths"][each.path][each.method.lower()]["operationId"] == each.name
    assert Done.__name__ in described["components"]["schemas"]
