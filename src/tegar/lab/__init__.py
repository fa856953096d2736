"""Real hosts on one machine: namespaces, libvirt, QEMU, and plugs that can be pulled."""
