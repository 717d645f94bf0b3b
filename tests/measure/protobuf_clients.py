"""Protobuf clients beside JSON ones: `python -m <this module> WSLOAD`.

One hub process on the first core, `wsload` on the second, and each row in turns in both formats, a
hub of its own each time: deliveries per second (rows 1 to 4), connects per second with a token and
one subscription (row 5), and memory per idle connection (row 6). Ratios count, not figures. Rows 3
and 4 are played by ten processes with ten rooms each: in Protobuf a name's length comes before it,
and `wsload` writes the number of a room without leading zeros.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.support.processes import HubProcess
from tests.support.protobuf_documents import frame
from tests.support.tokens import connection_token

HUB_CORE: Final = {0}
LOAD_CORE: Final = {1}
PROCESSES: Final = 10
CONNECTIONS: Final = 10_000
ROW_MAX_S: Final = 180
SETTLE_S: Final = 1.0
"""How long idle connections are left alone before the hub's memory is read."""

SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "server": {"connections_max": 15_000},
    # `wsload` cannot tell a Protobuf ping from a short reply, so there is none while it runs.
    "client": {"ping_interval_s": 600.0},
    "namespaces": {
        "live": {"subscribe": ["user"], "publish": ["user"]},
        "log": {"history_size": -1, "subscribe": ["user"], "publish": ["user"]},
    },
}

# What `wsload` puts in place of these: the time in 21 characters, the number of a room in one.
TIME: Final = "~" * 21
ROOM: Final = "^"


def in_json(channel: str) -> list[str]:
    """The arguments of a load in JSON."""
    connect = json.dumps({"id": 1, "connect": {"token": connection_token("load")}})
    subscribe = json.dumps({"id": 2, "subscribe": {"channel": channel}}, separators=(",", ":"))
    publish = {"id": 3, "publish": {"channel": channel, "data": {"t": TIME}}}
    published = json.dumps(publish, separators=(",", ":"))
    arguments = ["--init", connect, "--init", subscribe, "--init", '@wait:"id":2']
    arguments += ["--pub", published]
    return [word.replace(TIME, "%T").replace(ROOM, "%g") for word in arguments]


def in_protobuf(channel: str) -> list[str]:
    """The arguments of the same load in Protobuf."""
    data = json.dumps({"t": TIME}, separators=(",", ":")).encode()
    connect = _escaped(frame(1, connect={"token": connection_token("load")}))
    subscribe = _escaped(frame(2, subscribe={"channel": channel}))
    publish = _escaped(frame(3, publish={"channel": channel, "data": data}))
    waited = "@wait:" + _escaped(b"\x08\x02\x32")  # the reply to command 2, a subscribe
    arguments = ["--initb", connect, "--initb", subscribe, "--initb", waited, "--pubb", publish]
    return ["--sub", "centrifuge-protobuf", *arguments]


def _escaped(data: bytes) -> str:
    text = "".join(f"\\x{byte:02x}" for byte in data)
    for placeholder, expanded in ((TIME, "%T"), (ROOM, "%g")):
        text = text.replace("".join(f"\\x{ord(letter):02x}" for letter in placeholder), expanded)
    return text


Load = Callable[[str], list[str]]
Measure = Callable[[HubProcess, str, Load], float]
FORMATS: Final[Mapping[str, Load]] = {"json": in_json, "protobuf": in_protobuf}


class Row(NamedTuple):
    """What is measured: a number of a hub under a load, and whether more of it is better."""

    name: str
    measure: Measure
    more_is_better: bool = True


