"""generated/kontrakt.lock: what each service was generated from, and the hash of each file.

The lock is read by two rooms of the house: generation tells by it who changed a file, and impact
learns from it which schema a service was built with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codegen.diagnostics import CouldNotCheck
from codegen.source import Json, SourceError, read_json

LOCK_NAME = "kontrakt.lock"
"""The lock file's name under generated/."""

GENERATED = "generated"
"""The folder of all that is generated, from the root of a repository."""

LOCK_FILE = f"{GENERATED}/{LOCK_NAME}"
"""The lock file, from the root of a repository."""

LOCK_VERSION = 1
"""The version of the lock's format that is written, and the only one that is read."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock says. `files` maps a path under generated/ to the SHA-256 of its text.

    `pins` maps a service and a subject to the schema, a JSON value, that its stubs were made from.
    """

    files: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[tuple[str, str], Json] = field(default_factory=dict)


def read_lock(path: Path) -> Lock:
    """Read a lock; one that is not there says nothing.

    Raises CouldNotCheck for a lock that is damaged, or of another version.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return Lock()
    except OSError as error:
        raise CouldNotCheck(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _damaged(path) from None
    return parse_lock(path, text)


def parse_lock(path: Path, text: str) -> Lock:
    """What the text of a lock says. Raises CouldNotCheck as `read_lock` does."""
    try:
        value = read_json(str(path), text).value
        if value["version"] != LOCK_VERSION:
            raise CouldNotCheck(
                f"{path} has the version {value['version']}; this kontrakt knows {LOCK_VERSION}",
                "update kontrakt",
            )
        entries = [
            (service, entry)
            for service, targets in value["services"].items()
            for entry in targets.values()
        ]
        schemas = value["schemas"]
        return Lock(
            {path: digest for _, entry in entries for path, digest in entry["files"].items()},
            {
                (service, subject): schemas[key]
                for service, entry in entries
                for subject, key in entry["events"].items()
            },
        )
    except (SourceError, KeyError, TypeError, AttributeError):
        raise _damaged(path) from None


def hash_text(text: str) -> str:
    """The SHA-256 of a text in UTF-8, in hex digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def fingerprint(schema_text: str) -> str:
    """The first 16 hex digits of a schema text's SHA-256: how people name one schema."""
    return hash_text(schema_text)[:16]


def _damaged(path: Path) -> CouldNotCheck:
    return CouldNotCheck(
        f"{path} is damaged", "restore it from git, or delete it and run kontrakt generate"
    )
