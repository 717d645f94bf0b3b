"""Who calls an operation, whichever face the call came by."""

import msgspec

from realtime.auth.identity import Role
from realtime.model import ClientInfo


class Caller(msgspec.Struct, frozen=True):
    """Somebody whose token was verified, or the app's backend (`admin`, for the user it names).

    `user` is never "" where an operation is for users. `client` is the connection's id, "" over
    HTTP; `device` the device that the connection stands for, if it said. `info` is what others see
    of them in entries.
    """

    user: str
    role: Role
    client: str = ""
    device: str = ""
    info: ClientInfo | None = None

    @property
    def sender(self) -> str:
        """What their entries are kept under: the same as for a plain publish."""
        return f"u:{self.user}" if self.user else f"g:{self.client}"

    @property
    def is_admin(self) -> bool:
        """Whether every check of roles is passed."""
        return self.role == "admin"
