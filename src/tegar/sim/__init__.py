"""The simulator: hosts, disks and guests that exist only in memory and obey physics.

The agent's own handlers run on it, so whatever asks simulated hosts asks real ones the same way.
"""
