"""What a user's device is called wherever more than one user's are. Pure."""

import hashlib
from typing import Final

DIGEST_BYTES: Final = 16
"""Of what a device is called: nobody finds two devices that share it."""


def device_name(user: str, id: str) -> str:
    """The name of the device that its user's app calls `id`: a digest of both, "" for none."""
    if not id:
        return ""
    name = f"{len(id)}:{id}{user}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(name, digest_size=DIGEST_BYTES).hexdigest()
