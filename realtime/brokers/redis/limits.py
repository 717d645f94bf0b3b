"""How long the driver waits, how often it looks, and how much it keeps."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every deadline and bound of the Redis driver. Tests shorten them; the defaults are meant.

    Together they keep design 3's word: whatever stops answering is noticed within 5 s.
    """

    connect_s: float = 3.0
    """Opening a connection, authenticating and asking what kind of server it is."""

    publish_s: float = 3.0
    """One pipeline of publications, from the first byte to the last reply."""

    subscribe_s: float = 2.0
    """The longest that Redis may take to confirm the next of the channels it was asked for."""

    idle_s: float = 1.0
    """After so long without a word from Redis the subscribed connection sends a PING."""

    ping_s: float = 3.0
    """After which an unanswered PING ends the connection."""

    canary_interval_s: float = 1.0
    """How often a node sends itself a message through the bus."""

    canary_s: float = 5.0
    """After which a canary that is not back means that messages are lost."""

    watch_s: float = 0.25
    """How often these deadlines are looked at."""

    unsubscribe_s: float = 2.0
    """How long a channel stays subscribed after the last who wanted it: flapping costs nothing."""

    follow_s: float = 5.0
    """How often Sentinels are asked if the master is still the master: a network that is cut
    between them and it leaves a bus that works, but with half of the nodes on it."""

    backoff_min_s: float = 0.05
    """Most that the first reconnect waits; doubled for each further one, up to `backoff_max_s`."""

    backoff_max_s: float = 2.0
    """Most that a reconnect ever waits; also how long a link must have been well to start anew."""

    stale_s: float = 2.0
    """After an outage of so long only the newest stored entry of each channel is still published:
    it makes the others look; the rest is old news to them."""

    close_s: float = 1.0
    """How long `close` waits for what was published before."""

    buffer_messages_max: int = 65_536
    """Publications that wait to be sent, for each server."""

    buffer_bytes_max: int = 33_554_432
    """Their length with their topics, for each server. A message of more than that is dropped."""

    pipeline_messages_max: int = 4_096
    """Publications sent before their replies are read."""

    pipeline_bytes_max: int = 1_048_576
    """A pipeline takes no more once it has that many bytes, so that a slow network can keep up."""

    subscribe_batch_max: int = 1_000
    """Channels in one SUBSCRIBE or UNSUBSCRIBE."""

    burst_max: int = 256
    """Messages received before the loop has a turn for other things."""
