"""The bus over Redis: classic pub/sub, and sharded pub/sub where the server is a cluster.

address, codec, limits, topics     pure: what the URL names, what travels, how much of it
subscriptions, canary, backoff     pure: what is wanted, what came back, how long to wait
connecting, discovery              opens connections, finds out which servers there are
outbox, publisher, subscriber      the two halves of a link
links, broker                      one server's link for as long as the bus runs; all of them
"""

from realtime.brokers.redis.address import FORMS, RedisAddress, parse
from realtime.brokers.redis.broker import RedisBroker
from realtime.brokers.redis.limits import Limits

__all__ = ["FORMS", "Limits", "RedisAddress", "RedisBroker", "parse"]
