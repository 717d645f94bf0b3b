"""A secret in a file, for those who run the hub on their own machine."""

import os
import secrets
from pathlib import Path

from realtime.settings.auth_rules import HMAC_MIN_BYTES
from realtime.settings.secret import Secret
from realtime.settings.text_file import Unreadable, read_text


def new_secret() -> str:
    """Return 64 characters that nobody can guess, which may be in a header or an address."""
    return secrets.token_urlsafe(48)


def read_secret(file: Path) -> Secret:
    """Return the secret in `file`. Raises Unreadable, also for one of less than 32 bytes."""
    text = read_text(str(file)).strip()
    if len(text.encode("utf-8")) < HMAC_MIN_BYTES:
        raise Unreadable(f"it has less than {HMAC_MIN_BYTES} bytes; remove it to have one made")
    return Secret(text)


def keep_secret(file: Path) -> Secret:
    """Return the secret in `file`, made now if there is none. Raises Unreadable.

    Only the user that makes it may read it.
    """
    try:
        # Whoever else makes it at this moment wins, and we read theirs.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(file)
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None
    text = new_secret()
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text + "\n")
    return Secret(text)
