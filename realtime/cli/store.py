"""`realtime store`: prepare the store, back it up, bring a backup back, or move it."""

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError, StoreError
from realtime.settings.schema import Settings
from realtime.settings.store_url import MEMORY, database_path, store_kind
from realtime.stores.transfer import Progress

_ADVICE: Final = "; force replaces it"
"""How the store's refusal to replace a database ends. It knows no command line."""

_TOLD_EVERY_S: Final = 1.0
"""Between two lines of progress."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("store", help="prepare, back up, restore or move the store")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("init", help="make MongoDB's indexes, before the first hub starts")
    add_config(action)
    add_dev(action, "the store of `realtime serve --dev`")
    action.add_argument(
        "--new-epoch",
        action="store_true",
        help="after a MongoDB backup was brought back: clients reload, hubs start again",
    )
    action.set_defaults(run=init)
    action = actions.add_parser(
        "backup", help="write SQLite's database to a file, also while in use"
    )
    _add_options(action)
    action.set_defaults(run=backup)
    action = actions.add_parser(
        "restore", help="make SQLite's database from a backup; the hub is stopped"
    )
    _add_options(action)
    action.add_argument("--force", action="store_true", help="replace a database that is there")
    action.set_defaults(run=restore)
    _add_copy(actions)


def _add_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("file", metavar="FILE", type=Path, help="path of the backup")
    add_config(action)
    add_dev(action, "the database of `realtime serve --dev`")


def _add_copy(actions: Commands) -> None:
    action = actions.add_parser(
        "copy", help="move SQLite's database into an empty MongoDB; the hub is stopped"
    )
    action.add_argument("source", metavar="FROM", help='"realtime.db" or "sqlite:///realtime.db"')
    action.add_argument(
        "target",
        metavar="TO",
        nargs="?",
        help='"mongodb://host/database"; without it the store of the settings, which is better '
        "where it has a password: everybody on this machine sees a command line",
    )
    add_config(action)
    action.set_defaults(run=copy, dev=False)


def init(arguments: argparse.Namespace) -> int:
    """Make what the store needs. Safe to repeat. Raises StoreError."""
    from realtime import wiring

    settings = load_settings(arguments, needs=()).settings
    if store_kind(settings.store.url) == "sqlite":
        if arguments.new_epoch:
            raise SettingsError(["--new-epoch: for MongoDB; `store restore` gives SQLite one"])
        print("nothing to do: SQLite's tables are made when a hub starts")
        return 0
    wiring.init_store(settings.store.url, new_epoch=arguments.new_epoch)
    print("the store is ready")
    return 0


def backup(arguments: argparse.Namespace) -> int:
    """Write a backup. Raises SettingsError where there is no database, and StoreError."""
    from realtime import wiring

    settings, database = _settings(arguments)
    if not Path(database).exists():
        raise SettingsError([_no_database(database)])
    wiring.backup(settings, arguments.file)
    print(f"backed up to {arguments.file}")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Make the database from a backup. Raises StoreError; then nothing has changed."""
    from realtime import wiring

    settings, _ = _settings(arguments)
    try:
        wiring.restore(settings, arguments.file, force=arguments.force)
    except StoreError as error:
        if not error.detail.endswith(_ADVICE):
            raise
        raise StoreError(f"{error.detail.removesuffix(_ADVICE)}; --force replaces it") from None
    print(f"restored from {arguments.file}")
    return 0


def copy(arguments: argparse.Namespace) -> int:
    """Move a database. Raises SettingsError, and StoreError; then it can be run again."""
    from realtime import wiring

    database = _source(arguments.source)
    if arguments.target is None:
        target = load_settings(arguments).settings.store.url
        named = "store.url"
    else:
        target, named = arguments.target, "TO"
    try:
        if store_kind(target) != "mongodb":
            raise ValueError('expected "mongodb://host/database"')
    except ValueError as error:
        raise SettingsError([f"{named}: {error}"]) from None
    watch = _Watch()
    try:
        progress = wiring.copy_store(database, target, told=watch.told)
    finally:
        watch.end()
    print(
        f"copied {_plural(progress.entries, 'entry', 'entries')}; the copy has all "
        f"{_plural(progress.channels, 'channel', 'channels')}"
    )
    return 0


class _Watch:
    """Says how far a copy is: one line that changes where somebody looks on, else few lines."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._next_s = time.monotonic() + _TOLD_EVERY_S
        self._has_line = False

    def told(self, progress: Progress) -> None:
        """A page has been moved."""
        now = time.monotonic()
        if now < self._next_s:
            return
        self._next_s = now + _TOLD_EVERY_S
        text = f"realtime: {progress.entries} entries, {progress.channels} channels"
        print(f"\r{text}" if self._is_terminal else text, end="", file=sys.stderr, flush=True)
        self._has_line = True
        if not self._is_terminal:
            self.end()

    def end(self) -> None:
        """Finish the line, if there is one."""
        if self._has_line:
            print(file=sys.stderr)
            self._has_line = False


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _source(given: str) -> str:
    """Return the path of the file to copy from. Raises SettingsError."""
    path: str | None = given
    if given == MEMORY or given.startswith("sqlite:"):
        try:
            path = database_path(given)
        except ValueError:
            raise SettingsError(['FROM: expected "realtime.db" or "sqlite:///path"']) from None
    if path is None:
        raise SettingsError(["FROM: a database in memory is gone with its process"])
    if not Path(path).is_file():
        # Opening it would make one.
        raise SettingsError([f"FROM: there is no database at {path}"])
    return path


def _settings(arguments: argparse.Namespace) -> tuple[Settings, str]:
    """Return the settings and the path of the database. Raises SettingsError."""
    settings = load_settings(arguments).settings
    if store_kind(settings.store.url) == "mongodb":
        raise SettingsError(
            ["store.url: MongoDB is backed up with its own tools, mongodump or snapshots"]
        )
    database = database_path(settings.store.url)
    if database is None:
        raise SettingsError(["store.url: a database in memory is gone with its process"])
    return settings, database


def _no_database(path: str) -> str:
    return f"store.url: there is no database at {path}; is it the one you mean (--config, --dev)?"
