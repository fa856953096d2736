"""What the metadata service tells each guest."""

from __future__ import annotations

import json

from tegar.model.router import GuestSpec


def metadata(guest: GuestSpec) -> str:
    """Return what is told to one guest; ``user_data`` stays base64."""
    own = {"local-ipv4": guest.ip, "local-hostname": guest.hostname, "instance-id": guest.vm_uuid}
    told = {
        "uuid": guest.vm_uuid,
        "hostname": guest.hostname,
        "user_data": guest.user_data,
        "public_keys": list(guest.public_keys),
        "meta": own | dict(guest.meta),
        "password": guest.password,
    }
    return json.dumps(told, indent=1, sort_keys=True) + "\n"
