"""What a pull would do to the files of a repository, and doing it: all of it, or nothing.

A file whose schema is a version that the registry holds can be written anew: nothing is lost. One
that the registry never saw is somebody's work, and is overwritten only on demand. The result is
loaded in memory first: a pull never leaves a repository that cannot be used.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import Enum as Enumeration
from pathlib import Path as FilePath

from codegen.avro.canonical import render
from codegen.avro.schema import Enum, Fixed, Record, SchemaGraph
from codegen.avro.wording import list_names
from codegen.baselines import SNAPSHOT
from codegen.baselines.holdings import Holdings, make_histories, select_history
from codegen.baselines.registry import UNASKABLE, RegistryClient
from codegen.baselines.snapshot import write_snapshot
from codegen.contract.load import MANIFEST, load_documents
from codegen.contract.model import Contract, History
from codegen.contract.paths import choose_path
from codegen.contract.registry import uses_references
from codegen.counting import count_words
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError, Location, rule
from codegen.difference import MOST, find_differences
from codegen.editing import Edit, Insert, apply
from codegen.editing.yaml import EditRefused
from codegen.files import write_together
from codegen.pulling.topics import find_topics, make_edits
from codegen.pulling.types import (
    Pulled,
    PulledType,
    collect_types,
    is_known_version,
)
from codegen.source import Document, read_json, read_yaml

LOCAL_EDITS = rule(
    "pull/local-edits",
    "A file holds a schema that the registry never saw.",
    "Writing the registry's over it would lose somebody's work. Publish it first, or say with "
    "--force that it may be lost.",
)

_SKELETON = """\
# Which service sends and handles which event on which topic.
version: 1

registry:
  url: {url}

topics:

# A registry does not know the services: name who produces and who consumes.
services: {{}}
"""


class State(Enumeration):
    """What becomes of a file."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class PulledFile:
    """A file of the repository, by its path under the root, as the registry would have it."""

    name: str
    text: str
    state: State
    changes: tuple[str, ...] = ()
    """What becomes different in its schema, in words."""


@dataclass(frozen=True, slots=True)
class Pull:
    """What a pull does: the files, what is left out and why, and what nobody but people can say."""

    registry: str
    files: tuple[PulledFile, ...]
    left_out: Mapping[str, str]
    notes: tuple[str, ...]


def select_subjects(
    client: RegistryClient,
    contract: Contract | None,
    names: Collection[str],
    prefixes: Collection[str],
) -> list[str]:
    """The subjects to pull: those named, and those that begin with a prefix.

    With neither, those of the contract and those named after its topics and namespaces; without a
    contract, all. Raises KontraktError for a name that the registry does not hold.
    """
    listed = client.subjects()
    wanted = [*names, *prefixes]
    for text in wanted:
        is_there = text in listed if text in names else any(one.startswith(text) for one in listed)
        if not is_there:
            what = "subject" if text in names else "subject that begins with"
            raise KontraktError(f"{client.name} holds no {what} {text}", _near(text, listed))
    if wanted:
        begins = tuple(prefixes)
        return [name for name in listed if name in names or name.startswith(begins)]
    if contract is None:
        return list(listed)
    return select_history(listed, contract)


def _near(text: str, listed: Collection[str]) -> str:
    close = get_close_matches(text, listed, 3)
    return (
        f"it holds {list_names(close)}" if close else "look at all of them: kontrakt pull --dry-run"
    )


