"""Addresses as they may be shown."""

import re
from typing import Final

from realtime.settings.secret import MASK

# Up to the last `@`: whoever forgot to escape one in a password must not see the rest of it shown.
_USERINFO: Final = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^?]*@")
_QUERY: Final = re.compile(r"\?.*\Z", re.DOTALL)
_FILE: Final = "sqlite:"


def without_password(url: str) -> str:
    """The address with `***` for user, password and query: for messages, logs and `config show`."""
    if url.startswith(_FILE):
        # A path, in which every sign is just that.
        return url
    return _QUERY.sub(f"?{MASK}", _USERINFO.sub(rf"\g<1>{MASK}@", url))
