"""How fast somebody may go on: token buckets, and the addresses they are kept for."""
