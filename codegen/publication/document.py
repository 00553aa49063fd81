"""A plan as a file: for a reviewer to read, and to be applied as it was reviewed.

The same repository and registry give the same bytes: no time, no credentials. What is applied
never comes from the file. The plan is made anew from the files and the registry, and applied when
the two say the same; steps that were done since, by an application that was interrupted, are no
difference. plan.schema.json states the form.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from codegen.baselines.holdings import write_json
from codegen.diagnostics import CouldNotCheck, Findings, Location, rule
from codegen.files import write_atomically
from codegen.publication.application import OUT_OF_DATE
from codegen.publication.planning import Action, Plan, Step, write_text
from codegen.source import Document, Json, Place, SourceError, read_json

FORMAT = 1
"""The version of the file format that is written, and the only one that is read."""

MAX_CHARACTERS = 200_000_000
"""A longer plan is refused."""

UNREADABLE = rule(
    "plan/unreadable",
    "A plan is not JSON.",
    "Half of a plan is no plan: a file that was cut off says nothing of the steps it lost.",
)
WRONG_SHAPE = rule(
    "plan/wrong-shape",
    "A plan is not as kontrakt wrote it.",
    "A plan that was edited is not what kontrakt would do. Change the schemas or the manifest, and "
    "make the plan anew.",
)
OTHER_REGISTRY = rule(
    "plan/other-registry",
    "A plan was made for another registry.",
    "The same subjects may hold something else there, so a review for one says nothing of the "
    "other. Each registry has a plan of its own.",
)

_ANEW = "make it anew: kontrakt register --plan FILE"


def write_plan(plan: Plan) -> str:
    """The text of a plan: the same plan gives the same bytes."""
    value: dict[str, Json] = {
        "version": FORMAT,
        "registry": plan.registry,
        "steps": [_write_step(step) for step in plan.changes],
        "unchanged": {
            step.subject.name: {"version": step.version, "id": step.id}
            for step in sorted(plan.steps, key=lambda step: step.subject.name)
            if not step.changes_anything
        },
    }
    return write_json({**value, "digest": _digest(value)}) + "\n"


def save_plan(file: FilePath, plan: Plan) -> None:
    """Write a plan, whole or not at all. Raises CouldNotCheck when that cannot be done."""
    try:
        write_atomically(file, write_plan(plan))
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"the plan {file} cannot be written: {reason}"
        raise CouldNotCheck(message, "check the folder and who may write there") from None


def read_plan(file: FilePath, findings: Findings) -> Document | None:
    """Read a plan; None and a finding for one that kontrakt did not write like this.

    Raises CouldNotCheck for a file that cannot be read.
    """
    name = file.as_posix()
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"the plan {name} cannot be read: {reason}", _ANEW) from None
    except UnicodeDecodeError:
        findings.add(UNREADABLE, Location(name), "the plan is not UTF-8", hint=_ANEW)
        return None
    try:
        document = read_json(name, text, longest=MAX_CHARACTERS)
    except SourceError as error:
        findings.add_source_error(UNREADABLE, error, _ANEW)
        return None
    value = document.value
    if not isinstance(value, dict) or "digest" not in value:
        findings.add(WRONG_SHAPE, Place(document), "this is no plan of kontrakt", hint=_ANEW)
    elif value.get("version") != FORMAT or isinstance(value["version"], bool):
        found = value.get("version")
        newer = isinstance(found, int) and found > FORMAT
        findings.add(
            WRONG_SHAPE,
            Place(document, ("version",) if "version" in value else ()),
            f"the format version is not {FORMAT}",
            hint="a newer kontrakt wrote it: update this one" if newer else _ANEW,
        )
    elif value["digest"] != _digest({key: value[key] for key in value if key != "digest"}):
        message = "the plan was edited or damaged since kontrakt wrote it"
        hint = f"change the schemas or the manifest, and {_ANEW}"
        findings.add(WRONG_SHAPE, Place(document, ("digest",)), message, hint=hint)
    elif not _has_the_form(value):
        message = "the plan does not have the form that plan.schema.json states"
        findings.add(WRONG_SHAPE, Place(document), message, hint=_ANEW)
    else:
        return document
    return None


def _has_the_form(value: Json) -> bool:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = FilePath(__file__).with_name("plan.schema.json").read_text("utf-8")
    return bool(Draft202012Validator(json.loads(schema)).is_valid(value))


def compare_plan(document: Document, plan: Plan, findings: Findings) -> None:
    """Find what a plan that was read says otherwise than the one that was made now."""
    value = document.value
    place = Place(document)
    if value["registry"] != plan.registry:
        message = f"the plan was made for {value['registry']}, and this is {plan.registry}"
        hint = "name the registry with --to, or make a plan for this one"
        findings.add(OTHER_REGISTRY, place.at("registry"), message, hint=hint)
        return
    planned: dict[str, tuple[Place, Mapping[str, Json]]] = {
        step["subject"]: (place.at("steps", index), step)
        for index, step in enumerate(value["steps"])
    }
    for name, entry in value["unchanged"].items():
        planned[name] = (place.at("unchanged", name), entry)
    for step in plan.steps:
        name = step.subject.name
        where, entry = planned.pop(name, (place, None))
        if problems := tuple(_differences(step, entry)):
            message = f"{name}: {'; '.join(problems)}"
            hint = f"look again, and {_ANEW}"
            findings.add(OUT_OF_DATE, where, message, hint=hint, subject=name)
    for name, (where, _) in planned.items():
        message = f"{name}: the files do not have this subject any more"
        findings.add(OUT_OF_DATE, where, message, hint=f"look again, and {_ANEW}", subject=name)


def _differences(step: Step, entry: Mapping[str, Json] | None) -> Iterator[str]:
    """What has moved on since an entry of a plan was written; progress along it is none."""
    if entry is None:
        yield "the files have this subject now, and the plan does not"
        return
    if "action" not in entry:
        if step.version == entry["version"] and not step.changes_anything:
            return
        yield (
            f"the registry is at v{step.latest} now, and holds something else"
            if step.latest != entry["version"]
            else f"the manifest or the registry has another level ({_levels(step)})"
            if step.action is Action.UNCHANGED
            else f"the files hold something else than v{entry['version']}"
        )
        return
    now = _write_step(step)
    yield from _moved_files(now, entry, step)
    before = entry["after"]["version"] if entry["after"] else 0
    latest = (before, entry["version"]) if step.action is Action.UNCHANGED else (before,)
    if step.latest not in latest:
        is_at = f"at v{step.latest}" if step.latest else "empty"
        was = f"at v{before}" if before else "empty"
        yield f"the subject is {is_at} in the registry now; it was {was}"
    elif now["version"] != entry["version"]:
        yield f"the next version is v{now['version']} now; it was v{entry['version']}"
    if now["level"]["before"] not in entry["level"].values():
        yield f"the registry has the level {now['level']['before']} now"


def _moved_files(now: Mapping[str, Json], entry: Mapping[str, Json], step: Step) -> Iterator[str]:
    if any(now.get(key) != entry.get(key) for key in ("schema", "text")):
        yield "the files hold another schema"
    if now["level"]["after"] != entry["level"]["after"]:
        yield f"the manifest has the level {now['level']['after']}"
    if now["references"] != entry["references"]:
        yield "its references are to other versions now"
    if step.action is Action.REGISTER and now.get("metadata") != entry.get("metadata"):
        yield "its metadata would be other ones"


def _levels(step: Step) -> str:
    return f"{step.subject.level.value} and {step.level.value if step.level else 'none'}"


def _write_step(step: Step) -> dict[str, Json]:
    text = write_text(step.subject)
    value: dict[str, Json] = {
        "subject": step.subject.name,
        "action": "register" if step.action is Action.REGISTER else "set level",
        "changes": list(step.changes),
        "version": step.version,
        "after": {"version": step.latest, "id": step.latest_id} if step.latest else None,
        "level": {
            "before": step.level.value if step.level is not None else None,
            "after": step.subject.level.value,
        },
        "references": [
            {"name": item.name, "subject": item.subject, "version": item.version}
            for item in step.references
        ],
    }
    if step.metadata is not None:
        value["metadata"] = dict(step.metadata)
    schema = read_json("", text).value
    # Where JSON would not come out as it went in, the text itself is what was reviewed.
    is_same = json.dumps(schema, separators=(",", ":"), ensure_ascii=False) == text
    value["schema" if is_same else "text"] = schema if is_same else text
    return value


def _digest(value: Mapping[str, Json]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
