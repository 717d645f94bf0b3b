"""`realtime worker`: notify phones, and keep what nodes share in order, without clients."""

import argparse

from realtime.cli.sources import Commands, add_config, load_settings
from realtime.errors import SettingsError
from realtime.settings.store_url import store_kind


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "worker",
        help="tell phones that are away; clear away what is past its time; with MongoDB",
    )
    add_config(parser)
    parser.set_defaults(run=run, dev=False)


def run(arguments: argparse.Namespace) -> int:
    """Work until told to stop. Hubs keep things in order, too; phones are told by workers alone."""
    settings = load_settings(arguments).settings
    if store_kind(settings.store.url) != "mongodb":
        raise SettingsError(
            ["store.url: a worker needs MongoDB; an SQLite database is its hub's own"]
        )
    # They import the drivers and the event loop, which no other command needs to wait for.
    from realtime import wiring
    from workers.worker import Worker

    wiring.work(settings, Worker)
    return 0
