"""`realtime config`: check the settings, or show them."""

import argparse
import sys

from realtime.cli.sources import Commands, add_config, load_settings
from realtime.settings.advice import advice
from realtime.settings.describe import describe


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("config", help="check or show the settings")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, run, text in (
        ("check", check, "name all that is wrong with the settings"),
        ("show", show, "print all settings that hold, with where each comes from; no secrets"),
    ):
        action = actions.add_parser(name, help=text)
        add_config(action)
        action.set_defaults(run=run)


def check(arguments: argparse.Namespace) -> int:
    """Say that the settings are good, and what may surprise; SettingsError if they are not."""
    loaded = load_settings(arguments)
    for surprise in advice(loaded.settings):
        print(f"realtime: note: {surprise}", file=sys.stderr)
    print("settings are good")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print the settings as TOML."""
    print(describe(load_settings(arguments)))
    return 0
