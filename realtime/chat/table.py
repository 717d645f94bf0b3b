"""Every operation there is, in the order in which people read about them."""

from typing import Final

from realtime.chat.calls import (
    channels,
    feeds,
    law,
    markers,
    members,
    messages,
    moderation,
    presence,
    push,
    push_review,
    users,
)
from realtime.chat.operations import Operation

ALL: Final[tuple[Operation, ...]] = (
    *channels.OPERATIONS,
    *members.OPERATIONS,
    *messages.OPERATIONS,
    *markers.OPERATIONS,
    *presence.OPERATIONS,
    *users.OPERATIONS,
    *moderation.OPERATIONS,
    *feeds.OPERATIONS,
    *push.OPERATIONS,
    *push_review.OPERATIONS,
    *law.OPERATIONS,
)
