"""Which of a channel's new messages a member is to be told of. Pure, and cheap for each member."""

from collections.abc import Sequence
from typing import NamedTuple

from realtime.model import Entry
from realtime.naming import mentions_of
from realtime.push.decision import came_later, is_recipient, level_of
from realtime.rows import MemberRow


class Told(NamedTuple):
    """Messages that one job stands for: the newest one's offset, and when they were made (ms);
    `named` is the newest that mentions the member, 0 for none."""

    offset: int
    first_at: int
    newest_at: int
    named: int = 0


class Audience:
    """For whom these messages of one channel are. `level` is its namespace's, `kind` its own.

    A channel may have thousands of members and hundreds of messages at once, so a member is not
    asked about all of them: one that can be told of everything is decided by the first that is
    looked at, and one who wants mentions only, and is not mentioned, by none.
    """

    def __init__(self, entries: Sequence[Entry], *, level: str, kind: str) -> None:
        """`entries` are in order of offset."""
        self._entries = [
            entry for entry in entries if not (entry.deleted_at or entry.stub or not entry.offset)
        ]
        self._level = level
        self._kind = kind
        self._mentioning: dict[str, list[Entry]] = {}
        for entry in self._entries:
            for user in mentions_of(entry):
                self._mentioning.setdefault(user, []).append(entry)

    def for_member(self, member: MemberRow) -> Told | None:
        """What this member is to be told of, None for nothing."""
        level = level_of(self._level, member, None)
        mentioning = self._mentioning.get(member.user, ())
        is_named = self._kind == "direct" or bool(mentioning)
        if level == "none" or (level == "mentions" and not is_named):
            return None
        newest = next((one for one in reversed(self._entries) if self._is_for(one, member)), None)
        if newest is None:
            return None
        first = next(one for one in self._entries if self._is_for(one, member))
        named = next((one for one in reversed(mentioning) if self._is_for(one, member)), None)
        named_at = named.offset if named is not None else 0
        return Told(newest.offset, min(first.at, newest.at), newest.at, named_at)

    def _is_for(self, entry: Entry, member: MemberRow) -> bool:
        return (
            entry.offset > max(member.read, member.seen)
            and not came_later(member, entry)
            and is_recipient(entry, member, level=self._level, kind=self._kind)
        )
