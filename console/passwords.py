"""Passwords: argon2id with the parameters of RFC 9106 for little memory, and what is asked of a new one.

What is asked follows NIST SP 800-63B: length, and nothing about kinds of letters.
"""

from __future__ import annotations

import secrets
from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from engine.errors import UserError

SHORTEST, LONGEST = 12, 256
_HASHER = PasswordHasher()
_AT_ONCE = BoundedSemaphore(2)
"""A hash takes 64 MB and a tenth of a second on purpose; a flood of sign-ins must not take all memory."""
_NOBODY = _HASHER.hash(secrets.token_urlsafe(16))


def hashed(password: str, *, name: str = "") -> str:
    """Return the hash of a new password.

    Raises:
        UserError: it is too short or too long, or says the user's name.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise UserError(f"a password has {SHORTEST} to {LONGEST} characters")
    if name and name.casefold() in password.casefold():
        raise UserError("a password does not hold the user's name")
    if len(set(password)) < SHORTEST // 3:
        raise UserError("this password repeats the same few characters; take a longer phrase")
    with _AT_ONCE:
        return _HASHER.hash(password)


def is_right(stored: str | None, password: str) -> bool:
    """Say whether a password is the one of a hash; without one it takes as long, so that nobody learns who exists."""
    with _AT_ONCE:
        try:
            return _HASHER.verify(stored or _NOBODY, password[:LONGEST]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def is_weak(stored: str) -> bool:
    """Say whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(stored)


def random_password() -> str:
    """Return a password for somebody to change at the first sign-in: 120 random bits."""
    return "-".join(secrets.token_hex(3) for _ in range(5))
