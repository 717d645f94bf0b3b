"""The codes of the wire against the tables of protocol 1.7 and 1.8, written down again here."""

import json
from collections.abc import Mapping

import pytest

from realtime import errors
from realtime.errors import (
    DISCONNECTS,
    ERRORS,
    UNSUBSCRIBES,
    CommandRefused,
    ConnectionRefused,
    Disconnect,
    Error,
    RealtimeError,
    SettingsError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
    Unsubscribe,
)

REPLIES = {
    100: ("internal server error", True),
    101: ("unauthorized", False),
    102: ("unknown channel", False),
    103: ("permission denied", False),
    104: ("method not found", False),
    105: ("already subscribed", False),
    106: ("limit exceeded", False),
    107: ("bad request", False),
    108: ("not available", False),
    109: ("token expired", False),
    110: ("expired", False),
    111: ("too many requests", True),
    112: ("unrecoverable position", False),
    113: ("conflict", False),
    404: ("not found", False),
    409: ("conflict", False),
    410: ("deleted", False),
    413: ("too large", False),
    422: ("invalid parameters", False),
    423: ("locked", False),
}
CLOSES = {
    3000: ("connection closed", True),
    3001: ("shutdown", True),
    3004: ("internal server error", True),
    3005: ("connection expired", True),
    3006: ("subscription expired", True),
    3008: ("slow", True),
    3009: ("write error", True),
    3010: ("insufficient state", True),
    3011: ("force reconnect", True),
    3012: ("no pong", True),
    3013: ("too many requests", True),
    3014: ("state invalidated", True),
    3500: ("invalid token", False),
    3501: ("bad request", False),
    3502: ("stale", False),
    3503: ("force disconnect", False),
    3504: ("connection limit", False),
    3505: ("channel limit", False),
    3506: ("inappropriate protocol", False),
    3507: ("permission denied", False),
    3508: ("not available", False),
    3509: ("too many errors", False),
    3510: ("replaced", False),
}
UNSUBSCRIBED = {
    2000: ("server unsubscribe", False),
    2500: ("insufficient state", True),
    2501: ("subscription expired", True),
    2502: ("state invalidated", True),
}


def test_the_errors_are_those_of_the_protocol_and_of_chat() -> None:
    assert {code: (item.message, item.temporary) for code, item in ERRORS.items()} == REPLIES


def test_the_disconnects_are_those_of_the_protocol() -> None:
    assert {code: (item.reason, item.reconnects) for code, item in DISCONNECTS.items()} == CLOSES


def test_the_unsubscribes_are_those_of_the_protocol() -> None:
    found = {code: (item.reason, item.resubscribes) for code, item in UNSUBSCRIBES.items()}
    assert found == UNSUBSCRIBED


@pytest.mark.parametrize(
    ("kind", "table"),
    [(Error, ERRORS), (Disconnect, DISCONNECTS), (Unsubscribe, UNSUBSCRIBES)],
)
def test_every_value_is_in_its_table_under_its_own_code(
    kind: type[Error] | type[Disconnect] | type[Unsubscribe], table: Mapping[int, object]
) -> None:
    named = [value for value in vars(errors).values() if isinstance(value, kind)]
    assert len(named) == len(table) > 0
    assert {value.code: value for value in named} == table


@pytest.mark.parametrize(
    ("code", "reconnects"),
    [
        (2999, True),
        (3499, True),
        (3500, False),
        (3999, False),
        (4000, True),
        (4499, True),
        (4500, False),
        (4999, False),
        (5000, True),
    ],
)
def test_the_range_of_a_close_code_says_whether_an_sdk_comes_back(
    code: int, reconnects: bool
) -> None:
    assert Disconnect(code, "").reconnects is reconnects


@pytest.mark.parametrize(("code", "resubscribes"), [(2000, False), (2499, False), (2999, True)])
def test_the_range_of_an_unsubscribe_code_says_whether_an_sdk_subscribes_again(
    code: int, resubscribes: bool
) -> None:
    assert Unsubscribe(code, "").resubscribes is resubscribes


@pytest.mark.parametrize("disconnect", DISCONNECTS.values())
def test_a_reason_fits_a_close_frame_and_is_no_json(disconnect: Disconnect) -> None:
    assert len(disconnect.reason.encode()) <= 123
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(disconnect.reason)


def test_a_refused_command_carries_its_error() -> None:
    refused = CommandRefused(errors.PERMISSION_DENIED)
    assert refused.error is errors.PERMISSION_DENIED
    assert str(refused) == "103 permission denied"


def test_a_refused_connection_carries_its_disconnect() -> None:
    refused = ConnectionRefused(errors.STALE)
    assert refused.disconnect is errors.STALE
    assert str(refused) == "3502 stale"


def test_unusable_settings_name_every_problem_on_a_line_of_its_own() -> None:
    refused = SettingsError(["server.port: expected a number", "store.url: unknown scheme"])
    assert refused.problems == ("server.port: expected a number", "store.url: unknown scheme")
    assert str(refused) == "server.port: expected a number\nstore.url: unknown scheme"


def test_a_store_error_says_its_detail() -> None:
    refused = StoreFull("no space left on the device")
    assert refused.detail == str(refused) == "no space left on the device"


def test_a_store_that_is_too_new_names_both_versions() -> None:
    refused = StoreTooNew(found=7, known=3)
    assert (refused.found, refused.known) == (7, 3)
    assert str(refused) == "the store has schema version 7; this program knows versions up to 3"


def test_the_exceptions_form_the_tree_of_the_module_s_docstring() -> None:
    tree = {
        RealtimeError: (CommandRefused, ConnectionRefused, SettingsError, StoreError),
        StoreError: (StoreUnavailable, StoreFull, StoreReadOnly, StoreCorrupt, StoreTooNew),
    }
    for base, kinds in tree.items():
        assert all(kind.__base__ is base for kind in kinds)
        assert all(kind.__name__ in str(errors.__doc__) for kind in kinds)
    assert RealtimeError.__base__ is Exception


def test_a_refused_call_says_why_where_and_until_when_after_its_message() -> None:
    refused = errors.CallRefused(errors.LOCKED, why="slow_mode", retry_after_s=2.1)
    assert refused.error == Error(423, "locked; why=slow_mode; retry_after=3")
    assert (refused.title, refused.why, refused.retry_after_s) == ("locked", "slow_mode", 3)
    refused = errors.CallRefused(errors.INVALID, field="mentions[3]")
    assert refused.error == Error(422, "invalid parameters; field=mentions[3]")
    assert errors.CallRefused(errors.DELETED).error == errors.DELETED
