"""One node among others: who is there, who is present, and what only one of them does.

Every part stands on the contracts of stores and brokers, and is hosted by who makes it: a hub or a
worker. Nothing here knows clients, drivers or HTTP.
"""
