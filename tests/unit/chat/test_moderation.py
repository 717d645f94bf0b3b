"""What is reported, who is shown it, what becomes of it, and the log of moderators' acts."""

import dataclasses
from typing import Any

import msgspec
import pytest

from realtime.auth.identity import Role
from realtime.chat.audit import record
from realtime.chat.calls.channels import CreateChannel, NewMember
from realtime.chat.calls.members import BanUser, KickMember, MuteMember
from realtime.chat.calls.moderation import (
    AuditPage,
    ListAudit,
    ListReports,
    MadeReport,
    MakeReport,
    Report,
    ReportPage,
    ResolveReport,
)
from realtime.errors import CommandRefused, StoreUnavailable
from realtime.model import Change, ClientInfo, Entry, NewEntry
from realtime.rows import MEMBERS, REPORTS
from realtime.stores.base import Appended, Removal, Span, Write
from tests.support.chat import FEED, ROOM
from tests.support.chat_rooms import Rooms, rooms_of, why

OTHERS = (NewMember("mod", "moderator"), NewMember("bob"), NewMember("cat"))


async def room(rooms: Rooms) -> str:
    """A channel of `ann` with a moderator and two members."""
    params = CreateChannel("room", rooms.fresh_id(), members=OTHERS)
    return str((await rooms.call("ann", "chat.create", params)).channel)


async def said_by(rooms: Rooms, user: str, channel: str) -> int:
    """A message of theirs; answers its offset."""
    info = ClientInfo(user, "")
    entry = NewEntry(
        channel, f"u:{user}", rooms.fresh_id(), b"{}", rooms.parts.clock.now_ms, info=info
    )
    (outcome,) = await rooms.parts.store.append([entry])
    assert isinstance(outcome, Appended)
    return outcome.offset


async def report(rooms: Rooms, reporter: str, **fields: Any) -> str:
    """Report something; answers the report's id."""
    params = MakeReport(fields.pop("client_id", None) or rooms.fresh_id(), "spam", **fields)
    made: MadeReport = await rooms.call(reporter, "chat.report", params)
    return made.report


async def shown(rooms: Rooms, user: str, role: Role = "user", **fields: Any) -> list[str]:
    """The ids of a page of reports."""
    page: ReportPage = await rooms.call(user, "chat.reports", ListReports(**fields), role)
    return [found.report for found in page.reports]


async def refusal(
    rooms: Rooms, user: str, name: str, params: msgspec.Struct, role: Role = "user"
) -> tuple[int, str]:
    """How an operation is refused."""
    with pytest.raises(CommandRefused) as refused:
        await rooms.call(user, name, params, role)
    return why(refused.value)


# Reporting.


async def test_a_message_is_reported_with_who_sent_it() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        offset = await said_by(rooms, "bob", channel)
        made = await report(rooms, "cat", channel=channel, offset=offset, text="rude")
        page: ReportPage = await rooms.call("mod", "chat.reports", ListReports(channel))
        assert page.reports == [
            Report(
                made,
                "open",
                "spam",
                "cat",
                1_700_000_000_000,
                channel,
                offset,
                "bob",
                "rude",
            )
        ]


async def test_a_retry_is_the_same_report_also_after_one_may_not_any_more() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        offset = await said_by(rooms, "bob", channel)
        made = await report(rooms, "cat", channel=channel, offset=offset, client_id="r")
        rooms.parts.clock.now_ms += 60_000
        await rooms.call("mod", "chat.kick", KickMember(channel, "cat", "k"))
        again = await report(rooms, "cat", channel=channel, offset=offset, client_id="r")
        assert again == made
        assert await shown(rooms, "mod", channel=channel) == [made]
        other = MakeReport("r", "hate", channel=channel, offset=offset)
        assert await refusal(rooms, "cat", "chat.report", other) == (409, "other_data")


async def test_a_report_whose_writer_died_is_made_by_the_retry() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        offset = await said_by(rooms, "bob", channel)
        write = rooms.parts.store.write
        params = MakeReport("r", "spam", channel=channel, offset=offset)

        async def dies(writes: Any) -> None:
            raise StoreUnavailable("it died")

        rooms.parts.store.write = dies  # type: ignore[method-assign]  # a node's last moment
        with pytest.raises(StoreUnavailable):
            await rooms.call("cat", "chat.report", params)
        rooms.parts.store.write = write  # type: ignore[method-assign]
        rooms.parts.clock.now_ms += 60_000
        made: MadeReport = await rooms.call("cat", "chat.report", params)
        (row,) = await rooms.parts.store.find(REPORTS, Span(), limit=10)
        assert (row.place, row.at) == (made.report, 1_700_000_000_000)