def plan_pull(
    root: FilePath,
    known: Contract | Document,
    client: RegistryClient,
    names: Collection[str],
    findings: Findings,
) -> Pull | None:
    """What pulling these subjects would do; None and findings where it cannot be done whole.

    `known` is the contract of the repository, or a manifest without topics where there is none yet.
    Raises CouldNotCheck.
    """
    contract, manifest = (None, known) if isinstance(known, Document) else (known, known.manifest)
    holdings = client.fetch(name for name in names if name not in UNASKABLE)
    histories = make_histories(holdings, holdings.subjects, "registry")
    local = _find_local(contract)
    pulled = collect_types(holdings, histories, local, findings)
    unaskable = (name for name in names if name in UNASKABLE)
    pulled.left_out |= {f'"{name}"': "no request can name this subject" for name in unaskable}
    files = _plan_schemas(root, contract, pulled, local, histories)
    listed = {subject.name for subject in contract.subjects} if contract is not None else set()
    records = {name for name, item in pulled.types.items() if isinstance(item.schema.root, Record)}
    topics = find_topics(holdings, pulled.roots, records, listed)
    edits = make_edits(topics, contract or manifest)
    if edits and contract is None and pulled.extracted:
        edits += _keep_written_out(manifest, holdings)
    if contract is None and not edits and not findings.has_errors:
        raise CouldNotCheck(
            f"{client.name} holds no event that could be pulled",
            "; ".join([*topics.notes, *(f"{name}: {why}" for name, why in pulled.left_out.items())])
            or "register one, or name another registry with --from",
        )
    text = _edit(manifest, edits)
    if findings.has_errors:
        return None
    after = _load(contract, files, text, findings)
    if after is None:
        return None
    snapshot = _write_snapshot(after, client, holdings)
    others = (
        _plan_file(root, MANIFEST, text, may_change=True),
        _plan_file(root, SNAPSHOT, snapshot, may_change=True),
    )
    notes = [*_note_old_references(holdings, pulled), *_note_levels(holdings, after)]
    notes += _note_extracted(pulled, local, after)
    return Pull(client.name, (*files, *others), pulled.left_out, (*notes, *topics.notes))


def write_pull(root: FilePath, pull: Pull) -> None:
    """Write what is new or changed, all or nothing. Raises CouldNotCheck when that fails."""
    texts = {
        root / file.name: file.text for file in pull.files if file.state is not State.UNCHANGED
    }
    try:
        write_together(texts)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"{error.filename} cannot be written: {reason}; nothing was pulled"
        raise CouldNotCheck(message, "check the folder and who may write there") from None


def report_edits(pull: Pull, findings: Findings) -> None:
    """A finding for each file with edits that would be lost."""
    for file in pull.files:
        if file.state is State.EDITED:
            findings.add(
                LOCAL_EDITS,
                Location(file.name),
                "the registry never saw this schema, and it would be lost",
                hint="publish it first: kontrakt register; or overwrite it: kontrakt pull --force",
            )


def _note_old_references(holdings: Holdings, pulled: Pulled) -> Iterator[str]:
    """The newest of each type is taken, also where somebody refers to an older version of it."""
    for name in sorted(pulled.roots):
        for reference in holdings.subjects[name].versions[-1].references:
            newest = holdings.subjects[reference.subject].versions[-1].version
            if reference.version not in (-1, newest):
                yield (
                    f"{name} refers to {reference.subject} v{reference.version}, and v{newest} "
                    "was taken: kontrakt register would bump the reference"
                )


def _note_extracted(pulled: Pulled, local: Collection[str], contract: Contract) -> Iterator[str]:
    """What becomes of types that subjects write out, and that have a file of their own now."""
    keeps = "registry.references: false in the manifest keeps it written out"
    is_referring = uses_references(contract.manifest)
    if is_referring:
        keeps = f"kontrakt register would publish it as a shared type; {keeps}"
    for name, users in sorted(pulled.extracted.items()):
        if is_referring or name not in local:
            yield (
                f"{name} is written out in {_count(users)}: it has a file of its own now, and "
                f"{keeps}"
            )


def _keep_written_out(manifest: Document, holdings: Holdings) -> tuple[Edit, ...]:
    """Say in a new manifest that schemas have no references, where none in the registry has any."""
    newest = (subject.versions[-1] for subject in holdings.subjects.values())
    if any(version.references for version in newest):
        return ()
    section = manifest.value.get("registry")
    if section is None:
        return (Insert(("registry",), {"references": False}),)
    return () if "references" in section else (Insert(("registry", "references"), False),)


