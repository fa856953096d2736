"""The vocabulary all levels agree on.  Pure: no I/O, no rows."""
