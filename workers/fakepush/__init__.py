"""A fake world of push services, on sockets: for tests, of this project and of who uses it.

FCM with its token endpoint, both hosts of APNs and a Web Push service take what the real ones take
and refuse what they refuse, in their words; behind them are phones whose screens an inspect API
shows. What becomes of a request can be scripted, for a device or for a whole service. `realtime
fakepush` runs it by itself; `FakePush` runs it inside a test.
"""

from workers.fakepush.devices import Device
from workers.fakepush.outcomes import Outcome
from workers.fakepush.phones import Phone, Received
from workers.fakepush.server import FakePush, Ports
from workers.fakepush.world import World

__all__ = ["Device", "FakePush", "Outcome", "Phone", "Ports", "Received", "World"]
