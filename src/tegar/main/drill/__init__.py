"""Drills: real faults on real processes, measured."""
