"""Names on the bus: which topic carries what."""

import msgspec


class Topics(msgspec.Struct, frozen=True):
    """The topics of one deployment as one node sees them; `prefix` keeps deployments apart.

    Channel names are opaque: they come last, and nothing of a topic is ever parsed back.
    """

    channels: bytes
    """What the topics of entries begin with; the channel's name follows."""

    everyone: bytes
    """Control messages to all nodes."""

    own: bytes
    """Control messages to this node."""

    nodes: bytes
    """What the topics of control messages to one node begin with."""

    canaries: tuple[bytes, bytes]
    """What is before and after the number in the topics of this node's canaries."""

    def channel(self, name: str) -> bytes:
        """Where entries of a channel go."""
        return self.channels + encoded(name)

    def node(self, name: str) -> bytes:
        """Where control messages to one node go."""
        return self.nodes + encoded(name)

    def canary(self, number: int) -> bytes:
        """Where a canary goes: in a cluster each server needs one whose slot is its own.

        In braces the number alone decides the slot, whatever the node is called.
        """
        return b"%b{%d}%b" % (self.canaries[0], number, self.canaries[1])


def topics(prefix: str, node: str) -> Topics:
    """The topics of `node`, in the deployment that `prefix` names. Raises ValueError."""
    if "{" in prefix or "}" in prefix:
        raise ValueError("braces in the prefix would put all channels of a cluster on one server")
    base = encoded(prefix)
    return Topics(
        channels=base + b":c:",
        everyone=base + b":all",
        own=base + b":n:" + encoded(node),
        nodes=base + b":n:",
        canaries=(base + b":k:", encoded(node)),
    )


def encoded(name: str) -> bytes:
    """UTF-8; a lone surrogate, which no client can send, must not raise in a publish."""
    return name.encode("utf-8", "surrogatepass")
