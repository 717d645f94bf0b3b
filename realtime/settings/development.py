"""What `--dev` puts in place of what is not configured."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from realtime.settings.auth_rules import HMAC_MIN_BYTES
from realtime.settings.gathered import COMMAND_LINE, Gathered, Given
from realtime.settings.hosts import is_loopback
from realtime.settings.kinds import OPTION_KINDS
from realtime.settings.schema import ChannelOptions, Grant
from realtime.settings.secret import Secret
from realtime.settings.store_url import database_path
from realtime.settings.text_file import Unreadable, read_text

STORE_URL: Final = "sqlite:///realtime-dev.db"
ORIGIN: Final = "--dev"

_USER: Final[tuple[Grant, ...]] = ("user",)

NAMESPACES: Final[Mapping[str, ChannelOptions]] = {
    "room": ChannelOptions(
        history_size=1_000,
        presence=True,
        join_leave=True,
        force_push_join_leave=True,
        subscribe=_USER,
        publish=_USER,
        read_history=_USER,
        read_presence=_USER,
    ),
    "typing": ChannelOptions(subscribe=_USER, publish=("subscriber",)),
}
"""What the page at `/` chats in, where no namespace is configured."""

_KEYS: Final = ("hmac_secret", "rsa_public_key", "ecdsa_public_key", "jwks_url")


class Development:
    """The defaults of `--dev`: loopback only, a database of its own, rooms, and a secret.

    Keep one for as long as the process lives: beside a database in memory, the secret is in memory
    too, and must be the same when the settings are read again.
    """

    def __init__(self) -> None:
        self._in_memory = Secret(_new_secret())

    def complete(self, gathered: Gathered) -> None:
        """Fill in what the sources left open. May make the secret's file, unless all is lost."""
        _listen_on_loopback(gathered)
        gathered.values.setdefault(("store", "url"), Given(STORE_URL, ORIGIN))
        if not gathered.namespaces and not gathered.doubts(("namespaces",)):
            _add_namespaces(gathered)
        if not _has_key(gathered) and not gathered.problems:
            self._add_secret(gathered)

    def _add_secret(self, gathered: Gathered) -> None:
        try:
            database = database_path(str(gathered.values["store", "url"].value))
        except ValueError:
            # That is a problem of its own, and found by the rules.
            return
        path = ("auth", "hmac_secret")
        if database is None:
            gathered.values[path] = Given(self._in_memory, ORIGIN)
            return
        file = Path(f"{database}.secret")
        try:
            gathered.values[path] = Given(_kept_secret(file), str(file))
        except Unreadable as unreadable:
            problem = f"auth.hmac_secret ({ORIGIN}): cannot keep a secret in {file}: {unreadable}"
            gathered.refuse(problem, path)


def _has_key(gathered: Gathered) -> bool:
    # An empty variable gives a value, too: None.
    return any(
        given.value is not None
        for path, given in gathered.values.items()
        if path[0] == "auth" and path[1] in _KEYS
    )


def _listen_on_loopback(gathered: Gathered) -> None:
    host = ("server", "host")
    given = gathered.values.get(host)
    if given is None or is_loopback(str(given.value)):
        return
    if given.origin == COMMAND_LINE:
        problem = f"server.host ({COMMAND_LINE}): --dev listens on loopback only"
        gathered.refuse(f'{problem}; expected "127.0.0.1", "::1" or "localhost"', host)
    else:
        # The same file may be for production.
        gathered.values[host] = Given("127.0.0.1", ORIGIN)


def _add_namespaces(gathered: Gathered) -> None:
    defaults = ChannelOptions()
    for name, options in NAMESPACES.items():
        gathered.namespaces[name] = ORIGIN
        for key in OPTION_KINDS:
            value = getattr(options, key)
            if value != getattr(defaults, key):
                gathered.values["namespaces", name, key] = Given(value, ORIGIN)


def _new_secret() -> str:
    return secrets.token_urlsafe(48)


def _kept_secret(file: Path) -> Secret:
    """Return the secret in `file`, made now if there is none. Raises Unreadable."""
    try:
        # Whoever else makes it at this moment wins, and we read theirs.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        text = read_text(str(file)).strip()
        if len(text.encode("utf-8")) < HMAC_MIN_BYTES:
            raise Unreadable(
                f"it has less than {HMAC_MIN_BYTES} bytes; remove it to have one made"
            ) from None
        return Secret(text)
    except OSError as error:
        raise Unreadable(error.strerror or type(error).__name__) from None
    text = _new_secret()
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text + "\n")
    return Secret(text)
