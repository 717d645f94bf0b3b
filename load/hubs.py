"""Which hubs a run is against: each is asked for its version before the load begins."""

import asyncio
from typing import Final

from load.share import Share
from load.tokens import Tokens
from load.wire.client import Refused, open_client
from load.wire.listener import Listener
from load.wire.messages import ConnectRequest
from load.wire.target import Target

ASK_S: Final = 5.0
"""How long a hub may take to tell its version, in seconds."""

VERSION_LENGTH_MAX: Final = 100

_ASKER: Final = -1
"""The client that asks: its user is none of the run's, so that it takes nobody's place."""


async def hub_versions(share: Share) -> list[str]:
    """The version that each of the share's hubs tells a client that connects, in their order.

    "" where a hub tells none, or lets nobody in: that is for the run itself to find out. Behind a
    URL that several hubs share it is the version of one of them.
    """
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(_version(share, url)) for url in share.urls]
    return [one.result() for one in asked]


async def _version(share: Share, url: str) -> str:
    target = Target(url, share.format, ca_file=share.ca_file)
    request = ConnectRequest(token=Tokens(share).of(_ASKER))
    source = share.sources[0] if share.sources else ""
    try:
        opened = await open_client(target, Listener(), request, source=source, timeout_s=ASK_S)
    except (OSError, Refused, TimeoutError):
        return ""
    else:
        opened.client.close()
        return opened.connect.version[:VERSION_LENGTH_MAX]
    finally:
        target.close()
