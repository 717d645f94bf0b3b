"""`realtime serve`: run the hub."""

import argparse
import os
import sys
from collections.abc import Sequence

from realtime.cli.sources import Commands, add_config, add_dev
from realtime.server.parent import Place
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
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that share the port; more than one needs MongoDB and Redis",
    )
    # Says to a worker which one it is; only its parent gives it.
    parser.add_argument("--worker", type=Place.parse, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    development = Development() if arguments.dev else None
    overrides = _overrides(arguments)

    def load() -> Loaded:
        return from_process(arguments.config, overrides, development=development)

    def reload() -> Settings:
        return load().settings

    settings = reload()
    if arguments.worker is None:
        _note(settings, development)
        if settings.server.workers > 1:
            return _supervise(settings, arguments)
    # It imports the drivers and the event loop, which no other command needs to wait for.
    from realtime import wiring
    from workers.worker import make_inside

    wiring.serve(
        settings, dev=arguments.dev, reload=reload, place=arguments.worker, push=make_inside
    )
    return 0


def _note(settings: Settings, development: Development | None) -> None:
    if development is None:
        for surprise in advice(settings):
            print(f"realtime: note: {surprise}", file=sys.stderr)
    elif development.api_key_file is not None:
        print(f"realtime: the server API's key is in {development.api_key_file}", file=sys.stderr)


def _overrides(arguments: argparse.Namespace) -> Overrides:
    given = {("server", key): getattr(arguments, key) for key in ("host", "port", "workers")}
    return {path: value for path, value in given.items() if value is not None}


def _supervise(settings: Settings, arguments: argparse.Namespace) -> int:
    from realtime.server.workers import supervise

    server = settings.server

    def command(place: Place, port: int) -> Sequence[str]:
        """This command for one worker, with what the parent has decided for all of them."""
        given = [] if arguments.config is None else ["--config", arguments.config]
        given += ["--dev"] if arguments.dev else []
        given += ["--host", server.host, "--port", str(port), "--workers", str(server.workers)]
        return [*_program(), "serve", *given, "--worker", str(place)]

    return supervise(settings, command)


def _program() -> Sequence[str]:
    """How to start this program again, with the same idea of where modules are."""
    # `python -m` looks into the working directory first, the installed command does not.
    here = [] if sys.path[0] in ("", os.getcwd()) else ["-P"]
    return [sys.executable, *here, "-m", "realtime"]
