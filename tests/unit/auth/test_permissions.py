"""The permission table, generated, against an oracle that shares nothing with the code."""

from itertools import chain, combinations, product
from typing import get_args

import pytest

from realtime.auth.identity import Role
from realtime.auth.permissions import GRANTEES, Operation, Permissions, may_subscribe
from realtime.settings.schema import Grant

OPERATIONS: tuple[str, ...] = get_args(Operation)
ROLES: tuple[Role, ...] = get_args(Role)
NAMES = ["guest", "user", "member", "subscriber", "token", "admin"]
LISTS = list(chain.from_iterable(combinations(NAMES, size) for size in range(len(NAMES) + 1)))
BOOLS = (False, True)


def granted(grantee: str, role: Role, subscriber: bool, token: bool, member: bool) -> bool:
    """What each name in a list means, in the words of design.md 6."""
    if grantee == "guest":
        return True
    if grantee == "user":
        return role in ("user", "admin")
    if grantee == "subscriber":
        return subscriber
    if grantee == "token":
        return subscriber and token
    if grantee == "admin":
        return role == "admin"
    assert grantee == "member"
    return member


def test_there_are_four_operations_and_six_grantees_as_in_the_settings() -> None:
    assert OPERATIONS == ("subscribe", "publish", "read_history", "read_presence")
    assert set(GRANTEES) == set(NAMES) == set(get_args(Grant))
    assert set(ROLES) == {"admin", "user", "guest"}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("role", ROLES)
def test_the_whole_table(operation: str, role: Role) -> None:
    for names, subscriber, token, member, insecure in product(LISTS, BOOLS, BOOLS, BOOLS, BOOLS):
        everything_else = {other: NAMES for other in OPERATIONS if other != operation}
        permissions = Permissions(**{operation: names}, **everything_else)
        expected = (
            insecure
            or role == "admin"
            or any(granted(name, role, subscriber, token, member) for name in names)
        )
        case = (operation, role, names, subscriber, token, member, insecure)
        assert expected is permissions.allow(
            operation, role, subscriber=subscriber, token=token, member=member, insecure=insecure
        ), case


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", ["", "Publish", "publish ", "history", "delete", "__len__"])
def test_unknown_operations_are_denied_to_everyone(operation: str, role: Role) -> None:
    permissions = Permissions(subscribe=NAMES, publish=NAMES, read_history=NAMES)
    for subscriber, token, member, insecure in product(BOOLS, BOOLS, BOOLS, BOOLS):
        assert not permissions.allow(
            operation, role, subscriber=subscriber, token=token, member=member, insecure=insecure
        )


@pytest.mark.parametrize("operation", OPERATIONS)
def test_without_a_list_only_admins_may(operation: str) -> None:
    permissions = Permissions()
    assert permissions.allow(operation, "admin")
    others: tuple[Role, ...] = ("user", "guest")
    for role, subscriber, token in product(others, BOOLS, BOOLS):
        assert not permissions.allow(operation, role, subscriber=subscriber, token=token)


@pytest.mark.parametrize("name", ["", "everyone", "Guest", "guest ", "anonymous"])
def test_an_unknown_grantee_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="expected one of guest, user, member"):
        Permissions(publish=["user", name])


def oracle_subscribe(
    names: tuple[str, ...],
    role: Role,
    user: str,
    token: bool,
    private: bool,
    limited_to: tuple[str, ...] | None,
    user_limited: bool,
    member: bool,
    insecure: bool,
) -> bool:
    """Protocol 4.2, read from top to bottom."""
    if role == "admin":
        return True
    if private and not token:
        return False
    if token:
        return True
    if limited_to is not None:
        return user_limited and user in limited_to and bool(user)
    if any(granted(name, role, False, False, member) for name in names):
        return True
    return insecure


@pytest.mark.parametrize("role", ROLES)
def test_subscribing_goes_by_the_order_of_the_protocol(role: Role) -> None:
    users = ("", "42") if role == "guest" else ("42",)
    listed = (None, (), ("",), ("41",), ("41", "42"))
    for names, user, token, private, limited_to, user_limited, member, insecure in product(
        LISTS, users, BOOLS, BOOLS, listed, BOOLS, BOOLS, BOOLS
    ):
        found = may_subscribe(
            Permissions(subscribe=names),
            role,
            user,
            token=token,
            private=private,
            limited_to=limited_to,
            user_limited=user_limited,
            member=member,
            insecure=insecure,
        )
        case = (names, role, user, token, private, limited_to, user_limited, member, insecure)
        assert found is oracle_subscribe(*case), case


def test_a_private_channel_opens_by_token_only() -> None:
    everyone = Permissions(subscribe=NAMES)
    for insecure in BOOLS:
        for token in BOOLS:
            assert token is may_subscribe(
                everyone,
                "user",
                "42",
                token=token,
                private=True,
                limited_to=None,
                user_limited=True,
                insecure=insecure,
            )


def test_a_user_limited_channel_is_closed_where_the_option_is_off() -> None:
    for user_limited in BOOLS:
        assert user_limited is may_subscribe(
            Permissions(subscribe=NAMES),
            "user",
            "42",
            token=False,
            private=False,
            limited_to=("42",),
            user_limited=user_limited,
            insecure=True,
        )
