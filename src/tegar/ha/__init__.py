"""High availability: what is due, what proves a host dead, and who restarts where (docs/ha.md)."""
