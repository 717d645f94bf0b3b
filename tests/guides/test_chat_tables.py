"""The tables of the guides to chat and feeds are what the program has."""

import json
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec
import pytest

from realtime.chat import fanout, feeds, follows, hints, marker_hints, tiers, typing, watching
from realtime.chat.amending import PinEvent, ReactionEvent
from realtime.chat.blocks import BLOCKS_MAX
from realtime.chat.calls import channels, fields, markers, messages, presence, users
from realtime.chat.channel_events import ChannelEvent
from realtime.chat.channel_folds import MemberHint
from realtime.chat.counters import CountersChange
from realtime.chat.devices import GRACE_MS
from realtime.chat.member_events import USERS_MAX, MemberEvent
from realtime.chat.receipts import Several
from realtime.chat.sending import CLIENT_ID_MAX
from realtime.chat.table import ALL
from realtime.chat.watch_list import WATCHED_PER_USER_MAX
from realtime.hub import holding
from realtime.model import Kind
from realtime.settings.schema import ChannelOptions, ChatSettings, ClientSettings
from tests.guides.pages import pages
from tests.guides.tables import named, numbers, rows
from tests.support.permission_matrix import Standing, may

OPERATIONS: Final = {operation.name: operation for operation in ALL}

EVENTS: Final[Mapping[str, Any]] = {
    "edit": None,  # whatever the message's data is
    "delete": dict[str, None],
    "reaction": ReactionEvent,
    "pin": PinEvent,
    "member": MemberEvent,
    "channel": ChannelEvent,
}
SIGNALS: Final[Mapping[str, tuple[Any, ...]]] = {
    "typing": (typing.TypingChange,),
    "receipt": (markers.Receipt, Several),
    "counters": (CountersChange,),
    "tier": (tiers.TierChange,),
}
HINTS: Final[Mapping[str, Any]] = {
    "channel": hints.ChannelHint,
    "member": MemberHint,
    "marker": marker_hints.MarkerHint,
    "presence": watching.PresenceHint,
    "post": fanout.PostHint,
    "timeline": feeds.SeenHint,
}


RATES: Final = {
    "sends": ("chat.send", "feed.post"),
    "edits": ("chat.edit", "chat.delete", "chat.react", "chat.pin", "user.update"),
    "typing": ("chat.typing", "chat.read", "chat.delivered", "presence.set"),
    "creates": ("chat.create", "chat.direct"),
    "invites": ("chat.invite", "chat.leave", "user.block", "chat.report", "feed.follow"),
    "reads": ("chat.history", "chat.sync", "presence.watch"),
}
"""What one user may do, in the order of the page, with operations that each row is about."""


def fields_of(struct: Any) -> set[str]:
    """What the struct is on the wire, without its `type`."""
    return set(struct.__struct_encode_fields__) - {"type"}


def test_every_event_is_in_the_table_with_its_data() -> None:
    table = {name: data for kind, data, _ in rows("chat", "Events") for name in named(kind)}
    assert table.keys() == EVENTS.keys()
    assert table.keys() == set(get_args(Kind)) - {"message", "join", "leave", "signal"}
    for kind, type_ in EVENTS.items():
        if type_ is None:
            continue
        text = named(table[kind])[0].replace("…", "")
        msgspec.json.decode(text, type=type_)
        assert set(json.loads(text)) <= (fields_of(type_) if kind != "delete" else set())


def test_every_act_of_members_is_in_the_table() -> None:
    (cell,) = [data for kind, data, _ in rows("chat", "Events") if kind == "`member`"]
    acts = {"create", "direct", "join", "leave", "invite", "kick", "ban", "unban"}
    acts |= {"mute", "unmute", "role", "transfer"}
    assert acts <= set(named(cell))
    said = (MemberEvent.__doc__ or "").split("one of a later version")[0]
    assert all(f'"{act}"' in said for act in acts)
    assert said.count('"') == 2 * len(acts)


def test_every_signal_is_in_the_table_with_its_data() -> None:
    table = {name: data for kind, data, _ in rows("chat", "Signals") for name in named(kind)}
    assert table.keys() == SIGNALS.keys()
    for kind, types in SIGNALS.items():
        for form, type_ in zip(named(table[kind]), types, strict=True):
            text = form.replace("[…]", "[]")
            msgspec.json.decode(text, type=type_)
            assert set(json.loads(text)) == fields_of(type_)


