"""The hub's use cases over the contracts: connect, subscribe, publish, deliver, drain.

Nothing here knows which transport, store or broker there is.
"""
