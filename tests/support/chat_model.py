"""What the log of a room says of its members, told without any of the code under test."""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from realtime.model import Entry

MEMBERS_OF_ALL_KINDS: Final = ("owner", "moderator", "member", "reader")


@dataclass
class Model:
    """A room as of some entry of its log. Entries are applied in order."""

    role: dict[str, str] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    banned: dict[str, int] = field(default_factory=dict)
    owner: str = ""
    archived: bool = False
    audited: int = 0

    def is_member(self, user: str) -> bool:
        return self.role.get(user, "") in MEMBERS_OF_ALL_KINDS

    def may_come(self, user: str, at: int) -> bool:
        until = self.banned.get(user, 0)
        is_banned = self.role.get(user) == "banned" and (until == -1 or until > at)
        return not is_banned and not self.is_member(user)

    def apply(self, entry: Entry) -> None:
        """The next entry of the log."""
        said: dict[str, Any] = msgspec.json.decode(entry.data)
        act, user = said["act"], said.get("user", "")
        if entry.kind == "channel":
            self.archived = act == "archive"
            self.audited += 1
            return
        self.audited += act not in ("create", "invite", "join", "leave")
        role = self.role.get(user, "")
        if act in ("create", "invite"):
            for place in said["users"]:
                if self.may_come(place["user"], entry.at) and place.get("role"):
                    self.come(place["user"], place["role"])
        elif act == "join" and self.may_come(user, entry.at):
            self.come(user, "member")
        elif act == "leave" and self.is_member(user):
            self.role[user] = ""
        elif act == "transfer":
            if self.role.get(said["from"]) == "owner" and self.is_member(user):
                self.role[said["from"]], self.role[user], self.owner = "moderator", "owner", user
                self.muted[said["from"]] = self.muted[user] = 0
        elif role != "owner":
            self.act_on(act, user, role, said)
        if said.get("last"):
            self.owner, self.archived = "", True

    def act_on(self, act: str, user: str, role: str, said: dict[str, Any]) -> None:
        """What moderators do to whoever is not the owner."""
        if act == "kick" and self.is_member(user):
            self.role[user] = ""
        elif act == "ban":
            self.role[user], self.banned[user] = "banned", said["until"]
        elif act == "unban" and role == "banned":
            self.role[user] = ""
        elif act in ("mute", "unmute"):
            self.muted[user] = said.get("until", 0)
        elif act == "role" and self.is_member(user):
            self.role[user] = said["role"]

    def come(self, user: str, role: str) -> None:
        self.role[user] = role
        if role == "owner":
            self.owner = user

    def state(self, user: str) -> tuple[str, int, int]:
        """Role, until when muted, until when banned."""
        role = self.role.get(user, "")
        return role, self.muted.get(user, 0), self.banned[user] if role == "banned" else 0
