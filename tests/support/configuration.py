"""Settings for hubs under test: a base that most tests want, and how they become TOML."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

HMAC_SECRET: Final = "an-hmac-secret-for-tests-of-64-bytes-0123456789-0123456789-abcd"
API_KEY: Final = "an-api-key-for-tests-0123456789"

Sections = Mapping[str, Mapping[str, Any]]

NAMESPACES: Final[Mapping[str, Mapping[str, Any]]] = {
    # Everything on, for users.
    "chat": {
        "history_size": -1,
        "history_ttl": "0s",
        "presence": True,
        "join_leave": True,
        "subscribe": ["user"],
        "publish": ["user"],
        "read_history": ["user"],
        "read_presence": ["user"],
    },
    # Ephemeral: presence, but no history.
    "live": {
        "presence": True,
        "join_leave": True,
        "force_push_join_leave": True,
        "subscribe": ["user"],
        "publish": ["subscriber"],
        "read_presence": ["user"],
    },
    # Forgets soon, so that a gap can be eaten by retention.
    "short": {
        "history_size": 3,
        "subscribe": ["user"],
        "publish": ["user"],
        "read_history": ["user"],
    },
    # Only for who has a subscription token.
    "closed": {
        "history_size": -1,
        "presence": True,
        "subscribe": ["token"],
        "publish": ["subscriber"],
        "read_history": ["subscriber"],
        "read_presence": ["subscriber"],
    },
    # Neither history nor presence, nor anything for anyone but subscribing.
    "plain": {"subscribe": ["user"]},
}


def sections(directory: Path, changes: Sections) -> dict[str, dict[str, Any]]:
    """Settings of a hub on loopback with its database in `directory`; `changes` go on top.

    `changes` is by section, then key; a namespace that is changed is replaced as a whole.
    """
    base: dict[str, dict[str, Any]] = {
        "server": {"host": "127.0.0.1", "drain_s": 1.0},
        "api": {"keys": [API_KEY]},
        "auth": {"hmac_secret": HMAC_SECRET},
        "store": {"url": f"sqlite:///{directory / 'hub.db'}"},
        "broker": {"url": "memory://"},
        "namespaces": dict(NAMESPACES),
    }
    for section, values in changes.items():
        base.setdefault(section, {}).update(values)
    return base


def shared_by_nodes(
    store_url: str, broker_url: str = "memory://", **server: Any
) -> dict[str, dict[str, Any]]:
    """Changes for nodes that share a store, and a bus of which the store's name is the prefix, so
    that tests may share one Redis. Other arguments are keys of `server`."""
    prefix = store_url.partition("?")[0].rpartition("/")[2]
    return {
        "store": {"url": store_url},
        "broker": {"url": broker_url, "prefix": prefix},
        "server": server,
    }


def to_toml(tables: Sections) -> str:
    """TOML text of two levels of tables, values being numbers, texts, booleans or lists of them."""
    return "\n".join(_table(name, values) for name, values in tables.items())


def _table(name: str, values: Mapping[str, Any]) -> str:
    inner = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    lines = [f"[{name}]"]
    lines += [f"{key} = {_value(value)}" for key, value in values.items() if key not in inner]
    lines += [_table(f"{name}.{json.dumps(key)}", value) for key, value in inner.items()]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    # JSON's texts, numbers and booleans are TOML's as well.
    return json.dumps(value)
