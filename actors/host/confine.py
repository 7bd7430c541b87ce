"""Stands in for HAProxy's program: confines what Serve has written for it, then becomes HAProxy.

Serve writes HAProxy's configuration from a template of its own before each start and each reload.
It has no settings for the addresses of statistics and metrics, for slow headers, or for who may
open the admin socket; but it has one that names the program. So HAProxy reads a copy here, in which
every door but the API's is on an address of our choice. What is not understood is refused: an old
HAProxy then goes on with what it has, and a new server does not start.

Runs as a script under ``python -IS``, which takes milliseconds, so it knows the standard library
alone.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["REFUSED", "Doors", "Strange", "confined", "main"]

REFUSED: Final = "refused"
"""Name of the file beside the configuration that says what was refused."""

_API: Final = "frontend http_frontend"
_SECTIONS: Final = {"global", "defaults", "frontend", "backend", "listen"}
_OTHER_SECTIONS: Final = {
    "acme", "cache", "crt-store", "fcgi-app", "http-errors", "log-forward", "log-profile",
    "mailers", "peers", "program", "resolvers", "ring", "traces", "userlist",
}  # fmt: skip
_DISGUISES: Final = frozenset("\"'\\")
"""HAProxy reads words without these."""


class Doors(NamedTuple):
    """Where HAProxy listens, and how long it waits at the door.

    Attributes
    ----------
    api, others
        Addresses: of the API, and of all the rest.
    header_timeout_s
        Who takes longer to send a request's headers is cut off.
    """

    api: str
    others: str
    header_timeout_s: int


class Strange(ValueError):
    """A configuration that is not understood, so that nobody knows where it would listen."""


def confined(text: str, doors: Doors) -> str:
    """Return a configuration whose doors are these.

    Raises
    ------
    Strange
        When it is built otherwise than Serve's template of today; the message names the line.
    """
    found = set[str]()
    lines = list(_confined_lines(text, doors, found))
    missing = {"defaults", "stats socket", _API} - found
    if missing:
        message = f"there is no {' and no '.join(sorted(missing))}"
        raise Strange(message)
    return "\n".join(lines) + "\n"


def _confined_lines(text: str, doors: Doors, found: set[str]) -> Iterator[str]:
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        indent = line[: len(line) - len(line.lstrip())]
        words = line.split()
        try:
            _refuse_disguise(words)
            match words:
                case [word, *_] if _begins(word, indent):
                    section = _section(words)
                    yield line
                    if section == "defaults":
                        found.add(section)
                        yield f"    timeout http-request {doors.header_timeout_s}s"
                case ["timeout", "http-request", *_] if section == "defaults":
                    continue
                case ["stats", "socket", *rest]:
                    found.add("stats socket")
                    yield indent + " ".join(("stats socket", *_private(rest)))
                case ["bind", where, *rest]:
                    found.add(section)
                    host = doors.api if section == _API else doors.others
                    yield indent + " ".join(("bind", f"{_bracketed(host)}:{_port(where)}", *rest))
                case ["bind" | "dgram-bind", *_]:
                    raise Strange("a door of an unknown kind")
                case _:
                    yield line
        except Strange as error:
            message = f"line {number}: {error}: {line.strip()}"
            raise Strange(message) from None


def _refuse_disguise(words: Sequence[str]) -> None:
    door = words[:1] and words[0] in {"bind", "dgram-bind", "stats"}
    if any(_DISGUISES.intersection(word) for word in (words if door else words[:1])):
        raise Strange("a word in disguise")


def _begins(word: str, indent: str) -> bool:
    """Return whether a section begins, which HAProxy sees however far it is indented."""
    return not word.startswith("#") and (not indent or word in _SECTIONS | _OTHER_SECTIONS)


def _section(words: Sequence[str]) -> str:
    if words[0] not in _SECTIONS:
        raise Strange("a section of an unknown kind")
    return " ".join(words[:2])


def _private(words: Sequence[str]) -> list[str]:
    """Return the words of a socket in the file system that only its owner may open."""
    if not words or not words[0].startswith("/"):
        raise Strange("no socket in the file system")
    rest = list(words[1:])
    while "mode" in rest:
        at = rest.index("mode")
        del rest[at : at + 2]
    return [words[0], "mode", "600", *rest]


def _port(where: str) -> int:
    """Return the port of ``host:port``; a range, a list, a file or a named space is refused."""
    host, colon, port = where.rpartition(":")
    if not colon or not port.isdecimal() or any(sign in host for sign in "@/,"):
        raise Strange("an address of an unknown kind")
    return int(port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def main(arguments: Sequence[str]) -> None:
    """Confine the configuration behind ``-f`` and become HAProxy, under the same process id.

    Parameters
    ----------
    arguments
        HAProxy's program; ``Doors`` as a list in JSON; what Serve wants HAProxy to be told.

    Raises
    ------
    SystemExit
        When the configuration cannot be read, confined or copied.
    """
    program, doors, *told = arguments
    at = told.index("-f") + 1
    written = Path(told[at])
    copy = written.with_suffix(".confined")
    try:
        text = confined(written.read_text(), Doors(*json.loads(doors)))
        _write(copy, text)
    except (Strange, OSError) as error:
        message = f"the configuration that Serve wrote for HAProxy is refused: {error}"
        _write(written.with_name(REFUSED), message)
        raise SystemExit(message) from None
    told[at] = str(copy)
    # Serve knows its HAProxies by the file it wrote. As the name of the local peer, of which there
    # is none, it does nothing.
    os.execv(program, [program, *told, "-L", str(written)])


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner may read it."""
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    fresh.replace(path)


if __name__ == "__main__":
    main(sys.argv[1:])
