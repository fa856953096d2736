"""Drivers: they turn specs into questions for agents and devices; they never see a row or a session."""