def _note_levels(holdings: Holdings, contract: Contract) -> Iterator[str]:
    """A topic has one level: what the manifest states stays, and a new topic gets the strictest."""
    differing: dict[str, list[str]] = {}
    for subject in contract.subjects:
        held = holdings.subjects.get(subject.name)
        level = (held.level or holdings.level) if held is not None else None
        if level not in (None, subject.level):
            words = f"{level.value} in the registry and {subject.level.value} in the manifest"
            differing.setdefault(words, []).append(subject.name)
    for words, names in sorted(differing.items()):
        yield f"the level is {words}: {list_names(names)}"


def _count(users: Collection[str]) -> str:
    return count_words(len(set(users)), "subject")


def _find_local(contract: Contract | None) -> dict[str, tuple[str, SchemaGraph]]:
    """The file of each type that is a file's root, and its schema."""
    if contract is None:
        return {}
    return {
        root.name: (file, SchemaGraph(root, contract.types))
        for file, root in contract.schemas.items()
        if isinstance(root, Record | Enum | Fixed)
    }


def _plan_schemas(
    root: FilePath,
    contract: Contract | None,
    pulled: Pulled,
    local: Mapping[str, tuple[str, SchemaGraph]],
    histories: Mapping[str, History],
) -> tuple[PulledFile, ...]:
    taken = {name.lower() for name in contract.documents} if contract is not None else set()
    files = []
    for name, item in sorted(pulled.types.items()):
        if name in local:
            file, schema = local[name]
            files.append(_compare(file, item, schema, histories))
            continue
        path = choose_path(name, taken)
        taken.add(path.lower())
        files.append(_plan_file(root, path, item.text, may_change=False))
    return tuple(files)


def _compare(
    file: str, item: PulledType, local: SchemaGraph, histories: Mapping[str, History]
) -> PulledFile:
    # The layout is the author's: only another schema is another file.
    if render(local) == render(item.schema):
        return PulledFile(file, item.text, State.UNCHANGED)
    state = State.CHANGED if is_known_version(item, local, histories) else State.EDITED
    changes = find_differences(item.schema, local)
    return PulledFile(file, item.text, state, tuple(str(one) for one in changes[:MOST]))


def _plan_file(root: FilePath, name: str, text: str, *, may_change: bool) -> PulledFile:
    try:
        held = (root / name).read_bytes()
    except FileNotFoundError:
        return PulledFile(name, text, State.NEW)
    except OSError:
        held = b""
    other = State.CHANGED if may_change else State.EDITED
    return PulledFile(name, text, State.UNCHANGED if held == text.encode() else other)


def begin_manifest(url: str) -> Document:
    """A manifest without topics, for the registry at an address; without one, the environment's."""
    stated = json.dumps(url) if url else "${SCHEMA_REGISTRY_URL}"
    return read_yaml(MANIFEST, _SKELETON.format(url=stated))


def _edit(manifest: Document, edits: tuple[Edit, ...]) -> str:
    if not edits:
        return manifest.text
    try:
        return apply(manifest, edits)
    except EditRefused as refusal:
        hint = "add this by hand, and pull again:\n" + refusal.snippet
        raise CouldNotCheck(f"{refusal}; nothing was pulled", hint) from None


def _load(
    contract: Contract | None, files: tuple[PulledFile, ...], manifest: str, findings: Findings
) -> Contract | None:
    """The repository as it would be; None and findings when it could not be used."""
    documents = dict(contract.documents) if contract is not None else {}
    for file in files:
        if file.state is not State.UNCHANGED or file.name not in documents:
            documents[file.name] = read_json(file.name, file.text)
    found = Findings()
    after = load_documents(read_yaml(MANIFEST, manifest), documents.values(), found)
    if after is None:
        findings.items += [
            replace(item, hint=f"after the pull; {item.hint}" if item.hint else "after the pull")
            for item in found
        ]
    return after


def _write_snapshot(contract: Contract, client: RegistryClient, holdings: Holdings) -> str:
    names = select_history(client.subjects(), contract)
    is_enough = holdings.subjects.keys() >= set(names)
    return write_snapshot((holdings if is_enough else client.fetch_past(names)).restrict(names))
