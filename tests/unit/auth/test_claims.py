import base64
import json
from typing import Any

import pytest

from realtime.auth.claims import (
    ConnectionClaims,
    Lifetime,
    Override,
    SubscriptionClaims,
    SubscriptionOptions,
    read_claims,
    read_payload,
)
from realtime.auth.errors import TokenExpired, TokenInvalid


def claims(**members: Any) -> ConnectionClaims | SubscriptionClaims:
    payload = read_payload(members, "sub")
    return read_claims(payload, payload.lifetime())


def connection(**members: Any) -> ConnectionClaims:
    found = claims(**members)
    assert isinstance(found, ConnectionClaims)
    return found


def subscription(**members: Any) -> SubscriptionClaims:
    found = claims(channel="c", **members)
    assert isinstance(found, SubscriptionClaims)
    return found


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@pytest.mark.parametrize(
    ("sub", "role", "found"),
    [
        ("42", None, "user"),
        ("", None, "guest"),
        ("42", "user", "user"),
        ("42", "admin", "admin"),
        ("42", "guest", "guest"),
        ("", "guest", "guest"),
    ],
)
def test_the_role_is_the_claim_or_follows_from_the_user(
    sub: str, role: str | None, found: str
) -> None:
    members = {"sub": sub} if role is None else {"sub": sub, "role": role}
    assert connection(**members).identity.role == found


@pytest.mark.parametrize(
    ("sub", "role"),
    [
        ("42", "Admin"),
        ("42", "root"),
        ("42", ""),
        ("42", "user admin"),
        ("42", "member"),
        ("", "user"),
        ("", "admin"),
    ],
)
def test_an_unknown_role_or_one_that_needs_a_user_is_invalid(sub: str, role: str) -> None:
    with pytest.raises(TokenInvalid) as caught:
        connection(sub=sub, role=role)
    assert caught.value.reason == "claims"


@pytest.mark.parametrize(
    ("members", "found"),
    [
        ({}, b""),
        ({"info": None}, b""),
        ({"info": {"name": "Ann", "n": 1.5}}, b'{"name":"Ann","n":1.5}'),
        ({"info": False}, b"false"),
        ({"info": 0}, b"0"),
        ({"info": ""}, b'""'),
        ({"info": []}, b"[]"),
        ({"info": "é\n"}, '"é\\n"'.encode()),
        ({"b64info": b64(b'{"name": "Ann"}')}, b'{"name":"Ann"}'),
        ({"b64info": b64(b"null")}, b""),
        ({"b64info": ""}, b""),
        ({"info": 1, "b64info": ""}, b"1"),
        ({"info": 1, "b64info": b64(b"2")}, b"2"),
    ],
)
def test_info_is_raw_json(members: dict[str, Any], found: bytes) -> None:
    assert connection(**members).identity.info == found
    assert subscription(**members).info == found
    assert connection(subs={"c": members}).subs["c"].info == found
    data = {name.replace("info", "data"): value for name, value in members.items()}
    assert subscription(**data).data == found
    assert connection(subs={"c": data}).subs["c"].data == found


@pytest.mark.parametrize(
    "text",
    [
        "AAAA",
        "e30",
        "e3 0=",
        "e30=\n",
        b64(b'{"a":1,"a":2}'),
        b64(b"\xff"),
        b64(b"{} {}"),
        "é",
        "=",
    ],
)
def test_base64_of_what_is_not_json_is_invalid(text: str) -> None:
    with pytest.raises(TokenInvalid):
        connection(b64info=text)
    with pytest.raises(TokenInvalid):
        subscription(b64data=text)


