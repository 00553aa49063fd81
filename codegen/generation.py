"""From a contract to the files under generated/: which differ, why, and how they are written.

Rendering is pure. The lock file, generated/kontrakt.lock, holds the hash of each file as it was
written, so a file that a person changed is told from one that the contract has outgrown. Only what
the lock names is ever deleted, and a person's change is never overwritten without being told to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from codegen.avro.canonical import render
from codegen.baselines import SNAPSHOT
from codegen.baselines.snapshot import SnapshotBaseline
from codegen.contract.manifest import report_misfit
from codegen.contract.model import Contract, Service
from codegen.diagnostics import CouldNotCheck, Findings, KontraktError, Location, Severity, rule
from codegen.files import write_atomically
from codegen.lock import LOCK_NAME, LOCK_VERSION, fingerprint, hash_text, read_lock
from codegen.source import Json, Place
from codegen.targets import Target

NOT_FRESH = rule(
    "generate/not-fresh",
    "A generated file is not what the contract generates now.",
    "Stubs that lag behind their contract read and write what nobody reviewed. Generate them "
    "again, and commit them together with the schemas.",
)
UNKNOWN_TARGET = rule(
    "generate/unknown-target",
    "The manifest names a target that does not exist.",
    "Nothing would be generated for it, and nobody would notice.",
)
WRONG_OPTION = rule(
    "generate/wrong-option",
    "An option of a target is unknown, or has the wrong form.",
    "A misspelt option would silently do nothing, and the stubs would not be what was asked for.",
)


UNTESTED_EVENT = rule(
    "generate/untested-event",
    "No samples, or not all, could be made of an event, so generated tests leave it out.",
    "Generated tests hold each codec to bytes that another implementation wrote. Where that one "
    "refuses a schema, the codec is generated all the same, and nothing but itself proves it "
    "right.",
    severity=Severity.NOTE,
)


NAMED_FILES = 5
"""So many files are named in one finding; the rest are counted."""


class State(Enum):
    """How a file under generated/ stands to what the contract generates now."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    """It is as it was written last, and would be written otherwise now."""
    MISSING = "missing"
    STALE = "stale"
    """It is as it was written last, and would not be written any more."""
    EDITED = "edited"
    """It is not as it was written last: somebody changed it by hand, or wrote it."""
    ORPHAN = "orphan"
    """It lies in a generated folder, and was not generated."""


@dataclass(frozen=True, slots=True)
class Output:
    """One service's files for one target, by their path under generated/."""

    service: str
    target: str
    folder: str
    files: Mapping[str, str]
    event_count: int


@dataclass(frozen=True, slots=True)
class FileState:
    """One file under generated/, whose it is, and how it stands."""

    path: str
    state: State
    text: str | None
    """What it should hold; None for what should not be there."""
    actual: str | None
    """What it holds; None where it is missing or is no text."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything under generated/ beside what should be there."""

    folder: Path
    outputs: tuple[Output, ...]
    states: tuple[FileState, ...]
    lock_text: str
    is_lock_fresh: bool

    @property
    def is_fresh(self) -> bool:
        """Whether generating now would change nothing, and nothing foreign lies about."""
        return not self.count_not_fresh()

    def count_not_fresh(self) -> int:
        """How many files, the lock included, are not what they should be."""
        differing = sum(one.state is not State.UNCHANGED for one in self.states)
        return differing + (not self.is_lock_fresh)

    def by_folder(self) -> Mapping[str, Sequence[FileState]]:
        """The files of each service's target by their folder, those without an output last."""
        folders: dict[str, list[FileState]] = {output.folder: [] for output in self.outputs}
        for one in self.states:
            folders.setdefault(_folder_of(one.path), []).append(one)
        return folders


def recall(contract: Contract, root: Path) -> Contract:
    """The contract with the past that the repository's snapshot holds, if it has one.

    Generated stubs read what older versions wrote, and the same files must give the same stubs, so
    nothing else is asked. Raises CouldNotCheck for a snapshot that is none.
    """
    if not (root / SNAPSHOT).exists():
        return contract
    snapshot = SnapshotBaseline(root / SNAPSHOT, SNAPSHOT)
    return replace(contract, histories=snapshot.histories(contract))


