"""What reading and deleting write of jobs: what is visible is taken away, and nothing more told.

These go with the writes of others, in any order and within one call, since each of them says all
that is needed to decide. Of a job that waits beside something visible, for the end of quiet hours
or for a device, it is decided early: deciding changes nothing of what it waits for.
"""

from realtime.push.rows import JOBS
from realtime.stores.base import Key, Write


def clear_due(user: str, channel: str, offset: int, now_ms: int) -> Write:
    """The user has read up to `offset`: what is visible up to there is to be taken away.

    To be written after the read marker, or with it in one call: then what is claimed for the first
    time within that call may stay visible. Without effect, and cheap, where nothing is visible.
    What is being sent just now is looked at again when that is settled. What waits beside something
    visible is hurried by `clear_early`, to be written with this.
    """
    return Write(
        JOBS,
        (user, channel),
        # A done row was due long ago; of others neither the time nor the lease changes.
        set={"state": "due", "again": 1, "first_at": now_ms},
        highest={"read": offset},
        below=("shown", offset + 1),
        equals={"visible": 1},
    )


def clear_early(user: str, channel: str, offset: int, now_ms: int) -> Write:
    """The same for a job that waits, which is due at once then.

    One that was due before is due now, too: behind others that are, which is as good as before
    where anything waits for a turn at all.
    """
    return Write(
        JOBS,
        (user, channel),
        set={"due_at": now_ms, "again": 1, "first_at": now_ms},
        highest={"read": offset},
        below=("shown", offset + 1),
        equals={"state": "due", "lease": "", "visible": 1},
    )


def look_again(key: Key, now_ms: int) -> Write:
    """Decide at once of a job that waits, where what it shows was deleted, or read, meanwhile."""
    return Write(
        JOBS,
        key,
        set={"due_at": now_ms},
        equals={"state": "due", "lease": "", "visible": 1, "again": 1},
    )


def cancel(user: str, channel: str, offset: int, now_ms: int) -> Write:
    """The user has seen, or need not be told, all up to `offset`: no job for nothing more.

    To be written together with the marker that says so, since nobody records why: without it, it is
    found out when the job is due. Without effect where there is something newer, where something is
    visible, and where it is being sent.
    """
    return Write(
        JOBS,
        (user, channel),
        set={"state": "done", "due_at": now_ms, "at": now_ms, "tries": 0},
        highest={"pushed": offset},
        below=("offset", offset + 1),
        equals={"state": "due", "lease": "", "visible": 0},
    )
