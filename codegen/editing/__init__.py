"""How is one value of a text changed, and everything else left as it is, byte for byte?

An edit names a place by its path and says what shall stand there. Blanks, line breaks, indentation
and quotes are taken from the neighbours, so that the new text looks like the old one, and comments
stay where they are. JSON takes every edit, YAML those that insert:

    manifest = read_yaml("schemas/contracts.yaml", text)
    events = manifest.value["topics"]["orders"]["events"]
    edits = (
        Insert(("topics", "returns"), {"owner": "returns-service", "events": ["shop.Returned"]}),
        Insert(("topics", "orders", "events", len(events)), "shop.OrderLost"),
    )
    text = apply(manifest, edits)       # raises EditRefused, whose `snippet` can be pasted by hand
"""

from __future__ import annotations

from codegen.editing.edits import Edit, Enclose, Insert, Mend, Remove, Rename, Replace
from codegen.editing.json import apply_to_json
from codegen.editing.yaml import EditRefused, apply_to_yaml
from codegen.source import Document

__all__ = [
    "Edit",
    "EditRefused",
    "Enclose",
    "Insert",
    "Mend",
    "Remove",
    "Rename",
    "Replace",
    "apply",
]


def apply(document: Document, edits: tuple[Edit, ...]) -> str:
    """The text of a document with all edits made; it is YAML or JSON, as its name says.

    Raises ValueError when an edit does not fit the document: its place is missing or taken. For
    YAML that is an EditRefused, also where the new text would not hold exactly what is meant.
    """
    is_yaml = document.name.endswith((".yaml", ".yml"))
    return apply_to_yaml(document, edits) if is_yaml else apply_to_json(document, edits)
