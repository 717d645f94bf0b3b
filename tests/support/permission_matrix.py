"""Who may do what in chat, generated from the table of operations, for every way of calling.

`PARAMS` has parameters for each operation that are good in a room where everything is ready: a test
that misses one, or has one too many, fails when it is collected.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from realtime.chat.operations import Operation, Who
from realtime.chat.table import ALL

Standing = Literal[
    "admin",
    "owner",
    "moderator",
    "member",
    "reader",
    "muted",
    "left",
    "kicked",
    "banned",
    "stranger",
    "guest",
]
"""What somebody is in the room, or has been. `guest` has no user id."""

STANDINGS: Final[tuple[Standing, ...]] = (
    "admin",
    "owner",
    "moderator",
    "member",
    "reader",
    "muted",
    "left",
    "kicked",
    "banned",
    "stranger",
    "guest",
)

IN_ROOM: Final = frozenset({"owner", "moderator", "member", "reader", "muted"})

_LEAST: Final[Mapping[Who, frozenset[str]]] = {
    "user": frozenset(STANDINGS) - {"guest"},
    "member": IN_ROOM,
    "writer": IN_ROOM - {"reader", "muted"},
    "moderator": frozenset({"owner", "moderator"}),
    "owner": frozenset({"owner"}),
    # The message that is changed, and the user that is asked about, are a member's.
    "sender": frozenset({"member"}),
    "self": frozenset({"member"}),
    "admin": frozenset(),
}

EXCEPTIONS: Final[Mapping[str, frozenset[str]]] = {
    # Moderators take back what others have said, and may correct it.
    "chat.delete": frozenset({"owner", "moderator", "member"}),
    "chat.edit": frozenset({"owner", "moderator", "member"}),
    # Whoever is banned does not come back; a reader and the muted are in already.
    "chat.join": frozenset(STANDINGS) - {"guest", "banned"},
    # Readers may say that they like what they read.
    "chat.react": IN_ROOM - {"muted"},
    "chat.unreact": IN_ROOM - {"muted"},
    # Readers bring nobody.
    "chat.invite": IN_ROOM - {"reader"},
    # What one reports one must have been able to see.
    "chat.report": IN_ROOM,
    # Posts are their author's, who is the member.
    "feed.edit": frozenset({"member"}),
    "feed.delete": frozenset({"member"}),
}
"""Where more than the table's `who` decides, and why."""

ROOM: Final = "room:matrix"

PARAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "chat.create": {"namespace": "room"},
    "chat.direct": {"namespace": "room", "user": "somebody"},
    "chat.channel": {"channel": ROOM},
    "chat.update": {"channel": ROOM, "title": "New"},
    "chat.archive": {"channel": ROOM},
    "chat.unarchive": {"channel": ROOM},
    "chat.join": {"channel": ROOM},
    "chat.leave": {"channel": ROOM},
    "chat.invite": {"channel": ROOM, "users": [{"user": "newcomer"}]},
    "chat.members": {"channel": ROOM},
    "chat.kick": {"channel": ROOM, "user": "target"},
    "chat.ban": {"channel": ROOM, "user": "target"},
    "chat.unban": {"channel": ROOM, "user": "banned"},
    "chat.mute": {"channel": ROOM, "user": "target"},
    "chat.unmute": {"channel": ROOM, "user": "target"},
    "chat.role": {"channel": ROOM, "user": "target", "role": "reader"},
    "chat.transfer": {"channel": ROOM, "user": "target"},
    "chat.send": {"channel": ROOM, "data": {"text": "new"}},
    "chat.edit": {"channel": ROOM, "offset": "message", "data": {"text": "edited"}},
    "chat.delete": {"channel": ROOM, "offset": "message"},
    "chat.message": {"channel": ROOM, "offset": "message"},
    "chat.history": {"channel": ROOM},
    "chat.thread": {"channel": ROOM, "offset": "message"},
    "chat.react": {"channel": ROOM, "offset": "message", "emoji": "x"},
    "chat.unreact": {"channel": ROOM, "offset": "message", "emoji": "x"},
    "chat.reactions": {"channel": ROOM, "offset": "message"},
    "chat.pin": {"channel": ROOM, "offset": "message"},
    "chat.unpin": {"channel": ROOM, "offset": "message"},
    "chat.pins": {"channel": ROOM},
    "chat.delivered": {"channel": ROOM},
    "chat.read": {"channel": ROOM},
    "chat.unread": {"channel": ROOM},
    "chat.receipts": {"channel": ROOM},
    "chat.sync": {},
    "chat.badge": {},
    "chat.typing": {"channel": ROOM},
    "presence.set": {"state": "active"},
    "presence.get": {"users": ["target"]},
    "presence.watch": {"users": ["target"]},
    "presence.unwatch": {},
    "user.get": {"user": "target"},
    "user.list": {"ids": ["target"]},
    "user.update": {"user": "member", "name": "New"},
    "user.block": {"user": "somebody"},
    "user.unblock": {"user": "somebody"},
    "user.blocks": {},
    "chat.report": {"channel": ROOM, "offset": "message", "reason": "spam"},
    "chat.reports": {"channel": ROOM},
    "chat.resolve": {"report": "report", "state": "dismissed"},
    "chat.audit": {"channel": ROOM},
    "feed.post": {"namespace": "feed", "data": {"text": "post"}},
    "feed.edit": {"namespace": "feed", "author": "member", "offset": 1, "data": {"text": "new"}},
    "feed.delete": {"namespace": "feed", "author": "member", "offset": 1},
    "feed.react": {"namespace": "feed", "author": "member", "offset": 1, "emoji": "x"},
    "feed.unreact": {"namespace": "feed", "author": "member", "offset": 1, "emoji": "x"},
    "feed.posts": {"namespace": "feed", "author": "member"},
    "feed.get": {"namespace": "feed", "author": "member"},
    "feed.follow": {"namespace": "feed", "author": "somebody"},
    "feed.unfollow": {"namespace": "feed", "author": "somebody"},
    "feed.followers": {"namespace": "feed", "author": "member"},
    "feed.following": {"namespace": "feed"},
    "feed.timeline": {"namespace": "feed"},
    "feed.seen": {"namespace": "feed", "place": "place"},
    "feed.view": {"namespace": "feed", "author": "member", "offsets": [1]},
    "push.register": {"device": "phone", "provider": "apns", "address": "ab" * 32},
    "push.unregister": {"device": "phone"},
    "push.devices": {},
    "push.keys": {},
    "push.settings": {},
    "push.change": {"level": "mentions"},
    "push.change_channel": {"channel": ROOM, "level": "none"},
    "push.explain": {"user": "member", "channel": ROOM, "offset": "message"},
    "push.dead": {},
    "push.replay": {"places": ["a letter"]},
    "push.purge": {"all": True},
    "user.export": {"user": "member"},
    "user.erase": {"user": "member"},
    "user.erasure": {"erasure": "erasure"},
}
"""Texts "message", "report", "place" and "erasure" stand for what the test has made."""

assert PARAMS.keys() == {operation.name for operation in ALL}

REFUSALS: Final = frozenset({101, 103, 404, 423})
"""What somebody is told who may not: not signed in, denied, not to know of it, muted."""


def may(operation: Operation, standing: Standing) -> bool:
    """Whether the operation is for somebody of this standing."""
    if standing == "admin":
        # Who is not there cannot leave, and has nothing to set there.
        return operation.name not in ("chat.leave", "push.change_channel")
    if standing == "guest":
        return False
    return standing in EXCEPTIONS.get(operation.name, _LEAST[operation.who])
