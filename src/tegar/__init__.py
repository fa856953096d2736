"""Tegar: a private IaaS cloud that stays up and speaks the CloudStack API."""

__version__ = "0.1.0"
