"""Chat and feeds put together: made once per node, by whoever has a store and a stage.

What a hub asks of it is `realtime.hub.chatting.Chat`. An import makes one too, without running it:
then entries are folded by it, and nobody is told of anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any, Final, Protocol

from realtime.chat.allowances import Allowances
from realtime.chat.answers import Answers
from realtime.chat.around import Around
from realtime.chat.audit_log import AuditLog
from realtime.chat.blocks import Blocks
from realtime.chat.caller import Caller
from realtime.chat.channel_folds import ChannelFolds
from realtime.chat.channels import Channels
from realtime.chat.contents import Contents
from realtime.chat.counters import Counters
from realtime.chat.creating import Creating
from realtime.chat.crowds import Crowds
from realtime.chat.devices import Here
from realtime.chat.direct_blocks import DirectBlocks
from realtime.chat.doorkeeper import Doorkeeper
from realtime.chat.erasure import Eraser
from realtime.chat.feeds import Feeds
from realtime.chat.hooks import Hook
from realtime.chat.inbox import Inbox
from realtime.chat.law import Law
from realtime.chat.ledger import Ledger
from realtime.chat.leftovers import Leftovers
from realtime.chat.members import Members
from realtime.chat.memberships import KeptMemberships
from realtime.chat.messages import Messages
from realtime.chat.moderation import Moderation
from realtime.chat.operations import Perform
from realtime.chat.others import Others
from realtime.chat.places import feed_of
from realtime.chat.ports import Clock, Stage
from realtime.chat.presence import Presence
from realtime.chat.push_devices import PushDevices
from realtime.chat.push_review import PushReview
from realtime.chat.push_wishes import Wishes
from realtime.chat.retracting import Retracting
from realtime.chat.rooms import Rooms
from realtime.chat.rpc import Calls
from realtime.chat.sanctions import Sanctions
from realtime.chat.scrubs import Scrubs
from realtime.chat.seen import Seen
from realtime.chat.table import ALL
from realtime.chat.tiers import Tiers
from realtime.chat.typing import Typing
from realtime.chat.users import Users
from realtime.chat.walking import LawStore
from realtime.cluster.outage import Outage
from realtime.cluster.retention import always
from realtime.errors import CommandRefused, StoreError
from realtime.model import Entry, NewEntry
from realtime.push.erasing import PushErasure
from realtime.push.waking import Wake, Waking, hear, word_to
from realtime.settings.push_schema import PushSettings
from realtime.settings.schema import ChannelOptions, Chat, ChatSettings

logger = logging.getLogger(__name__)

SWEEP_S: Final = 1.0
"""Between two looks for entries that somebody has left behind without what follows from them."""

ANSWERS_SWEEP_S: Final = 60.0
"""Between two sweeps of old answers."""

SWEEP_TIMEOUT_S: Final = 30.0
"""How long one of either may take."""

_PUSH: Final = PushSettings()


class ChatService:
    """The service of one node.

    `namespaces` are all that are configured. `others` are the other nodes, None where there are
    none. `may` says whether this node is the one for checks that one node of all does. Nothing
    happens before `run`, which must be running for as long as the service is used. `server_key` is
    what browsers subscribe with, "" for no Web Push. `wake` is called when there are messages that
    people may have to be told of, this node's and the others'.
    """

    def __init__(
        self,
        *,
        store: LawStore,
        stage: Stage,
        memberships: KeptMemberships,
        clock: Clock,
        settings: ChatSettings,
        namespaces: Mapping[str, ChannelOptions],
        data_max_bytes: int,
        hook: Hook | None = None,
        others: Others | None = None,
        may: Callable[[], Awaitable[bool]] = always,
        push: PushSettings = _PUSH,
        server_key: str = "",
        wake: Wake | None = None,
    ) -> None:
        allowances = Allowances(settings, clock)
        around = _around(store, stage, memberships, clock, settings, allowances)
        self.ledger = around.ledger
        self._allowances = allowances
        self._answers = Answers(store, clock, ttl_ms=settings.answers_ttl.ms)
        blocks, rooms = Blocks(around), memberships.rooms
        contents = Contents(data_max_bytes=data_max_bytes, hook=hook)
        self._tiers = Tiers(stage)
        self._counters, self._crowds = Counters(stage, clock), Crowds(around, rooms)
        ChannelFolds(around)
        self.direct_blocks = DirectBlocks(around, blocks, _with("room", namespaces))
        messages = Messages(
            around, rooms, blocks=blocks, contents=contents, usual_slow_mode_s=self._slow_mode_s
        )
        self._typing = Typing(around, self._tiers, check=messages.sending.check)
        self._users = Users(around, self._answers)
        self._presence = Presence(around, blocks, undeclared=push.undeclared == "foreground")
        self.seen, self._waking = Seen(around), _waking(wake, others)
        self.inbox = Inbox(
            around,
            rooms=rooms,
            rosters=memberships.rosters,
            tiers=self._tiers,
            namespaces=_with("room", namespaces),
            may=may,
            seer=self._presence.seer,
        )
        self._feeds = Feeds(
            around,
            blocks=blocks,
            amending=messages.amending,
            contents=contents,
            counters=self._counters,
            namespaces=_with("feed", namespaces),
        )
        self.retracting = Retracting(around)
        eraser = _eraser(
            store, around, messages, _with("feed", namespaces), pushes=self.retracting.pushes
        )
        self.law = Law(store, clock, eraser, sign_out=stage.sign_out, is_alone=others is None)
        self._leftovers = Leftovers(store, stage, clock, may=may)
        if others is not None:
            allowances.join(others)
            self._presence.join(others)
        self._stage, self._sending = stage, messages.sending
        rest = (
            *_rest(around, rooms, blocks),
            Channels(around, rooms, tier=self._tiers.of),
            *_push(around, push, server_key),
        )
        self._scrubs = Scrubs(store, around.ledger, clock)
        own = (self.inbox, self._typing, self._users, self._presence, self._feeds, self.law)
        self.calls = _calls(allowances, *rest, messages, blocks, *own)

    def _slow_mode_s(self, channel: str) -> int:
        return self._tiers.known(channel).slow_mode_s

    # What the hub calls.

    def prepare(
        self, caller: Caller, channel: str, data: bytes
    ) -> NewEntry | Coroutine[Any, Any, NewEntry]:
        """See `realtime.hub.chatting.Chat`."""
        return self._sending.prepare(caller, channel, data)

    def committed(self, entry: Entry) -> None:
        """See Chat."""
        self.inbox.committed(entry)
        self._typing.committed(entry)
        # The log of a room is told of by its namespace: what was appended does not say it any more.
        if (
            self._waking.is_open
            and entry.kind == "message"
            and self._stage.options(entry.channel).push
        ):
            self._waking.called()

    def shows_who(self, channel: str) -> bool:
        """See Chat."""
        return self._tiers.rules(channel).presence == "members"

    def merges_reactions(self, channel: str) -> bool:
        """See Chat."""
        return self._crowds.merges_reactions(channel)

    def is_foreground(self, user: str, client: str) -> bool:
        """See Chat."""
        return self._presence.is_foreground(user, client)

    def seen_by(self, user: str, client: str, channel: str, offset: int) -> None:
        """See Chat."""
        self.seen.saw(user, channel, offset, self._presence.name_of(client))

    async def truncated(self, channel: str) -> None:
        """See Chat."""
        await self.inbox.truncated(channel)

    async def call(self, caller: Caller, method: str, data: bytes) -> bytes:
        """See Chat."""
        return await self.calls.call(caller, method, data)

    def connected(self, caller: Caller) -> None:
        """See Chat."""
        self._users.connected(caller)
        self._presence.connected(caller)

    def departed(self, caller: Caller) -> None:
        """See Chat."""
        self._presence.departed(caller)

    async def here(self, users: Collection[str]) -> Mapping[str, Here]:
        """What these users are, but for who is offline. Raises StoreError and TimeoutError."""
        return await self._presence.states(users)

    async def run(self) -> None:
        """See Chat."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._allowances.run(), name="allowances")
            tasks.create_task(self.inbox.run(), name="inbox")
            tasks.create_task(self._tiers.run(), name="tiers")
            tasks.create_task(self._counters.run(), name="counters")
            tasks.create_task(self._crowds.run(), name="crowds")
            tasks.create_task(self._users.run(), name="users")
            tasks.create_task(self._presence.run(), name="presence")
            tasks.create_task(self.seen.run(), name="seen")
            tasks.create_task(self._feeds.run(), name="feeds")
            tasks.create_task(self.law.run(), name="erasures")
            tasks.create_task(self._leftovers.run(), name="leftovers")
            tasks.create_task(self._scrubs.run(), name="scrubs")
            tasks.create_task(self.retracting.run(), name="retracting")
            tasks.create_task(
                _every(SWEEP_S, self.ledger.sweep, "what follows from entries"), name="folds"
            )
            tasks.create_task(
                _every(ANSWERS_SWEEP_S, self._answers.sweep, "answers that are kept"),
                name="answers",
            )


