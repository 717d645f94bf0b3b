"""What `--dev` puts in place of what is not configured."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from realtime.settings.gathered import COMMAND_LINE, Gathered, Given, dotted
from realtime.settings.hosts import is_loopback
from realtime.settings.kept_secret import keep_secret, new_secret, read_secret
from realtime.settings.kinds import OPTION_KINDS
from realtime.settings.schema import ChannelOptions, Grant
from realtime.settings.secret import Secret
from realtime.settings.store_url import database_path, store_kind
from realtime.settings.text_file import Unreadable

STORE_URL: Final = "sqlite:///realtime-dev.db"
ORIGIN: Final = "--dev"

_USER: Final[tuple[Grant, ...]] = ("user",)
_MEMBER: Final[tuple[Grant, ...]] = ("member",)

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
    "chat": ChannelOptions(
        history_size=-1,
        presence=True,
        chat="room",
        push="all",
        create=_USER,
        subscribe=_MEMBER,
        publish=_MEMBER,
        read_history=_MEMBER,
        read_presence=_MEMBER,
    ),
    "feed": ChannelOptions(
        history_size=-1, chat="feed", create=_USER, subscribe=_USER, read_history=_USER
    ),
}
"""Where no namespace is configured: what the page at `/` chats in and posts to, and two of plain
channels for whoever tries an SDK."""

_KEYS: Final = ("hmac_secret", "rsa_public_key", "ecdsa_public_key", "jwks_url")


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept in a file beside the database: for which setting, and what it is called."""

    path: tuple[str, str]
    suffix: str
    noun: str


HMAC_SECRET: Final = Kept(("auth", "hmac_secret"), ".secret", "a secret")
API_KEY: Final = Kept(("api", "keys"), ".api_key", "a key")


class Development:
    """The defaults of `--dev`: loopback only, a database of its own, rooms, a secret, an API key.

    `needs` is what must be there of the secret and the key; nobody may conclude from the lack of
    the rest. `makes`: a file that is not there is made; else it is a problem. Keep one for as long
    as the process lives: beside a database in memory, secret and key are in memory too, and must be
    the same when the settings are read again.
    """

    def __init__(
        self, needs: Collection[Kept] = (HMAC_SECRET, API_KEY), *, makes: bool = True
    ) -> None:
        self.api_key_file: str | None = None
        """Where the API key of the settings that were loaded last is; None if not in our file."""
        self._needs = needs
        self._makes = makes
        self._in_memory = {kept: Secret(new_secret()) for kept in (HMAC_SECRET, API_KEY)}

    def complete(self, gathered: Gathered) -> None:
        """Fill in what the sources left open. May make files, unless all is lost."""
        self.api_key_file = None
        _listen_on_loopback(gathered)
        gathered.values.setdefault(("store", "url"), Given(STORE_URL, ORIGIN))
        if not gathered.namespaces and not gathered.doubts(("namespaces",)):
            _add_namespaces(gathered)
        for kept, has in ((HMAC_SECRET, _has_token_key), (API_KEY, _has_api_key)):
            if has(gathered):
                continue
            if kept not in self._needs:
                gathered.unclear.add(kept.path)
            elif not gathered.problems:
                self._add(kept, gathered)

    def _add(self, kept: Kept, gathered: Gathered) -> None:
        url = str(gathered.values["store", "url"].value)
        try:
            # Beside a database on a server they are where they are without one.
            database = database_path(STORE_URL if store_kind(url) == "mongodb" else url)
        except ValueError:
            # That is a problem of its own, and found by the rules.
            return
        if database is None:
            gathered.values[kept.path] = Given(_value(kept, self._in_memory[kept]), ORIGIN)
            return
        file = Path(database + kept.suffix)
        if not self._makes and not file.exists():
            gathered.refuse(_missing(kept, file), kept.path)
            return
        try:
            secret = keep_secret(file) if self._makes else read_secret(file)
        except Unreadable as unreadable:
            what = f"cannot keep {kept.noun} in" if self._makes else "cannot read"
            problem = f"{dotted(kept.path)} ({ORIGIN}): {what} {file}: {unreadable}"
            gathered.refuse(problem, kept.path)
            return
        gathered.values[kept.path] = Given(_value(kept, secret), str(file))
        if kept is API_KEY:
            self.api_key_file = str(file)


def _value(kept: Kept, secret: Secret) -> object:
    return (secret,) if kept is API_KEY else secret


def _missing(kept: Kept, file: Path) -> str:
    where = "there" if file.is_absolute() else "in this folder"
    return (
        f"{dotted(kept.path)} ({ORIGIN}): {file} is not {where}; run it where `realtime serve "
        "--dev` was started, or name the database by --config or REALTIME_STORE__URL"
    )


def _has_token_key(gathered: Gathered) -> bool:
    # An empty variable gives a value, too: None.
    return any(
        given.value is not None
        for path, given in gathered.values.items()
        if path[0] == "auth" and path[1] in _KEYS
    )


def _has_api_key(gathered: Gathered) -> bool:
    """Whether the server API has a key, or needs none."""
    settings = (gathered.values.get(path) for path in (API_KEY.path, ("auth", "insecure")))
    return any(given is not None and given.value for given in settings)


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