async def test_only_what_one_can_see_is_reported() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        offset = await said_by(rooms, "bob", channel)

        async def refused(reporter: str, **fields: Any) -> tuple[int, str]:
            params = MakeReport(rooms.fresh_id(), "spam", **fields)
            return await refusal(rooms, reporter, "chat.report", params)

        assert await refused("eve", channel=channel, offset=offset) == (103, "not_a_member")
        assert await refused("cat", channel=channel, offset=offset + 1) == (404, "offset")
        assert await refused("cat", channel=channel, offset=1) == (404, "offset")
        assert await refused("cat", channel="none:a", offset=1) == (102, "")
        assert await refused("cat", channel=channel, user="eve") == (404, "user")
        deletion = Change(channel, offset, offset + 1, b"{}", None, deleted_at=1)
        await rooms.parts.store.change([deletion])
        assert await refused("cat", channel=channel, offset=offset) == (410, "")
        assert await rooms.parts.store.find(REPORTS, Span(), limit=10) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, ""),
        ({"offset": 1}, "channel"),
        ({"channel": "room:a"}, ""),
        ({"channel": "room:a", "offset": 1, "user": "bob"}, "user"),
    ],
)
async def test_a_report_is_about_a_message_or_a_user(fields: dict[str, Any], field: str) -> None:
    async with rooms_of() as rooms:
        params = MakeReport("r", "spam", **fields)
        assert await refusal(rooms, "cat", "chat.report", params) == (422, field)


async def test_posts_are_reported_by_whom_the_feed_is_for() -> None:
    members_only = dataclasses.replace(FEED, read_history=("member",))
    async with rooms_of(room=ROOM, feed=FEED, closed=members_only) as rooms:
        for channel in ("feed:a", "closed:a"):
            await said_by(rooms, "bob", channel)
        made = await report(rooms, "cat", channel="feed:a", offset=1)
        assert await shown(rooms, "boss", "admin", channel="feed:a") == [made]
        closed = MakeReport("r", "spam", channel="closed:a", offset=1)
        assert await refusal(rooms, "cat", "chat.report", closed) == (404, "channel")


async def test_whom_an_author_has_blocked_learns_nothing_of_posts_by_reporting_them() -> None:
    async with rooms_of(room=ROOM, feed=FEED) as rooms:
        await said_by(rooms, "bob", "feed:a")
        blocked = Write(MEMBERS, ("feed:a", "cat"), set={"role": "banned"})
        await rooms.parts.store.write([blocked])
        for offset in (1, 2):
            params = MakeReport(rooms.fresh_id(), "spam", channel="feed:a", offset=offset)
            assert await refusal(rooms, "cat", "chat.report", params) == (103, "blocked")


# Who is shown what.


async def test_moderators_see_their_channels_reports_and_admins_all() -> None:
    async with rooms_of() as rooms:
        first, second = await room(rooms), await room(rooms)
        of_first = await report(rooms, "cat", channel=first, user="bob")
        of_second = await report(rooms, "cat", channel=second, user="bob")
        of_user = await report(rooms, "cat", user="bob")
        assert await shown(rooms, "mod", channel=first) == [of_first]
        everything = await shown(rooms, "boss", "admin")
        assert sorted(everything) == sorted([of_first, of_second, of_user])
        assert await shown(rooms, "boss", "admin", channel=second) == [of_second]
        for user, params, answer in (
            ("mod", ListReports(), (103, "role")),
            ("bob", ListReports(first), (103, "role")),
            ("eve", ListReports(first), (103, "not_a_member")),
        ):
            assert await refusal(rooms, user, "chat.reports", params) == answer


async def test_the_oldest_is_first_page_by_page() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        made = []
        for _ in range(5):
            rooms.parts.clock.now_ms += 1
            made.append(await report(rooms, "cat", channel=channel, user="bob"))
        found, cursor = [], ""
        while True:
            params = ListReports(channel, limit=2, cursor=cursor)
            page: ReportPage = await rooms.call("mod", "chat.reports", params)
            found += [row.report for row in page.reports]
            cursor = page.cursor
            if not cursor:
                break
        assert found == made
        for made_report in made:
            resolution = ResolveReport(made_report, "dismissed")
            await rooms.call("mod", "chat.resolve", resolution)
        assert await shown(rooms, "mod", channel=channel) == []
        assert await shown(rooms, "mod", channel=channel, state="dismissed") == made[::-1]


async def test_moderators_neither_see_nor_resolve_what_is_about_themselves() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        made = await report(rooms, "cat", channel=channel, user="mod")
        assert await shown(rooms, "mod", channel=channel) == []
        assert await shown(rooms, "ann", channel=channel) == [made]
        resolution = ResolveReport(made, "dismissed")
        assert await refusal(rooms, "mod", "chat.resolve", resolution) == (404, "report")
        await rooms.call("ann", "chat.resolve", resolution)


# Resolving.


