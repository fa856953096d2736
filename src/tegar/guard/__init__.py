"""Leases of hosts: pure machines and one thin UDP shell; knows no database, no libvirt, no storage."""
