"""The key that a server may ask for: where it is found, and what carries it."""

import os
from typing import Final

from recsys.errors import InvalidSettings

__all__ = ["VARIABLE", "check_key", "find_key"]

VARIABLE: Final = "RECSYS_API_KEY"


def find_key(given: str | None) -> str | None:
    """Return the key to send: the given one, or else the environment's; ``None`` without both.

    Raises
    ------
    InvalidSettings
        As ``check_key``.
    """
    if given is not None:
        return check_key(given, "`key`")
    found = os.environ.get(VARIABLE)
    return check_key(found, VARIABLE) if found else None


def check_key(key: str, place: str) -> str:
    """Return the key if a header can carry it.

    Parameters
    ----------
    place
        Where it was found, for the message.

    Raises
    ------
    InvalidSettings
        Saying what is wrong, and nothing of the key: messages end up in logs.
    """
    if not key:
        message = f"the API key in {place} is empty"
        raise InvalidSettings(message)
    # What the HTTP library would say of such a character quotes the whole key.
    wrong = next((at for at, character in enumerate(key, 1) if not "!" <= character <= "~"), None)
    if wrong is not None:
        message = (
            f"the API key in {place} cannot be sent: its character {wrong} of {len(key)} is "
            f"{_kind(key[wrong - 1])}, and a key is printable ASCII without spaces"
        )
        raise InvalidSettings(message)
    return key


def _kind(character: str) -> str:
    if character in "\r\n":
        return "a line break"
    if character.isspace():
        return "a space"
    return "a control character" if character.isascii() else "not ASCII"
