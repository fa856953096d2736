"""Fixtures that several live tests share."""

from __future__ import annotations

from agents import image, world

__all__ = ["image", "world"]
