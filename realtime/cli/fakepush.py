"""`realtime fakepush`: push services that are none, for tests."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from realtime.cli.sources import Commands

if TYPE_CHECKING:
    from workers.fakepush import FakePush

PORT: Final = 9_700
"""Of the inspect API; the services have the four that follow."""

_PORT_MAX: Final = 65_531


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "fakepush", help="run fake FCM, APNs and Web Push services with an inspect API, for tests"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help=f"port of the inspect API ({PORT}), followed by those of FCM, Web Push and both APNs "
        "hosts; 0: any free ones",
    )
    parser.add_argument(
        "--directory",
        type=Path,
        metavar="FOLDER",
        help="folder for certificate and keys, made if need be; else a temporary one",
    )
    parser.add_argument(
        "--webpush-tls", action="store_true", help="let subscriptions be https, by the fake's CA"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run until told to stop. Raises OSError where a port is taken."""
    # They import the event loop and HTTP/2, which no other command needs to wait for.
    import uvloop

    from workers.fakepush import FakePush, Ports

    if arguments.directory is not None:
        arguments.directory.mkdir(parents=True, exist_ok=True)
    fake = FakePush(
        host=arguments.host,
        ports=Ports.following(arguments.port),
        directory=arguments.directory,
        webpush_tls=arguments.webpush_tls,
    )
    uvloop.run(_serve(fake))
    return 0


async def _serve(fake: "FakePush") -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    async with fake:
        print(f"# inspect API at {fake.inspect_url}; settings of a hub that sends here:\n")
        print(fake.settings_toml())
        sys.stdout.flush()
        await told.wait()


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= _PORT_MAX:
        raise argparse.ArgumentTypeError(f"expected 0 to {_PORT_MAX}")
    return port
