"""What a hub counts. Plain integers on one object: counting must cost nothing on the hot path."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Statistics:
    """Counts since the hub started; the server turns them into metrics."""

    connects: int = 0
    publications_received: int = 0
    commands: int = 0
    messages_received: int = 0
    bytes_received: int = 0
    slow_closes: int = 0
    gaps: int = 0
    repairs: int = 0
    gaps_admitted: int = 0
    recovered: int = 0
    not_recovered: int = 0
    commits: int = 0
    committed_entries: int = 0
    duplicates: int = 0
    foreign_messages: int = 0
    """Messages on the bus that were of another store's epoch."""
    refused_handshakes: int = 0
    words_refused: int = 0
    """Control messages that could not be read, or were too long to be sent."""
    emulations: Counter[int] = field(default_factory=Counter)
    """Emulation requests by the status of their answers."""
    emulations_forwarded: int = 0
    """Those of them that another node was asked for."""
    connections: Counter[str] = field(default_factory=Counter)
    """Connections that are open now, by the name of their wire."""
    connects_by_wire: Counter[str] = field(default_factory=Counter)
    errors: Counter[int] = field(default_factory=Counter)
    """Error replies by code."""
    disconnects: Counter[int] = field(default_factory=Counter)
    """Closes by the server, by code."""