async def _every(seconds: float, sweep: Callable[[], Awaitable[int]], what: str) -> None:
    outage = Outage(logger, what)
    while True:
        await asyncio.sleep(seconds)
        try:
            async with asyncio.timeout(SWEEP_TIMEOUT_S):
                await sweep()
        except (StoreError, CommandRefused, TimeoutError) as error:
            outage.failed(error)
        else:
            outage.ended()


def _eraser(
    store: LawStore,
    around: Around,
    messages: Messages,
    feeds: Collection[str],
    *,
    pushes: Callable[[str], bool],
) -> Eraser:
    return Eraser(
        store,
        forget=around.stage.forget,
        recount=messages.summaries.recount,
        feeds=lambda user: [feed_of(name, user) for name in feeds],
        push=PushErasure(store, pushes=pushes, now_ms=around.clock.wall_ms),
    )


def _waking(wake: Wake | None, others: Others | None) -> Waking:
    """Wakes whoever tells people of messages, here and elsewhere."""
    wakes = [] if wake is None else [wake]
    if others is not None:
        if wake is not None:
            hear(others.words, wake)
        wakes.append(word_to(others.words))
    return Waking(*wakes)


class _Performs(Protocol):
    """A part of the service."""

    @property
    def operations(self) -> Mapping[str, Perform]:
        """Who performs what."""
        ...


