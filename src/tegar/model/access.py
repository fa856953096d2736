"""Roles and who sees what."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Role(StrEnum):
    """What an account may do; the values name the sets in ``kernel.command``."""

    ADMIN = "admin"
    DOMAIN_ADMIN = "domain-admin"
    USER = "user"


class AccountType(IntEnum):
    """The protocol's number for a role."""

    USER = 0
    ADMIN = 1
    DOMAIN_ADMIN = 2


ROLE_OF = {
    AccountType.USER: Role.USER,
    AccountType.ADMIN: Role.ADMIN,
    AccountType.DOMAIN_ADMIN: Role.DOMAIN_ADMIN,
}
TYPE_OF = {role: kind for kind, role in ROLE_OF.items()}
ROLE_NAME = {Role.ADMIN: "Root Admin", Role.DOMAIN_ADMIN: "Domain Admin", Role.USER: "User"}
