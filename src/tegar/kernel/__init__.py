"""The mechanism: commands, sagas, machines, the wire, the database.  Knows nothing of clouds."""