def _wsload(hub: HubProcess, program: str, *arguments: str) -> subprocess.Popen[str]:
    path = "/connection/websocket"
    words = [program, "--port", str(hub.port), "--path", path, "--max", str(ROW_MAX_S), *arguments]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def _results(processes: Sequence[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    results = [json.loads(process.communicate(timeout=ROW_MAX_S)[0]) for process in processes]
    for result in results:
        assert result["dead"] == 0 == result.get("lost", 0), result
    return results


def deliveries(*arguments: str, channel: str = "live:feed", processes: int = 1) -> Measure:
    """Measures deliveries per second; where there are several processes, each has its rooms."""

    def measure(hub: HubProcess, program: str, load: Load) -> float:
        names = [channel.replace("#", str(number)) for number in range(processes)]
        results = _results([_wsload(hub, program, *load(name), *arguments) for name in names])
        seconds = max(result["seconds"] for result in results)
        return float(sum(result["delivered"] for result in results) / seconds)

    return measure


ROOMS: Final = (
    *("--conns", "100", "--groups", "10", "--pubconns", "100", "--per", "10"),
    *("--window", "6", "--settle", "1500"),
)


def _without_publishing(load: Load) -> list[str]:
    arguments = load("live:feed")
    return arguments[: next(i for i, word in enumerate(arguments) if word.startswith("--pub"))]


def connects(hub: HubProcess, program: str, load: Load) -> float:
    """Connections per second, each with a token and a subscription."""
    arguments = (*_without_publishing(load), "--conns", str(CONNECTIONS))
    [result] = _results([_wsload(hub, program, *arguments)])
    return float(result["connects_per_s"])


def memory(hub: HubProcess, program: str, load: Load) -> float:
    """Bytes of the hub's resident memory for each idle connection."""
    before = hub.rss_kb()
    arguments = (*_without_publishing(load), "--conns", str(CONNECTIONS), "--hold", "5")
    process = _wsload(hub, program, *arguments)
    assert process.stdout is not None
    # Said once all are ready.
    said = ""
    while "connects_per_s" not in said:
        said += process.stdout.read(1)
    time.sleep(SETTLE_S)
    each = (hub.rss_kb() - before) * 1024 / CONNECTIONS
    rest = process.communicate(timeout=ROW_MAX_S)[0]
    assert f'"alive_after_hold": {CONNECTIONS}' in rest, said + rest
    return each


ROWS: Final = (
    Row("1: 1 to 1000, one at a time", deliveries("--conns", "1000", "--msgs", "500")),
    Row(
        "2: 1 to 100, 20 in flight",
        deliveries("--conns", "100", "--msgs", "30000", "--window", "20"),
    ),
    Row(
        "3: 1000 in 100 rooms, 60 in flight",
        deliveries(*ROOMS, "--msgs", "4000", channel=f"live:r#{ROOM}", processes=PROCESSES),
    ),
    Row(
        "4: the same, stored in SQLite",
        deliveries(*ROOMS, "--msgs", "2000", channel=f"log:r#{ROOM}", processes=PROCESSES),
    ),
    Row("5: connects", connects),
    Row("6: bytes an idle connection", memory, more_is_better=False),
)


def once(row: Row, program: str, load: Load) -> float:
    """Measure a row in one format, on a hub of its own."""
    with tempfile.TemporaryDirectory() as directory:
        hub = HubProcess(Path(directory), SETTINGS)
        # Children inherit the core that they may use.
        os.sched_setaffinity(0, HUB_CORE)
        try:
            hub.start()
            os.sched_setaffinity(0, LOAD_CORE)
            return row.measure(hub, program, load)
        finally:
            hub.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("wsload", help="the load generator, built")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="123456", help="which, by their numbers")
    options = parser.parse_args(arguments)
    for row in (row for row in ROWS if row.name[0] in options.rows):
        found: dict[str, list[float]] = {name: [] for name in FORMATS}
        for _ in range(options.rounds):
            for name, load in FORMATS.items():
                found[name].append(once(row, options.wsload, load))
        middle = {name: statistics.median(values) for name, values in found.items()}
        ratio = middle["protobuf"] / middle["json"]
        ratio = ratio if row.more_is_better else 1 / ratio
        listed = "  ".join(
            f"{name} {middle[name]:,.0f} ({', '.join(f'{value:,.0f}' for value in values)})"
            for name, values in found.items()
        )
        sys.stdout.write(f"{row.name:36} {ratio:5.2f}  {listed}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
