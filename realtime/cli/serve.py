"""`realtime serve`: run the hub."""

import argparse
import sys

from realtime.cli.sources import Commands, add_config, add_dev
from realtime.settings.advice import advice
from realtime.settings.development import Development
from realtime.settings.load import Loaded, Overrides, from_process
from realtime.settings.schema import Settings


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("serve", help="run the hub")
    add_config(parser)
    add_dev(parser, "for development: loopback only, a page to chat, secrets made and kept")
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on; 0 is any free one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    # It imports the drivers and the event loop, which no other command needs to wait for.
    from realtime import wiring

    development = Development() if arguments.dev else None
    overrides = _overrides(arguments)

    def load() -> Loaded:
        return from_process(arguments.config, overrides, development=development)

    def reload() -> Settings:
        return load().settings

    settings = reload()
    if development is None:
        for surprise in advice(settings):
            print(f"realtime: note: {surprise}", file=sys.stderr)
    elif development.api_key_file is not None:
        print(f"realtime: the server API's key is in {development.api_key_file}", file=sys.stderr)
    wiring.serve(settings, dev=arguments.dev, reload=reload)
    return 0


def _overrides(arguments: argparse.Namespace) -> Overrides:
    given = {("server", "host"): arguments.host, ("server", "port"): arguments.port}
    return {path: value for path, value in given.items() if value is not None}
