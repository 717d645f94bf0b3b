"""A lock file beside the database: one hub, or one restore, at a time.

SQLite's own locks would let two hubs write in turn, and each keeps heads of channels in memory
that the other would make wrong.
"""

import fcntl
import os

from realtime.errors import StoreUnavailable


class DatabaseLock:
    """An advisory `flock` on `<database>.lock`, which ends with its process at the latest.

    The file itself stays: to remove it would let a third process lock a new one of that name.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or do nothing if this object has it already. Never waits.

        Raises StoreUnavailable if somebody else has it, and OSError if the file cannot be made.
        """
        if self._descriptor is not None:
            return
        path = f"{self._database}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip().decode("ascii", "replace")
            os.close(descriptor)
            raise StoreUnavailable(
                f"database {self._database}: in use by another hub or restore"
                f" (process {holder or 'unknown'} holds {path})"
            ) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
