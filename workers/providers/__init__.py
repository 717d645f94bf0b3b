"""What carries a notification to a phone or a browser: one provider a file, one contract.

`base` has the contract. A provider knows its service's requests, answers and connections, and
nothing of channels, members or the queue; which service that is, is an address in the settings.
"""
