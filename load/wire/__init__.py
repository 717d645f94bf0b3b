"""The public wire, spoken by many cheap clients in one process: JSON and Protobuf, `ws` and `wss`.

They trust the hub: its handshake is not checked, and what it sends is parsed only where somebody
asks for it. That makes them fast; whether a hub is right in every byte is for its own tests.
"""
