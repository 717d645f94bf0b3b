"""Parameters and results of every operation, by subject; the types are the documentation.

A name in a struct is its name on the wire. Parameters refuse unknown fields, so that a misspelt one
is not silently ignored. Results leave out fields that have their default.
"""
