"""`realtime import`: move in from another system."""

import argparse
import sys
from pathlib import Path

from realtime.chat.importing import Progress
from realtime.cli.sources import Commands, add_config, add_dev, load_settings


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "import", help="take users, channels, members and messages from a file of JSON lines"
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="path of the file")
    parser.add_argument(
        "--name",
        help="what the import is called, for going on where it broke off; else the file's name",
    )
    add_config(parser)
    add_dev(parser, "into the database of `realtime serve --dev`, which is stopped")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Import the file. Raises ImportRefused, StoreError and OSError; then it can be run again."""
    from realtime import moving_in

    settings = load_settings(arguments).settings
    name = arguments.name or arguments.file.name
    progress = moving_in.import_file(settings, arguments.file, name=name, told=_told)
    print(
        f"imported {progress.users} users, {progress.channels} channels, {progress.members} more"
        f" members, {progress.messages} messages and {progress.reactions} reactions;"
        f" {progress.duplicates} messages were there before"
    )
    return 0


def _told(progress: Progress) -> None:
    if progress.lines:
        print(f"realtime: {progress.lines} lines", file=sys.stderr, flush=True)
