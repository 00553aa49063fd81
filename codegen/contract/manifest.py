"""The manifest's form: schemas/contracts.yaml against its JSON Schema, in words for people.

The same JSON Schema serves editors. What the manifest means, load.py finds out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib import resources
from pathlib import Path as FilePath

from codegen.diagnostics import Finding, Findings, Related, Rule, Severity, locate, rule
from codegen.source import Document, Json, Place

WRONG_SHAPE = rule(
    "manifest/wrong-shape",
    "The manifest does not have the form that its JSON Schema states.",
    "A key that is misspelt would otherwise be a setting that silently does nothing.",
)

OLD_EDITOR_SCHEMA = rule(
    "manifest/old-editor-schema",
    "The JSON Schema that editors read beside the manifest is not that of this kontrakt.",
    "The editor would mark keys that are right as wrong, and say nothing of keys that kontrakt "
    "does not take. The commands do not read the file.",
    severity=Severity.NOTE,
)

EDITOR_SCHEMA = "contracts.schema.json"
"""The manifest's JSON Schema, beside it, where editors find it without a network."""


_HOW_TO_BEGIN = "name at least one, with its events, or take them from the registry: kontrakt pull"


@cache
def manifest_schema() -> Mapping[str, Json]:
    """The JSON Schema (draft 2020-12) of the manifest."""
    text = resources.files("codegen.contract").joinpath("manifest.schema.json").read_text("utf-8")
    schema: dict[str, Json] = json.loads(text)
    return schema


def has_topics(manifest: Document) -> bool:
    """Whether there is a topic in it: without one it can only say where the registry is."""
    return not isinstance(manifest.value, dict) or bool(manifest.value.get("topics"))


def write_editor_schema() -> str:
    """The text of the file that editors read."""
    return json.dumps(manifest_schema(), indent=2) + "\n"


def check_editor_schema(root: FilePath, findings: Findings) -> None:
    """Report a file for editors that another version of kontrakt has written."""
    name = f"schemas/{EDITOR_SCHEMA}"
    try:
        text = (root / name).read_text("utf-8", "replace")
    except OSError:
        return
    if text != write_editor_schema():
        message = "editors check the manifest by the schema of another version of kontrakt"
        hint = "write it anew: kontrakt init --editor-schema"
        findings.add(OLD_EDITOR_SCHEMA, Place(Document(name, text)), message, hint=hint)


def check_shape(manifest: Document, findings: Findings, *, needs_topics: bool = True) -> bool:
    """Report all that is wrong with the manifest's form; True when nothing is."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - 70 ms for those who need it

    if manifest.value is None:
        message = "the manifest is empty"
        findings.add(WRONG_SHAPE, Place(manifest), message, hint='begin with "version: 1"')
        return False
    schema, value = manifest_schema(), manifest.value
    if not needs_topics and not has_topics(manifest):
        schema = {**schema, "required": [key for key in schema["required"] if key != "topics"]}
        value = {key: item for key, item in value.items() if key != "topics"}
    errors = list(Draft202012Validator(schema).iter_errors(value))
    found = Findings()
    for error in errors:
        report_misfit(error, Place(manifest), WRONG_SHAPE, found)
    findings.items += map(hide_secrets, found)
    return not errors


def hide_secrets(finding: Finding) -> Finding:
    """The finding, without its line where it is about `registry`: that may hold a password."""
    if finding.location.path[:1] != ("registry",):
        return finding
    return replace(finding, location=replace(finding.location, excerpt=""))


def report_misfit(error: Json, base: Place, broken: Rule, findings: Findings) -> None:
    """Put a jsonschema ValidationError, whose attributes have no useful types, into words.

    `base` is where the value stands that was validated.
    """
    place = base.at(*error.absolute_path)
    value = error.instance
    # What stands in `registry` may be a secret, in whichever key it was put by mistake.
    shown = "this value" if place.path[:1] == ("registry",) else _show(value)
    match error.validator:
        case "additionalProperties":
            known = sorted(error.schema.get("properties", {}))
            for key in sorted(set(value) - set(known), key=str):
                findings.add(
                    broken,
                    place.at(key, on_key=True),
                    f'unknown key "{key}"',
                    hint=_did_you_mean(key, known),
                )
        case "required":
            missing = [key for key in error.validator_value if key not in value]
            keys = " and ".join(f'"{key}"' for key in missing)
            where = replace(place, on_key=bool(place.path))
            hint = _HOW_TO_BEGIN if missing == ["topics"] else ""
            findings.add(broken, where, f"{keys} is missing here", hint=hint)
        case "enum" | "const":
            allowed = (
                error.validator_value if error.validator == "enum" else [error.validator_value]
            )
            words = [str(item) for item in allowed]
            findings.add(
                broken,
                place,
                f"{shown} is not {'one of ' if words[1:] else ''}{', '.join(words)}",
                hint=_did_you_mean(str(value).upper() if words[0].isupper() else str(value), words),
            )
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            owner, hint = _NAMED.get(str(place.path[-1]) if place.path else "", ("this", ""))
            message = f"{shown} cannot be the name of {owner}"
            findings.add(broken, place.at(str(value), on_key=True), message, hint=hint)
        case "pattern":
            hint = error.schema.get("description", "")
            findings.add(broken, place, f"{shown} does not have the right form", hint=hint)
        case "type":
            wanted = error.validator_value
            wanted = " or ".join(wanted) if isinstance(wanted, list) else wanted
            is_bare = wanted == "string" and isinstance(value, int | float)
            hint = "put it in quotes" if is_bare else ""
            findings.add(broken, place, f"{shown} is not of the type {wanted}", hint=hint)
        case "uniqueItems":
            for first, again in _repeated(value):
                findings.add(
                    broken,
                    place.at(again),
                    f"{_show(value[again])} stands twice in this list",
                    hint="keep one",
                    related=(Related("first here", location=locate(place.at(first))),),
                )
        case "minItems":
            findings.add(broken, place, "this list is empty")
        case "minProperties":
            findings.add(broken, place, "there is nothing in here", hint=_HOW_TO_BEGIN)
        case "anyOf" if isinstance(value, dict):
            inner = [item for item in error.context or () if item.schema_path[0] == 1]
            for item in inner:
                report_misfit(item, base, broken, findings)
        case _:
            hint = error.schema.get("description", "")
            findings.add(broken, place, f"{shown} does not fit here", hint=hint)


_NAMED = {
    "topics": ("a topic", "use letters, digits, ., - and _, at most 249 of them"),
    "services": ("a service", "use letters, digits, - and _, at most 100, no - or _ first"),
    "headers": ("a header", "use letters, digits and -"),
}
"""What the keys of an object are names of, and what such a name may hold."""


def _repeated(items: list[Json]) -> Iterator[tuple[int, int]]:
    """The positions of each item that stood before, its first one before its own."""
    first: dict[str, int] = {}
    for index, item in enumerate(items):
        before = first.setdefault(json.dumps(item, sort_keys=True, default=str), index)
        if before != index:
            yield before, index


def _show(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 40 else text[:37] + "..."


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = get_close_matches(word, names, 1)
    if near:
        return f'did you mean "{near[0]}"?'
    return f"known here: {', '.join(names)}" if names else ""