def test_every_hint_is_in_a_table_with_its_fields() -> None:
    table = {name: told for type_, told, _ in rows("chat", "Hints") for name in named(type_)}
    assert table.keys() == HINTS.keys()
    for type_ in ("channel", "member", "marker", "presence"):
        assert fields_of(HINTS[type_]) <= set(named(table[type_]))
    live = {name: told for type_, told, _ in rows("feeds", "Hints") for name in named(type_)}
    assert live.keys() == {"post", "timeline"}
    for type_, told in live.items():
        assert fields_of(HINTS[type_]) == set(named(told))


def test_roles_may_what_the_table_says() -> None:
    roles: tuple[Standing, ...] = ("owner", "moderator", "member", "reader")
    for operations, *cells in rows("chat", "Roles"):
        for name in named(operations):
            for role, cell in zip(roles, cells, strict=True):
                # The messages and the members that the matrix acts on are a member's.
                expected = role == "member" if cell == "of their own" else cell != "no"
                assert may(OPERATIONS[name], role) == expected, (name, role)


def test_limits_are_those_of_the_program() -> None:
    told = [(named(cell), numbers(cell)) for _, cell in rows("chat", "Limits")[:8]]
    assert [found for _, found in told] == [
        [ClientSettings().message_max_bytes, 413, 1009],
        [messages.MENTIONS_MAX, messages.EMOJIS_MAX, 32],
        [messages.PINNED_MAX],
        [USERS_MAX],
        [ChannelOptions().members_max],
        [channels.TITLE_MAX, users.NAME_MAX, users.AVATAR_MAX, users.CUSTOM_MAX_BYTES],
        [fields.PAGE_DEFAULT, fields.PAGE_MAX, markers.SYNC_MAX, markers.SYNC_MAX_BYTES],
        [BLOCKS_MAX],
    ]
    assert channels.AVATAR_MAX == users.AVATAR_MAX
    assert WATCHED_PER_USER_MAX == BLOCKS_MAX
    assert f"1 to {fields.CLIENT_ID_MAX} characters" in pages()["chat"]
    assert CLIENT_ID_MAX == fields.CLIENT_ID_MAX


def test_what_a_user_may_do_in_a_second_is_what_the_settings_say() -> None:
    settings = ChatSettings()
    table = [cells for cells in rows("chat", "Limits") if len(cells) == 3][1:]
    assert len(table) == len(RATES)
    for (calls, rate, burst), (spent, operations) in zip(table, RATES.items(), strict=True):
        assert numbers(rate) == [getattr(settings, f"{spent}_per_s")]
        assert numbers(burst) == [getattr(settings, f"{spent}_burst")]
        assert {OPERATIONS[name].spends for name in (*operations, *named(calls))} == {spent}


def test_sizes_are_those_of_the_program() -> None:
    receipts = {"one for each reader and second": "each", "merged, one a second": "merged"}
    slow_mode = {"as set": 0, "5 s, unless the channel or its namespace sets another": 5}
    for tier, live, told, typed, present, slow in rows("chat", "Sizes"):
        rules = tiers.RULES[tier]  # type: ignore[index]  # a KeyError would tell
        assert numbers(live) == ([] if rules.live_max is None else [rules.live_max])
        assert rules.receipts == receipts.get(told, "off")
        assert rules.typing == (typed == "yes")
        assert rules.presence == ("members" if present == "who" else "counts")
        assert rules.slow_mode_s == slow_mode[slow]
    assert len(rows("chat", "Sizes")) == len(tiers.RULES)
    settings = ChatSettings()
    assert settings.receipts_members_max == settings.typing_members_max == 2_000
    assert settings.inbox_members_max == settings.reactions_members_max == 250
    assert "those of the next 200 ms after it, in one frame" in pages()["chat"]
    assert holding.INTERVAL_S == 0.2


def test_states_of_presence_are_those_of_the_program() -> None:
    table = {name: told for state, told in rows("chat", "Presence") for name in named(state)}
    assert list(table) == list(get_args(presence.State))
    assert numbers(table["offline"]) == [GRACE_MS / 1000]
    assert f"up to {presence.WATCHED_MAX} users at a time" in pages()["chat"]
    assert presence.WATCH_MAX_S == 5 * 60
    assert (typing.EVERY_S, typing.LASTS_MS) == (3, 6_000)


@pytest.mark.parametrize("page", ["chat", "feeds"])
def test_every_method_of_the_subject_is_named_or_led_to(page: str) -> None:
    assert "/api/v1/docs" in pages()[page]
    assert f"{follows.FOLLOWS_MAX:,} authors" in pages()["feeds"]
