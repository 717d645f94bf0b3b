"""Processes without clients, which do what a hub would else do beside them.

`upkeep` heals the cluster after dead nodes and frees what retention hides. A worker is one of the
cluster's nodes: it has a lease, and dies and departs as a hub does.
"""
