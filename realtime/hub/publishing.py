"""Publish: check, then store and deliver, or just deliver."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from realtime.channels.rules import Channel, RuleBook
from realtime.chat.ledger import stored as as_stored
from realtime.chat.refusals import other_data
from realtime.errors import (
    INTERNAL,
    MALFORMED,
    PERMISSION_DENIED,
    CommandRefused,
    ConnectionRefused,
    StoreError,
)
from realtime.hub.access import Access
from realtime.hub.calling import caller_of
from realtime.hub.chatting import Chat
from realtime.hub.client import UNANSWERED_MAX, Client
from realtime.hub.clock import Clock
from realtime.hub.commits import Commits, Outcome
from realtime.hub.delivery import Delivery
from realtime.hub.dispatch import Waiting
from realtime.hub.payloads import check_format, read_published
from realtime.hub.responder import Responder
from realtime.hub.statistics import Statistics
from realtime.model import ClientInfo, Entry, NewEntry
from realtime.protocol.commands import PublishRequest
from realtime.protocol.replies import PublishResult
from realtime.stores.base import Appended, Conflict

logger = logging.getLogger(__name__)

_DONE: Final = PublishResult()


class Publishing:
    """The use case of a client's publish, and what the server API's shares with it.

    `node` makes the entries' client ids unique where nobody gave one. `repeated` is called with the
    channel and the offset of each retry of an entry that is stored already.
    """

    def __init__(
        self,
        node: str,
        *,
        rules: RuleBook,
        access: Access,
        commits: Commits,
        delivery: Delivery,
        repeated: Callable[[str, int], None],
        responder: Responder,
        statistics: Statistics,
        clock: Clock,
    ) -> None:
        self._node = node
        self._rules = rules
        self._access = access
        self._commits = commits
        self._delivery = delivery
        self._repeated = repeated
        self._responder = responder
        self._statistics = statistics
        self._clock = clock
        self._made = 0
        self.chat: Chat | None = None
        """Prepares what is published into chat channels; None for a hub without chat."""

    def publish(self, client: Client, id: int, request: PublishRequest) -> Waiting | None:
        """The client publishes. Answered at once, or, where there is history, once stored."""
        if not request.channel:
            raise ConnectionRefused(MALFORMED)
        subscription = client.subscriptions.get(request.channel)
        channel = self._rules.resolve(request.channel)
        rules = channel.rules
        check_format(client, rules)
        chat = self.chat if rules.chat else None
        if not (
            self._access.may(client, "publish", channel)
            if chat is None
            else self._access.may_send(client, channel)
        ):
            raise CommandRefused(PERMISSION_DENIED)
        data = read_published(client, bytes(request.data), rules)
        self._statistics.publications_received += 1
        info = subscription.info if subscription is not None else client.info
        if chat is not None:
            prepared = chat.prepare(caller_of(client, info), channel.name, data)
            if not isinstance(prepared, NewEntry):
                return self._store_when_prepared(client, id, prepared)
            self._store(client, id, prepared)
            return None
        now_ms = self._clock.wall_ms()
        if not rules.has_history:
            self._delivery.ephemeral(Entry(channel.name, 0, data, now_ms, info=info))
            self._responder.reply(client, id, _DONE)
            return None
        sender = f"u:{client.user}" if client.user else f"g:{client.id}"
        entry = NewEntry(channel.name, sender, self.fresh_id(), data, now_ms, info=info)
        self._store(client, id, entry)
        return None

    async def _store_when_prepared(
        self, client: Client, id: int, preparing: Awaitable[NewEntry]
    ) -> None:
        # Also for a client that is gone by now: it did say so before.
        self._store(client, id, await preparing)

    def _store(self, client: Client, id: int, entry: NewEntry) -> None:
        self._commits.add(entry, partial(self._settle, client, id))
        # One connection must not fill the queue that all share.
        client.unanswered += 1
        if client.unanswered == UNANSWERED_MAX:
            client.transport.pause_reading()

    def _settle(self, client: Client, id: int, entry: NewEntry, outcome: Outcome) -> None:
        client.unanswered -= 1
        if client.unanswered == UNANSWERED_MAX // 2 and client.inbox is None:
            client.transport.resume_reading()
        self.stored(entry, outcome)
        if client.closed is not None:
            return
        if isinstance(outcome, Appended):
            self._responder.reply(client, id, _DONE)
        elif isinstance(outcome, Conflict):  # of a client id in the data
            self._responder.refuse(client, id, other_data().error)
        else:
            self._responder.refuse(client, id, INTERNAL)

    def stored(self, entry: NewEntry, outcome: Outcome) -> None:
        """Deliver an entry that was appended just now; a duplicate was delivered before."""
        if not isinstance(outcome, Appended):
            return
        if outcome.duplicate:
            # It was delivered when it was new, unless the node that stored it died in between.
            self._statistics.duplicates += 1
            self._repeated(entry.channel, outcome.offset)
            return
        made = as_stored(entry, outcome.offset, outcome.at, outcome.n)
        self._delivery.committed(made)
        if self.chat is not None and self._rules.resolve(entry.channel).rules.chat:
            self._tell_chat(self.chat, made)

    def _tell_chat(self, chat: Chat, entry: Entry) -> None:
        try:
            chat.committed(entry)
        except Exception:  # the boundary of what chat makes of it: it is stored, and so answered
            logger.exception("chat could not go on from an entry of kind %s", entry.kind)

    async def append(self, entry: NewEntry) -> Outcome:
        """Store an entry for the server API, or for chat, deliver it, and answer what became of it.

        Cancelling does not take it back: it is delivered all the same. Raises CommandRefused (100).
        """
        answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(entry: NewEntry, outcome: Outcome) -> None:
            self.stored(entry, outcome)
            if not answered.done():
                answered.set_result(outcome)

        self._commits.add(entry, settle)
        outcome = await answered
        if isinstance(outcome, StoreError):
            raise CommandRefused(INTERNAL)
        return outcome

    def send_ephemeral(
        self,
        channel: Channel,
        data: bytes,
        tags: Mapping[str, str] | None,
        info: ClientInfo | None = None,
    ) -> None:
        """Deliver without storing: no offset, at most once."""
        self._delivery.ephemeral(
            Entry(
                channel.name,
                0,
                data,
                self._clock.wall_ms(),
                info=info,
                tags=dict(tags) if tags else None,
            )
        )

    def fresh_id(self) -> str:
        """A client id for an entry that came without one; unique over nodes and restarts."""
        self._made += 1
        return f"{self._node}.{self._made}"


def digest(data: bytes, tags: Mapping[str, str] | None) -> bytes:
    """What tells a retry from another command under the same id: 16 bytes of BLAKE2b."""
    hashed = hashlib.blake2b(data, digest_size=16)
    for key, value in sorted((tags or {}).items()):
        hashed.update(b"\0" + key.encode() + b"\0" + value.encode())
    return hashed.digest()