def generate(
    contract: Contract, targets: Mapping[str, Target], findings: Findings
) -> tuple[Output, ...]:
    """Render every service's targets; what cannot be rendered becomes a finding."""
    outputs = []
    for service in contract.services:
        for name, options in sorted(service.targets.items()):
            place = service.origin.at("targets", name, on_key=True)
            if name not in targets:
                hint = f"known targets: {', '.join(sorted(targets))}"
                findings.add(UNKNOWN_TARGET, place, f'there is no target "{name}"', hint=hint)
                continue
            target = targets[name]
            if _has_wrong_options(target, options, service.origin.at("targets", name), findings):
                continue
            folder = f"{service.name}/{name}"
            rendered = target.files(service, contract, options)
            files = {_safe_path(folder, file.path): file.text for file in rendered}
            for event, reason in (one for file in rendered for one in file.untested):
                _report_untested(event, reason, contract, findings)
            events = {event.name for event in (*service.produces, *service.consumes)}
            outputs.append(Output(service.name, name, folder, files, len(events)))
    return tuple(outputs)


def _report_untested(event: str, reason: str, contract: Contract, findings: Findings) -> None:
    findings.add(
        UNTESTED_EVENT,
        contract.types[event].origin.at("name"),
        f"generated tests lack samples of {event}: {reason}",
        hint="test what you write and read of it yourself",
    )


def compare(contract: Contract, outputs: tuple[Output, ...], folder: Path) -> Comparison:
    """Compare what is rendered with what lies in the folder. Writes nothing.

    Raises CouldNotCheck when the lock or a file cannot be read.
    """
    locked = read_lock(folder / LOCK_NAME).files
    expected = {path: text for output in outputs for path, text in output.files.items()}
    present = set(_files_in(folder, {output.folder for output in outputs} | _folders(locked)))
    states = [
        _state(folder, path, expected.get(path), locked.get(path))
        for path in sorted(expected.keys() | present | (locked.keys() & _existing(folder, locked)))
    ]
    lock_text = render_lock(contract, outputs)
    return Comparison(
        folder,
        outputs,
        tuple(states),
        lock_text,
        _read_text(folder / LOCK_NAME) == lock_text,
    )


def write(comparison: Comparison, *, force: bool = False) -> None:
    """Make the folder what the contract generates: each file at once or not at all, the lock last.

    Stale files are deleted, orphans are left alone. Raises KontraktError, before anything is
    written, when a file was edited by hand and `force` is not given.
    """
    edited = [one.path for one in comparison.states if one.state is State.EDITED]
    if edited and not force:
        raise KontraktError(
            f"edited by hand, and not overwritten: {', '.join(edited)}",
            "move your change into the schema or your own code, or give --force to lose it",
        )
    try:
        _refuse_links(comparison)
        for one in comparison.states:
            path = comparison.folder / one.path
            if one.text is not None and one.state is not State.UNCHANGED:
                write_atomically(path, one.text)
            elif one.text is None and one.state in (State.STALE, State.EDITED):
                path.unlink()
                _remove_empty_folders(path.parent, comparison.folder)
        if not comparison.is_lock_fresh:
            write_atomically(comparison.folder / LOCK_NAME, comparison.lock_text)
    except OSError as error:
        name = error.filename or comparison.folder
        raise KontraktError(
            f"{name} cannot be written: {error.strerror}", "see who may write there, and try again"
        ) from None


def report_states(comparison: Comparison, findings: Findings, prefix: str) -> None:
    """What is not as it should be: a finding for each folder, its subject, and state.

    `prefix` leads the names.

    A tool of another version changes every file of every service, and nobody reads a finding for
    each of them.
    """
    for folder, states in comparison.by_folder().items():
        subject = f"{prefix}/{folder}"
        for state, (one, many, hint) in _REPORTED.items():
            paths = [found.path for found in states if found.state is state]
            if len(paths) == 1:
                where = Location(f"{prefix}/{paths[0]}")
                text = f"{state.value}: this file {one}"
                findings.add(NOT_FRESH, where, text, hint=hint, subject=subject)
            elif paths:
                names = [path.removeprefix(f"{folder}/") for path in paths[:NAMED_FILES]]
                more = [f"{len(paths) - len(names)} more"] if len(paths) > len(names) else []
                text = f"{state.value}: {len(paths)} files {many}: {', '.join(names + more)}"
                findings.add(NOT_FRESH, Location(subject), text, hint=hint, subject=subject)
    if not comparison.is_lock_fresh:
        message = "changed: the lock is out of date"
        where = Location(f"{prefix}/{LOCK_NAME}")
        findings.add(NOT_FRESH, where, message, hint="run kontrakt generate")


