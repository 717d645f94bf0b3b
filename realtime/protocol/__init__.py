"""The client protocol without I/O: commands in, replies and pushes out, the session's states."""
