"""`realtime store`: back the database up, or bring a backup back."""

import argparse
from pathlib import Path
from typing import Final

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError, StoreError
from realtime.settings.schema import Settings
from realtime.settings.store_url import database_path

_ADVICE: Final = "; force replaces it"
"""How the store's refusal to replace a database ends. It knows no command line."""


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("store", help="back up or restore the database")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    action = actions.add_parser("backup", help="write the database to a file, also while in use")
    _add_options(action)
    action.set_defaults(run=backup)
    action = actions.add_parser(
        "restore", help="make the database from a backup; the hub is stopped"
    )
    _add_options(action)
    action.add_argument("--force", action="store_true", help="replace a database that is there")
    action.set_defaults(run=restore)


def _add_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("file", metavar="FILE", type=Path, help="path of the backup")
    add_config(action)
    add_dev(action, "the database of `realtime serve --dev`")


def backup(arguments: argparse.Namespace) -> int:
    """Write a backup. Raises SettingsError where there is no database, and StoreError."""
    from realtime import wiring

    settings, database = _settings(arguments)
    if not Path(database).exists():
        raise SettingsError(
            [
                f"store.url: there is no database at {database}; "
                "is it the one you mean (--config, --dev)?"
            ]
        )
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


def _settings(arguments: argparse.Namespace) -> tuple[Settings, str]:
    """Return the settings and the path of the database. Raises SettingsError."""
    settings = load_settings(arguments).settings
    database = database_path(settings.store.url)
    if database is None:
        raise SettingsError(["store.url: a database in memory is gone with its process"])
    return settings, database
