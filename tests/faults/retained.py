"""The log of a channel that forgets, read where what was forgotten has left its traces.

History shows the last few entries. The documents of the others stay for as long as a retry must
be recognised, which is longer than a scenario takes, with their offset and client id.
"""

from pymongo import MongoClient

from tests.faults.rig import DATABASE
from tests.support.checker import Stored


def retained_log(url: str, channel: str) -> list[Stored]:
    """Every entry there ever was; the messages must have been published with their own id."""
    client: MongoClient[dict[str, object]] = MongoClient(url, serverSelectionTimeoutMS=5_000)
    try:
        found = client[DATABASE].entries.find({"c": channel}, {"_id": 0, "o": 1, "i": 1})
        entries = [Stored(int(str(document["o"])), str(document["i"])) for document in found]
    finally:
        client.close()
    return sorted(entries, key=lambda entry: entry.offset)
