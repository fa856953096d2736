"""Placement: pure functions over frozen views."""
