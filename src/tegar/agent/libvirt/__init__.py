"""Domains by libvirt; nothing outside of this package imports the binding, and only real hosts load it."""

from tegar.agent.libvirt.hypervisor import Libvirt as Libvirt
