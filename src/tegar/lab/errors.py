"""What goes wrong while a lab is built or used."""

from __future__ import annotations


class LabError(RuntimeError):
    """The lab cannot do what was asked; the message says why, for a person."""