def test_everything_a_connection_token_can_say() -> None:
    found = connection(
        sub="42",
        channels=["news", "$private"],
        subs={
            "a": {},
            "b": {
                "info": 1,
                "data": 2,
                "override": {"presence": {"value": True}, "join_leave": {}, "unknown": 1},
                "unknown": 1,
            },
        },
        meta={"shard": 7},
        device_id="é" * 128,
        override={"force_recovery": {"value": False}, "force_positioning": None},
        unknown={"x": 1},
    )
    assert found.channels == ("news", "$private")
    assert found.subs == {
        "a": SubscriptionOptions(),
        "b": SubscriptionOptions(b"1", b"2", Override(presence=True, join_leave=False)),
    }
    assert found.meta == b'{"shard":7}'
    assert found.override == Override(force_recovery=False)
    assert found.device_id == "é" * 128


def test_everything_a_subscription_token_can_say() -> None:
    assert subscription(
        sub="42",
        client="c1",
        exp=100,
        expire_at=50,
        nbf=5,
        iat=70.5,
        jti="t1",
        info=1,
        data=2,
        override={"force_push_join_leave": {"value": True}},
    ) == SubscriptionClaims(
        user="42",
        channel="c",
        lifetime=Lifetime(10.5, 50),
        expires_at=50,
        client="c1",
        jti="t1",
        iat=70.5,
        info=b"1",
        data=b"2",
        override=Override(force_push_join_leave=True),
    )


@pytest.mark.parametrize(
    ("user", "channel", "client", "fits"),
    [
        ("42", "c", "c1", True),
        ("43", "c", "c1", False),
        ("", "c", "c1", False),
        ("42", "d", "c1", False),
        ("42", "c", "c2", False),
    ],
)
def test_a_subscription_token_is_for_one_user_channel_and_connection(
    user: str, channel: str, client: str, fits: bool
) -> None:
    token = subscription(sub="42", client="c1")
    assert token.fits(user=user, channel=channel, client=client) is fits


def test_a_subscription_token_without_a_client_is_for_any_connection() -> None:
    assert subscription(sub="42").fits(user="42", channel="c", client="c2")


@pytest.mark.parametrize(
    "members",
    [
        {"channel": ""},
        {"channels": "news"},
        {"channels": ["news", 1]},
        {"channels": None},
        {"channels": {"news": {}}},
        {"subs": ["news"]},
        {"subs": {"news": None}},
        {"subs": {"news": {"b64info": 1}}},
        {"subs": {"news": {"override": {"presence": True}}}},
        {"override": {"presence": {"value": "yes"}}},
        {"override": []},
        {"b64info": {}},
        {"aud": 1},
        {"aud": ["hub", 1]},
        {"aud": None},
        {"exp": "1700000000"},
        {"exp": True},
        {"exp": None},
        {"exp": []},
        {"exp": 10**400},
        {"exp": 1_700_000_000_000},
        {"nbf": "0"},
        {"nbf": False},
        {"iat": {}},
        {"iat": None},
        {"expire_at": "0"},
        {"expire_at": None},
        {"device_id": ""},
        {"device_id": "d" * 129},
        {"device_id": 7},
        {"device_id": None},
    ],
)
def test_a_claim_of_the_wrong_type_is_invalid_in_either_kind_of_token(
    members: dict[str, Any],
) -> None:
    for more in ({}, {"channel": "c"}):
        with pytest.raises(TokenInvalid) as caught:
            claims(**{**more, **members})
        assert caught.value.reason == "claims"


def test_info_comes_out_as_it_would_from_a_plain_parser() -> None:
    value = {"a": [1, 2.5, None, True, "x\u2028\u00e9"], "b": {"c": {}}}
    assert json.loads(connection(info=value).identity.info) == value


def test_a_lifetime_is_open_at_its_end_and_closed_at_its_start() -> None:
    lifetime = Lifetime(10, 20)
    lifetime.check(10, 0)
    lifetime.check(19.999, 0)
    lifetime.check(5, 5)
    with pytest.raises(TokenInvalid):
        lifetime.check(9.999, 0)
    with pytest.raises(TokenExpired):
        lifetime.check(20, 0)
