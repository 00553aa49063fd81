"""A schema file outside of any contract: what it means, with the types of files beside it.

A name that the file does not define is looked for in the files that are named for it, and then in
those below its folder. A file that nothing asks for is not read for more than its own name, so two
versions of one schema may lie side by side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from codegen.avro.parse import JAVA, SchemaSet, parse_schema, parse_schemas
from codegen.avro.schema import Ref, SchemaGraph, walk
from codegen.contract.reading import read_document
from codegen.diagnostics import CouldNotCheck, Findings
from codegen.source import Document

MAX_FILES = 2_000
"""Of more files than this below a folder the rest is not looked at: no work should be unbounded."""

_SCHEMA_FILES = "*.avsc"


def read_standalone(
    path: Path, others: Sequence[Path], findings: Findings
) -> tuple[Document, SchemaGraph]:
    """Read a schema file; `others` are files and folders with types that it may use.

    What is wrong with it becomes a finding. Raises CouldNotCheck when a file cannot be read.
    """
    document = _read(path, findings)
    if findings.has_errors:
        return document, parse_schema(document, Findings(), dialect=JAVA)
    shelf = _Shelf(path, others)
    documents = {document.name: document}
    while True:
        trial = Findings()
        graph = _parse(document, tuple(documents.values()), trial)
        found = [shelf.find(name, findings) for name in _missing(graph)]
        new = {one.name: one for one in found if one is not None and one.name not in documents}
        if not new or findings.has_errors:
            findings.items += trial.items
            return document, graph
        documents |= new


def _parse(document: Document, documents: Sequence[Document], findings: Findings) -> SchemaGraph:
    if len(documents) == 1:
        return parse_schema(document, findings, dialect=JAVA)
    parsed: SchemaSet = parse_schemas(documents, findings, dialect=JAVA)
    return SchemaGraph(parsed.roots[document.name], parsed.types)


def _missing(graph: SchemaGraph) -> tuple[str, ...]:
    """The names that mean nothing yet, in the order of the text."""
    roots = (graph.root, *graph.names.values())
    used = (one.name for root in roots for one in walk(root) if isinstance(one, Ref))
    return tuple(dict.fromkeys(name for name in used if name not in graph.names))


class _Shelf:
    """Where a name may be defined: the files that were named first, then those below the folder."""

    def __init__(self, path: Path, others: Sequence[Path]) -> None:
        self._own = path.resolve()
        self._given = others
        self._folder = path.parent
        self._by_name: dict[str, Path] | None = None

    def find(self, name: str, findings: Findings) -> Document | None:
        """The file that defines a full name; None where there is none."""
        if self._by_name is None:
            self._by_name = {}
            for path in self._paths():
                for defined in _names_of(path):
                    self._by_name.setdefault(defined, path)
        home = self._by_name.get(name)
        return _read(home, findings) if home is not None else None

    def _paths(self) -> Iterator[Path]:
        for given in self._given:
            yield from sorted(given.rglob(_SCHEMA_FILES)) if given.is_dir() else [given]
        beside = self._folder.rglob(_SCHEMA_FILES)
        listed = sorted(path for path, _ in zip(beside, range(MAX_FILES), strict=False))
        yield from (path for path in listed if path.resolve() != self._own)


def _names_of(path: Path) -> tuple[str, ...]:
    """The full name of the type that a file defines; nothing where it is no schema file."""
    try:
        document = _read(path, ignored := Findings())
    except CouldNotCheck:
        return ()
    value = document.value
    if ignored.has_errors or not isinstance(value, dict):
        return ()
    name, namespace = value.get("name"), value.get("namespace")
    if not isinstance(name, str):
        return ()
    is_full = "." in name or not isinstance(namespace, str) or not namespace
    return (name if is_full else f"{namespace}.{name}",)


def _read(path: Path, findings: Findings) -> Document:
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"{path} cannot be read: {reason}", "name a file") from error
    document = read_document(str(path), data, findings)
    return document if document is not None else Document(str(path), "null")
