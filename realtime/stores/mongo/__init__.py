"""The store on MongoDB, and on servers that speak its protocol: for hubs of several nodes.

`MongoStore` is the driver, `Timeouts` what bounds its calls.
"""

from realtime.stores.mongo.client import Timeouts
from realtime.stores.mongo.store import MongoStore, Statistics

__all__ = ["MongoStore", "Statistics", "Timeouts"]
