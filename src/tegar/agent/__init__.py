"""The host side: answers questions about one machine.  No SQL here, ever."""
