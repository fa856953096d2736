"""High availability under a deterministic scheduler: the real machines of guard, everything else made here."""
