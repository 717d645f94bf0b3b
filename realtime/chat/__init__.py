"""Chat and feeds: one service over the store's contracts, with two faces (RPC and REST).

What an app does by the hub's plain commands, subscribing and reading history among them, it goes on
doing by those; what is said here is what a channel is beside a log. See `operations` for the table
that both faces are made of, and `ports` for what the service asks of the hub.
"""
