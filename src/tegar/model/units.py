"""Units.  Names elsewhere carry them: ``size_bytes``, ``wait_s``, ``cpu_mhz``."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB
