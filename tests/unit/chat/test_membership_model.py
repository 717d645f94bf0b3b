"""Rows and caches against a model that does nothing but replay the log.

Users do random things on two nodes, by operations and by entries that cross each other; nodes die
between an entry and what follows from it, or in the middle of that; entries are folded late, twice
and out of order, and pass by at different times. What comes of it is what the log says.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from realtime.chat.around import Around
from realtime.chat.calls.channels import ArchiveChannel, CreateChannel, NewMember, UnarchiveChannel
from realtime.chat.calls.members import (
    BanUser,
    InviteUsers,
    JoinChannel,
    KickMember,
    LeaveChannel,
    MuteMember,
    SetRole,
    TransferChannel,
    UnbanUser,
    UnmuteMember,
)
from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.ledger import SWEEP_AFTER_MS, Ledger
from realtime.chat.memberships import KeptMemberships
from realtime.chat.recounting import recount
from realtime.errors import CommandRefused, StoreError, StoreUnavailable
from realtime.model import ClientInfo, Entry, NewEntry, Retention
from realtime.rows import AUDIT, CHANNELS, MEMBERS
from realtime.settings.schema import ChatSettings
from realtime.stores.base import Removal, Span, Write
from realtime.stores.sqlite import SQLiteStore
from tests.support.chat import ROOM, ChatParts, KeepingStage, ManualClock, Unlimited
from tests.support.chat_model import Model
from tests.support.chat_rooms import Rooms, put_together

CHANNEL: Final = "room:a"
USERS: Final = ("ann", "bob", "cat", "dan")
ACTS: Final = ("join", "leave", "invite", "kick", "ban", "unban", "mute", "unmute", "role")

users = st.sampled_from(USERS)
nodes = st.integers(0, 1)
roles = st.sampled_from(["moderator", "member", "reader"])
untils = st.sampled_from([-1, 5_000, 60_000])


class DyingStore(SQLiteStore):
    """A store that is gone for a node after so many writes of rows."""

    def __init__(self) -> None:
        super().__init__(":memory:")
        self.writes_left: int | None = None

    async def write(self, writes: Sequence[Write | Removal]) -> None:
        """See base."""
        # One by one, so that it also ends between two that are given together.
        for write in writes:
            await self.decide(write)

    async def decide(self, write: Write | Removal) -> bool:
        """See base."""
        if self.writes_left is not None:
            if self.writes_left == 0:
                raise StoreUnavailable("it died")
            self.writes_left -= 1
        return await super().decide(write)


class Node:
    """A node: what it keeps, and how far entries have passed it; None where it follows nothing."""

    def __init__(self, store: DyingStore, stage: KeepingStage, clock: ManualClock) -> None:
        self.memberships = KeptMemberships(store, clock)
        self.ledger = Ledger(store, stage, clock)
        around = Around(
            store=store,
            stage=stage,
            memberships=self.memberships,
            clock=clock,
            settings=ChatSettings(),
            ledger=self.ledger,
            doorkeeper=Doorkeeper(store, stage, self.memberships, clock),
            allowances=Unlimited(),
        )
        parts = ChatParts(around, stage, clock, store, self.memberships)
        self.rooms: Rooms = put_together(parts)
        self.passed: int | None = None


class MembershipMachine(RuleBasedStateMachine):
    """Does to a channel what hypothesis thinks of."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.store = DyingStore()
        self.runner.run(self.store.open())
        self.clock = ManualClock()
        self.stage = KeepingStage(self.store, {"room": ROOM})
        self.nodes = [Node(self.store, self.stage, self.clock) for _ in range(2)]
        self.calls = 0

    def teardown(self) -> None:
        try:
            self.runner.run(self.settle_and_compare())
        finally:
            self.runner.run(self.store.close())
            self.runner.close()

    # What happens.

    @initialize(dies_after=st.none() | st.integers(0, 4))
    def create(self, dies_after: int | None) -> None:
        members = (NewMember("bob", "moderator"), NewMember("cat"))
        params = CreateChannel("room", "c", id="a", members=members)
        self.perform(0, "ann", "create", params, dies_after)

    @rule(
        node=nodes,
        user=users,
        act=st.sampled_from([*ACTS, "transfer", "archive", "unarchive"]),
        other=users,
        role=roles,
        until=untils,
        again=st.booleans(),
        dies_after=st.none() | st.integers(0, 4),
    )
    def operate(
        self,
        node: int,
        user: str,
        act: str,
        other: str,
        role: Any,
        until: int,
        again: bool,
        dies_after: int | None,
    ) -> None:
        """Somebody does something; or tries again what they have done, or something else."""
        self.calls += not again
        call = f"call-{self.calls}"
        ends = until if until == -1 else self.clock.now_ms + until
        params: dict[str, msgspec.Struct] = {
            "join": JoinChannel(CHANNEL, call),
            "leave": LeaveChannel(CHANNEL, call),
            "invite": InviteUsers(CHANNEL, call, (NewMember(other, role), NewMember("dan"))),
            "kick": KickMember(CHANNEL, other, call),
            "ban": BanUser(CHANNEL, other, call, ends),
            "unban": UnbanUser(CHANNEL, other, call),
            "mute": MuteMember(CHANNEL, other, call, ends),
            "unmute": UnmuteMember(CHANNEL, other, call),
            "role": SetRole(CHANNEL, other, call, role),
            "transfer": TransferChannel(CHANNEL, other, call),
            "archive": ArchiveChannel(CHANNEL, call),
            "unarchive": UnarchiveChannel(CHANNEL, call),
        }
        self.perform(node, user, act, params[act], dies_after)

    @rule(
        act=st.sampled_from([*ACTS, "transfer"]),
        user=users,
        other=users,
        role=roles,
        until=untils,
    )
    def cross(self, act: str, user: str, other: str, role: str, until: int) -> None:
        """An entry that was decided before others, whose writer has died."""
        self.calls += 1
        said: dict[str, Any] = {"act": act, "user": other}
        if act == "invite":
            said = {
                "act": act,
                "users": [{"user": name, "role": role} for name in dict.fromkeys((user, other))],
            }
        elif act in ("ban", "mute"):
            said["until"] = until if until == -1 else self.clock.now_ms + until
        elif act == "role":
            said["role"] = role
        elif act == "join":
            said["role"] = "member"
        elif act == "transfer":
            said["from"] = user
        entry = NewEntry(
            CHANNEL,
            f"u:{user}",
            f"crossing-{self.calls}",
            msgspec.json.encode(said),
            self.clock.now_ms,
            kind="member",
            info=ClientInfo(user, ""),
            pending=True,
        )
        self.runner.run(self.stage.append(entry))

    @rule(node=nodes, pick=st.integers(0, 1 << 16), dies_after=st.none() | st.integers(0, 4))
    def fold(self, node: int, pick: int, dies_after: int | None) -> None:
        """Fold any entry, whether somebody has before or not, perhaps not to the end."""
        log = self.log()
        if log:
            entry = log[pick % len(log)]
            self.while_dying(self.nodes[node].rooms.folds.fold(entry), dies_after)

    @rule(node=nodes)
    def sweep(self, node: int) -> None:
        self.clock.now_ms += SWEEP_AFTER_MS + 1
        self.runner.run(self.nodes[node].ledger.sweep())

    @rule(seconds=st.sampled_from([1, 10, 100]))
    def wait(self, seconds: int) -> None:
        self.clock.now_ms += seconds * 1_000

    @rule(node=nodes)
    def follow(self, node: int) -> None:
        self.nodes[node].memberships.opened(CHANNEL)
        self.nodes[node].passed = len(self.log())

    @rule(node=nodes)
    def turn_away(self, node: int) -> None:
        self.nodes[node].memberships.closed(CHANNEL)
        self.nodes[node].passed = None

    @rule(node=nodes, at_most=st.integers(1, 5))
    def deliver(self, node: int, at_most: int) -> None:
        """The next entries pass, as they were written."""
        followed = self.nodes[node]
        if followed.passed is not None:
            for entry in self.log()[followed.passed :][:at_most]:
                followed.memberships.passed(entry)
                followed.passed = entry.offset

    @rule(node=nodes, pick=st.integers(0, 1 << 16))
    def hear(self, node: int, pick: int) -> None:
        """A node is told of an entry, with others before it that have not passed."""
        log = self.log()
        if log:
            self.nodes[node].memberships.heard(log[pick % len(log)])

    # What must hold.

    @rule(node=nodes, user=users)
    def ask(self, node: int, user: str) -> None:
        """A standing is as of the head, or of what has passed where something does."""
        memberships = self.nodes[node].memberships
        if self.nodes[node].passed is None:
            memberships.forget(CHANNEL, user)
        standing = self.runner.run(memberships.look_up(CHANNEL, user))
        told = (standing.role, standing.muted_until, standing.banned_until)
        assert told in self.possible(node, user)

    @invariant()
    def what_is_known_is_not_behind_what_has_passed(self) -> None:
        for node, followed in enumerate(self.nodes):
            for user in USERS:
                standing = followed.memberships.known(CHANNEL, user)
                if standing is not None and followed.passed is not None:
                    told = (standing.role, standing.muted_until, standing.banned_until)
                    assert told in self.possible(node, user)

    # How it is found out.

    def perform(
        self, node: int, user: str, act: str, params: msgspec.Struct, dies_after: int | None
    ) -> None:
        self.while_dying(self.nodes[node].rooms.call(user, f"chat.{act}", params), dies_after)

    def while_dying(self, work: Any, dies_after: int | None) -> None:
        self.store.writes_left = dies_after
        try:
            self.runner.run(work)
        except (CommandRefused, StoreError):
            pass
        finally:
            self.store.writes_left = None

    def log(self) -> Sequence[Entry]:
        page = self.runner.run(
            self.store.read(
                CHANNEL, after=0, limit=1_000, retention=Retention(-1, 0), now_ms=self.clock.now_ms
            )
        )
        return page.entries

    def possible(self, node: int, user: str) -> set[tuple[str, int, int]]:
        """What the user was since the last entry that has passed; is, where none does."""
        log = self.log()
        passed = self.nodes[node].passed
        model = Model()
        found = set()
        for entry in log:
            if passed is not None and entry.offset > passed:
                found.add(model.state(user))
            model.apply(entry)
        return found | {model.state(user)}

    async def settle_and_compare(self) -> None:
        self.clock.now_ms += SWEEP_AFTER_MS + 1
        while await self.nodes[0].ledger.sweep():
            pass
        page = await self.store.read(
            CHANNEL, after=0, limit=1_000, retention=Retention(-1, 0), now_ms=self.clock.now_ms
        )
        model = Model()
        for entry in page.entries:
            model.apply(entry)
            for node in self.nodes:
                if node.passed is not None and entry.offset > node.passed:
                    node.memberships.passed(entry)
                    node.passed = entry.offset
        self.clock.now_ms += 2_000
        for user in USERS:
            rows = await self.store.get(MEMBERS, [(CHANNEL, user)])
            told = [(row.role, row.muted_until, row.banned_until) for row in rows]
            assert told in ([model.state(user)], [] if model.state(user) == ("", 0, 0) else None)
            for node in self.nodes:
                standing = await node.memberships.look_up(CHANNEL, user)
                found = (standing.role, standing.muted_until, standing.banned_until)
                assert found == model.state(user)
        await self.compare_channel(model)

    async def compare_channel(self, model: Model) -> None:
        rows = await self.store.get(CHANNELS, [(CHANNEL,)])
        if not model.role:
            assert not rows
            return
        (row,) = rows
        assert (row.kind, row.owner, row.archived_at != 0) == ("room", model.owner, model.archived)
        await recount(self.store, CHANNEL)
        (row,) = await self.store.get(CHANNELS, [(CHANNEL,)])
        assert row.members == sum(model.is_member(user) for user in USERS)
        audit = await self.store.find(AUDIT, Span((CHANNEL,)), limit=1_000)
        assert len(audit) == model.audited
        for node in self.nodes:
            room = await node.memberships.rooms.look_up(CHANNEL)
            assert (room.kind, room.archived) == ("room", model.archived)


TestMemberships = MembershipMachine.TestCase
TestMemberships.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
