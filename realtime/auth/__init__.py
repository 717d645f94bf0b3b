"""Who somebody is and what they may do: tokens, keys, revocations, permissions. No I/O."""
