"""`realtime store`: back the database up, or bring a backup back."""

import argparse
from pathlib import Path

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError
from realtime.settings.schema import Settings
from realtime.settings.store_url import database_path


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
    """Write a backup. Raises StoreError."""
    from realtime import wiring

    wiring.backup(_settings(arguments), arguments.file)
    print(f"backed up to {arguments.file}")
    return 0


def restore(arguments: argparse.Namespace) -> int:
    """Make the database from a backup. Raises StoreError; then nothing has changed."""
    from realtime import wiring

    wiring.restore(_settings(arguments), arguments.file, force=arguments.force)
    print(f"restored from {arguments.file}")
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    settings = load_settings(arguments).settings
    if database_path(settings.store.url) is None:
        raise SettingsError(["store.url: a database in memory is gone with its process"])
    return settings
