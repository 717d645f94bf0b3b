"""The channel log and what must survive a restart: the contract (`base`) and its drivers."""
