"""`realtime health`: whether the hub on this machine is alive, for containers' health checks."""

import argparse
import http.client
import sys
from typing import Final

from realtime.cli.asking import Failed, exchange, own_url, parse_url
from realtime.cli.sources import Commands, add_config, add_dev, load_settings

TIMEOUT_S: Final = 2.0


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("health", help="ask the hub on this machine whether it is alive")
    parser.add_argument("--url", help="address of the hub; else where the settings say it listens")
    add_config(parser)
    add_dev(parser, "the hub of `realtime serve --dev`")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 if `/health` answers with 200 within two seconds, else 1, saying why.

    Of several workers it asks whichever accepts, or, where there is an internal port, the first.
    """
    own = arguments.url is None
    if own:
        arguments.url = own_url(load_settings(arguments, needs=()).settings.server)
    url = parse_url(arguments.url)
    path = f"{url.path.rstrip('/')}/health"
    try:
        # Nothing secret is sent, and its own certificate may be for another name, or past its
        # time: that is no reason to kill a hub that serves.
        status, _ = exchange(url, "GET", path, timeout_s=TIMEOUT_S, verifies=not own)
    except Failed as failed:
        print(f"realtime: {failed}", file=sys.stderr)
        return 1
    if status != http.client.OK:
        print(f"realtime: {url.netloc} answered with HTTP status {status}", file=sys.stderr)
        return 1
    return 0