def _around(
    store: LawStore,
    stage: Stage,
    memberships: KeptMemberships,
    clock: Clock,
    settings: ChatSettings,
    allowances: Allowances,
) -> Around:
    return Around(
        store=store,
        stage=stage,
        memberships=memberships,
        clock=clock,
        settings=settings,
        ledger=Ledger(store, stage, clock),
        doorkeeper=Doorkeeper(store, stage, memberships, clock),
        allowances=allowances,
    )


def _calls(allowances: Allowances, *parts: _Performs) -> Calls:
    performed: dict[str, Perform] = {}
    for part in parts:
        performed |= part.operations
    return Calls(ALL, performed, allowances=allowances)


def _rest(around: Around, rooms: Rooms, blocks: Blocks) -> tuple[_Performs, ...]:
    return (
        Creating(around, blocks),
        Members(around, rooms, blocks),
        Sanctions(around, rooms),
        Moderation(around),
        AuditLog(around),
    )


def _push(around: Around, push: PushSettings, server_key: str) -> tuple[_Performs, ...]:
    return (
        PushDevices(around, push, server_key=server_key),
        Wishes(around),
        PushReview(around, push),
    )


def _with(chat: Chat, namespaces: Mapping[str, ChannelOptions]) -> tuple[str, ...]:
    return tuple(name for name, options in namespaces.items() if options.chat == chat)