async def test_a_report_is_resolved_once() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        offset = await said_by(rooms, "bob", channel)
        made = await report(rooms, "cat", channel=channel, offset=offset)
        resolution = ResolveReport(made, "acted", "told him off")
        first: Report = await rooms.call("mod", "chat.resolve", resolution)
        assert (first.state, first.resolved_by, first.note) == ("acted", "mod", "told him off")
        rooms.parts.clock.now_ms += 1
        assert await rooms.call("mod", "chat.resolve", resolution) == first
        for user, params in (
            ("mod", ResolveReport(made, "dismissed", "told him off")),
            ("mod", ResolveReport(made, "acted")),
            ("ann", resolution),
        ):
            assert await refusal(rooms, user, "chat.resolve", params) == (409, "resolved")
        (row,) = await rooms.audit(channel)
        assert (row.act, row.by, row.target, row.offset) == ("resolve", "mod", "bob", offset)
        assert msgspec.json.decode(row.detail) == {
            "report": made,
            "state": "acted",
            "note": "told him off",
        }


async def test_of_two_who_resolve_a_report_at_the_same_time_the_first_has() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        made = await report(rooms, "cat", channel=channel, user="bob")
        store = rooms.parts.store
        decide = store.decide

        async def overtaken(write: Write | Removal) -> bool:
            store.decide = decide  # type: ignore[method-assign]
            await rooms.call("mod", "chat.resolve", ResolveReport(made, "dismissed"))
            return await decide(write)

        store.decide = overtaken  # type: ignore[method-assign]  # between a read and its write
        acted = ResolveReport(made, "acted")
        assert await refusal(rooms, "ann", "chat.resolve", acted) == (409, "resolved")
        assert [row.by for row in await rooms.audit(channel)] == ["mod"]


async def test_who_may_not_resolve_a_report_is_not_told_of_it() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        of_channel = await report(rooms, "cat", channel=channel, user="bob")
        of_user = await report(rooms, "cat", user="bob")
        for user, found in (
            ("bob", of_channel),
            ("eve", of_channel),
            ("mod", of_user),
            ("mod", "nothing"),
        ):
            resolution = ResolveReport(found, "dismissed")
            assert await refusal(rooms, user, "chat.resolve", resolution) == (404, "report")
        for found in (of_channel, of_user):
            await rooms.call("boss", "chat.resolve", ResolveReport(found, "dismissed"), "admin")


async def test_a_resolution_whose_writer_died_is_written_down_by_the_retry() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        made = await report(rooms, "cat", channel=channel, user="bob")
        write = rooms.parts.store.write

        async def dies(writes: list[Write | Removal]) -> None:
            raise StoreUnavailable("it died")

        rooms.parts.store.write = dies  # type: ignore[assignment, method-assign]  # its last moment
        resolution = ResolveReport(made, "dismissed")
        with pytest.raises(StoreUnavailable):
            await rooms.call("mod", "chat.resolve", resolution)
        rooms.parts.store.write = write  # type: ignore[method-assign]
        assert await rooms.audit(channel) == []
        await rooms.call("mod", "chat.resolve", resolution)
        assert [row.act for row in await rooms.audit(channel)] == ["resolve"]


# The log of acts.


async def test_acts_are_listed_the_newest_first_page_by_page() -> None:
    async with rooms_of() as rooms:
        channel = await room(rooms)
        until = rooms.parts.clock.now_ms + 1_000
        await rooms.call("mod", "chat.mute", MuteMember(channel, "bob", "a", until))
        await rooms.call("mod", "chat.kick", KickMember(channel, "bob", "b"))
        rooms.parts.clock.now_ms += 1
        await rooms.call("ann", "chat.ban", BanUser(channel, "cat", "c"))
        found, cursor = [], ""
        while True:
            page: AuditPage = await rooms.call(
                "mod", "chat.audit", ListAudit(channel, limit=1, cursor=cursor)
            )
            found += page.acts
            cursor = page.cursor
            if not cursor:
                break
        assert [(act.act, act.by, act.user) for act in found] == [
            ("ban", "ann", "cat"),
            ("kick", "mod", "bob"),
            ("mute", "mod", "bob"),
        ]
        assert msgspec.json.decode(bytes(found[2].detail or b"")) == {"until": until}
        assert await refusal(rooms, "bob", "chat.audit", ListAudit(channel)) == (
            103,
            "not_a_member",
        )


async def test_an_event_is_written_down_once_whoever_folds_it() -> None:
    async with rooms_of() as rooms:
        store = rooms.parts.store
        info = ClientInfo("mod", "")
        entry = Entry("room:a", 7, b"{}", 5, kind="delete", sender="u:mod", ref=3, info=info)
        for _ in range(2):
            await record(store, entry, "delete", target="bob", offset=3)
        (row,) = await rooms.audit("room:a")
        assert (row.by, row.act, row.target, row.offset, row.at) == ("mod", "delete", "bob", 3, 5)
