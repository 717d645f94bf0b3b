"""`realtime config`: check the settings, or show them."""

import argparse
import sys

from realtime.cli.sources import Commands, add_config, add_dev, load_settings
from realtime.errors import SettingsError
from realtime.settings.advice import advice
from realtime.settings.broker_url import broker_kind
from realtime.settings.describe import describe
from realtime.settings.development import API_KEY, HMAC_SECRET
from realtime.settings.load import Loaded


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
        add_dev(action, "the settings of `realtime serve --dev`")
        action.set_defaults(run=run)


def check(arguments: argparse.Namespace) -> int:
    """Say that the settings are good, and what may surprise; SettingsError if they are not."""
    loaded = _load(arguments)
    _check_options(loaded)
    for surprise in advice(loaded.settings):
        print(f"realtime: note: {surprise}", file=sys.stderr)
    print("settings are good")
    return 0


def _check_options(loaded: Loaded) -> None:
    """Let the driver look at an address that has options, which only it knows."""
    url = loaded.settings.broker.url
    if broker_kind(url) == "memory":
        return
    from realtime.brokers.redis.address import parse

    try:
        parse(url)
    except ValueError as error:
        origin = loaded.origins["broker.url"]
        raise SettingsError([f"broker.url ({origin}): {error}"]) from None


def show(arguments: argparse.Namespace) -> int:
    """Print the settings as TOML."""
    print(describe(_load(arguments)))
    return 0


def _load(arguments: argparse.Namespace) -> Loaded:
    return load_settings(arguments, needs=(HMAC_SECRET, API_KEY))
