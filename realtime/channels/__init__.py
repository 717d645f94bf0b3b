"""Channels without I/O: names and rules, who is subscribed, positions, outboxes and fan-out."""
