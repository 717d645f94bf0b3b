"""Push: what hubs and workers share of it (design 7).

A message is its own outbox: it is stored with a mark (`realtime.model.Entry.notify`), and a
dispatcher makes of it at most one job per user and channel, in the same store (`jobs`). At the time
at which a job is due it is decided whether anybody has to be told (`decision`), and what was
decided is kept for whoever asks (`trail`, `explaining`). Nothing here knows a hub, a provider, or
which store it is; times are arguments.
"""