_REPORTED = {
    State.CHANGED: ("is out of date", "are out of date", "run kontrakt generate"),
    State.MISSING: ("is missing", "are missing", "run kontrakt generate"),
    State.STALE: (
        "is not generated any more",
        "are not generated any more",
        "run kontrakt generate, which deletes what it wrote",
    ),
    State.EDITED: (
        "was edited by hand",
        "were edited by hand",
        "undo it, or run kontrakt generate --force to lose the change",
    ),
    State.ORPHAN: (
        "is not a generated file",
        "are not generated files",
        "delete what is left over, or move it out of the generated folder",
    ),
}
"""What is said of one file, of several, and what to do; in the order in which it is told."""


def render_lock(contract: Contract, outputs: Iterable[Output]) -> str:
    """The lock: what each service was generated from, and the hash of each file.

    `schemas` holds each event's schema, whole, under its fingerprint, so that it stays known which
    schema a service was built with.
    """
    schemas: dict[str, Json] = {}
    services: dict[str, Json] = {}
    by_name = {service.name: service for service in contract.services}
    for output in outputs:
        entry = services.setdefault(output.service, {})
        entry[output.target] = {
            "events": _pinned_events(by_name[output.service], schemas),
            "files": {path: hash_text(text) for path, text in sorted(output.files.items())},
        }
    value = {
        "version": LOCK_VERSION,
        "services": dict(sorted(services.items())),
        "schemas": dict(sorted(schemas.items())),
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _pinned_events(service: Service, schemas: dict[str, Json]) -> dict[str, str]:
    pinned: dict[str, str] = {}
    for event in (*service.produces, *service.consumes):
        text = render(event.schema, inline=True)
        key = fingerprint(text)
        schemas[key] = json.loads(text)
        pinned[event.subject] = key
    return dict(sorted(pinned.items()))


def _has_wrong_options(
    target: Target, options: Mapping[str, Json], place: Place, findings: Findings
) -> bool:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    errors = list(Draft202012Validator(target.options_schema).iter_errors(dict(options)))
    for error in errors:
        report_misfit(error, place, WRONG_OPTION, findings)
    return bool(errors)


def _safe_path(folder: str, path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"a target wants to write {path!r}, outside its folder")
    return f"{folder}/{pure}"


def _state(folder: Path, path: str, expected: str | None, locked: str | None) -> FileState:
    actual = _read_text(folder / path)
    if actual is None and not (folder / path).exists():
        return FileState(path, State.MISSING, expected, None)
    if expected is not None and actual == expected:
        state = State.UNCHANGED
    elif locked is None:
        state = State.ORPHAN if expected is None else State.EDITED
    elif actual is None or hash_text(actual) != locked:
        state = State.EDITED
    else:
        state = State.STALE if expected is None else State.CHANGED
    return FileState(path, state, expected, actual)


def _read_text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError, IsADirectoryError, NotADirectoryError):
        return None
    except OSError as error:
        raise CouldNotCheck(f"{path} cannot be read: {error.strerror}") from None


def _folders(locked: Mapping[str, str]) -> set[str]:
    return {_folder_of(path) for path in locked if _is_inside(path)}


def _folder_of(path: str) -> str:
    return "/".join(PurePosixPath(path).parts[:2])


def _existing(folder: Path, locked: Mapping[str, str]) -> set[str]:
    return {path for path in locked if _is_inside(path) and (folder / path).exists()}


def _is_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and len(pure.parts) > 2


def _files_in(root: Path, folders: Iterable[str]) -> Iterable[str]:
    for folder in sorted(folders):
        for parent, inner, names in os.walk(root / folder):
            inner[:] = [name for name in inner if not _is_ignored(name)]
            for name in names:
                if not _is_ignored(name):
                    yield Path(parent, name).relative_to(root).as_posix()


def _is_ignored(name: str) -> bool:
    """What tools leave behind in a package folder, and nobody means as part of it."""
    return name.startswith(".") or name in ("__pycache__", "build") or name.endswith(".egg-info")


def _refuse_links(comparison: Comparison) -> None:
    inside = comparison.folder.resolve()
    for one in comparison.states:
        path = comparison.folder / one.path
        if path.is_symlink() or not path.parent.resolve().is_relative_to(inside):
            raise KontraktError(
                f"{path} is a symbolic link, or lies behind one",
                "generated files are written in place only; remove the link",
            )


def _remove_empty_folders(folder: Path, stop: Path) -> None:
    while folder != stop and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
