"""The store on SQLite: the default of one machine, with nothing else to install.

`SQLiteStore` is the driver. `backup` and `restore` are for the command line: the first works
beside a running hub, the second only without one.
"""

from realtime.stores.sqlite.copying import backup, restore
from realtime.stores.sqlite.opened import Statistics
from realtime.stores.sqlite.store import SQLiteStore
from realtime.stores.sqlite.writer import Commits

__all__ = ["Commits", "SQLiteStore", "Statistics", "backup", "restore"]
