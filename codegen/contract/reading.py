"""From the bytes of a repository's files to documents: what cannot be read is a finding.

Each file is read once, whatever links lead to it, and nothing outside of the repository is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath

from codegen.diagnostics import Findings, Location, Severity, rule
from codegen.source import Document, Json, Place, Problem, SourceError, read_json, read_yaml

SYNTAX = rule(
    "syntax/unreadable",
    "A file is not the JSON or YAML that it should be.",
    "Nothing can be said about a contract that cannot be read; the other files are checked still.",
)
BYTE_ORDER_MARK = rule(
    "syntax/byte-order-mark",
    "A file begins with a byte order mark.",
    "RFC 8259 section 8.1 forbids to add one, and several registries refuse such a text.",
)

UNREAD_FILE = rule(
    "contract/unread-file",
    "A file among the schemas holds Avro in a form that is not read.",
    "Schemas are read from files whose names end in .avsc. What Avro IDL (.avdl) and protocols "
    "(.avpr) define is not linted, compared, registered or generated from, and nobody would say "
    "so; nor is a file whose name ends in .AVSC.",
    severity=Severity.WARNING,
)


def read_document(
    name: str, data: bytes, findings: Findings, *, is_yaml: bool | None = None
) -> Document | None:
    """Read a file's bytes as JSON or YAML; None and a finding when it is neither.

    Without `is_yaml` the name decides.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        where = Location(name, (), line, column, line, column + 1)
        message = f"not UTF-8: the byte 0x{data[error.start]:02x} stands here"
        findings.add(SYNTAX, where, message, hint="save the file as UTF-8")
        return None
    if is_yaml is None:
        is_yaml = name.endswith((".yaml", ".yml"))
    try:
        document = read_yaml(name, text) if is_yaml else read_json(name, text)
    except SourceError as error:
        findings.add_source_error(SYNTAX, error)
        return None
    if problem := _find_half_character(text, document.value):
        findings.add_source_error(SYNTAX, SourceError(document, (problem,)))
        return None
    # YAML may begin with one (YAML 1.2.2, section 5.2).
    if text.startswith("\ufeff") and not is_yaml:
        message = "the file begins with a byte order mark"
        findings.add(BYTE_ORDER_MARK, Place(document), message, hint="kontrakt format takes it out")
    return document


def _find_half_character(text: str, value: Json) -> Problem | None:
    """The first escape that stands for half a character (RFC 8259, section 8.2); None if none."""
    escapes = list(re.finditer(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", text))
    if not escapes:
        return None
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        first = escapes[0]
        message = "half of a character stands here: a surrogate without its other half"
        hint = "write the whole character, or both escapes"
        return Problem(message, first.start(), first.end(), hint)
    return None


def find_schema_files(folder: FilePath, root: FilePath, findings: Findings) -> Iterator[FilePath]:
    """The .avsc files in a folder and below, sorted; what cannot be listed is a finding.

    Files are named in findings as they lie under `root`. A link to what lies in the folder anyway
    is left out, and so are the files behind other links to folders, which is a finding.
    """

    def refuse(error: OSError) -> None:
        _report_unreadable(_name_under(root, FilePath(error.filename)), error, findings)

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders.sort()
        for path in (FilePath(parent, name) for name in folders):
            if path.is_symlink() and not leads_into(folder, path):
                message = "a symbolic link to a folder, whose files are not read"
                hint = "put the folder itself here, or a link to each file"
                findings.add(SYNTAX, Location(_name_under(root, path)), message, hint=hint)
        for path in (FilePath(parent, name) for name in sorted(files)):
            if path.name.endswith(".avsc") and not leads_into(folder, path):
                yield path


def report_unread_files(folder: FilePath, root: FilePath, findings: Findings) -> None:
    """Report files in a folder and below that hold Avro, and that nobody reads."""
    for path in sorted(
        FilePath(parent, name) for parent, _, names in os.walk(folder) for name in names
    ):
        suffix = path.suffix.lower()
        if path.suffix == ".avsc" or suffix not in _OTHER_FORMS:
            continue
        message, hint = _OTHER_FORMS[suffix]
        where = Location(_name_under(root, path))
        findings.add(UNREAD_FILE, where, message, hint=hint.format(path.stem))


_OTHER_FORMS = {
    ".avdl": ("Avro IDL is not read", "write its types as .avsc files: avro-tools idl2schemata"),
    ".avpr": ("a protocol is not read", "write its types as .avsc files, one type a file"),
    ".avsc": ("a file with this ending is not read", "call the file {}.avsc"),
}
"""What is said of each ending in small letters."""


def leads_into(folder: FilePath, path: FilePath) -> bool:
    """Whether a path is a symbolic link to a schema file, or to a folder, inside of a folder."""
    if not path.is_symlink():
        return False
    target = FilePath(os.path.realpath(path))
    is_schema = target.is_dir() or (target.name.endswith(".avsc") and target.is_file())
    return is_schema and target.is_relative_to(os.path.realpath(folder))


def _name_under(root: FilePath, path: FilePath) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def read_file(
    root: FilePath, path: FilePath, findings: Findings, name: str = ""
) -> Document | None:
    """Read a file below `root` as JSON or YAML; None and a finding where that cannot be done.

    `name` is what people see, by default the path under `root`. A link out of it is not followed.
    """
    name = name or path.relative_to(root).as_posix()
    try:
        # A link to itself, a pipe that nobody writes to: neither is ever read to its end.
        if not path.is_file() and (path.is_symlink() or path.exists()):
            message = (
                "a symbolic link that leads to no file"
                if path.is_symlink()
                else "this is no regular file"
            )
            findings.add(SYNTAX, Location(name), message, hint="put the file itself here")
            return None
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            message = "a symbolic link that leads out of the repository"
            findings.add(SYNTAX, Location(name), message, hint="put the file itself here")
            return None
        data = path.read_bytes()
    except OSError as error:
        _report_unreadable(name, error, findings)
        return None
    return read_document(name, data, findings)


def _report_unreadable(name: str, error: OSError, findings: Findings) -> None:
    message = f"cannot be read: {(error.strerror or 'unknown error').lower()}"
    findings.add(SYNTAX, Location(name), message, hint="check that it exists and who may read it")
