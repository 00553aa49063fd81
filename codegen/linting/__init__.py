"""Is what people wrote good? The findings of all lint rules, as the repository wants them judged.

Lint speaks about each file that could be read, also where others, or the manifest, could not. What
keeps a file from being read is reported with the rest, and no setting takes it away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from itertools import pairwise

from codegen.contract.lint import Ignore, LintSettings
from codegen.contract.load import Repository
from codegen.diagnostics import (
    Finding,
    Findings,
    Severity,
    override_severities,
    rule,
)
from codegen.rules.lint import inspect
from codegen.source import Document, Json, Path, Place

UNKNOWN_RULE = rule(
    "lint/unknown-rule",
    "The manifest names a rule that does not exist.",
    "A severity or an ignore for a rule that is misspelt does nothing, and whoever wrote it "
    "believes that it does.",
    severity=Severity.WARNING,
)
UNUSED_IGNORE = rule(
    "lint/unused-ignore",
    "An ignore of the manifest fits no finding.",
    "What it spoke of was mended or moved. It would hide the next finding of its kind, for a "
    "reason that was given for another one.",
    severity=Severity.WARNING,
)


UNUSED_PATH = rule(
    "lint/unused-path",
    "A path under lint.paths fits no file.",
    "The files were moved or the pattern is misspelt: it is matched with the whole name from the "
    "root of the repository, for example schemas/legacy/*. The severities under it do nothing, "
    "and whoever wrote them believes that they do.",
    severity=Severity.WARNING,
)


@dataclass(frozen=True, slots=True)
class Linting:
    """What lint found, and in which files.

    `failures` are what kept something from being read; no setting and no baseline hides them.
    `ignored` and `accepted` count the findings that the manifest and a baseline took away, `files`
    are those that could be read, the manifest included, by name.
    """

    failures: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    files: Mapping[str, Document]
    ignored: int = 0
    accepted: int = 0


def lint(repository: Repository, loading: Iterable[Finding] = ()) -> Linting:
    """Lint a repository; `loading` is what was found while it was read."""
    settings = repository.lint
    failures = [one for one in loading if one.severity is Severity.ERROR]
    found = Findings([one for one in loading if one.severity is not Severity.ERROR])
    inspect(repository, found)
    files = dict(repository.documents)
    if repository.manifest is not None:
        files[repository.manifest.name] = repository.manifest
    judged = override_severities(found, settings.severities)
    kept, unused = _apply_ignores(judged, settings.ignores, files)
    about = Findings()
    if repository.manifest is not None:
        _check_names(repository.manifest, settings, about)
        # A file that cannot be read is there all the same.
        names = {*files, *(one.location.file for one in failures)}
        _check_paths(repository.manifest, settings, names, about)
    # What cannot be read has no findings, so an ignore may be waiting for them.
    if not failures:
        _report_unused(unused, about)
    words = override_severities(about, settings.severities)
    return Linting(tuple(failures), (*kept, *words), files, len(judged) - len(kept))


def _apply_ignores(
    findings: Iterable[Finding], ignores: tuple[Ignore, ...], files: Mapping[str, Document]
) -> tuple[list[Finding], list[Ignore]]:
    """The findings that no ignore fits, and the ignores that fit no finding."""
    used: set[Place] = set()
    kept = []
    for item in findings:
        fitting = [ignore.origin for ignore in ignores if _fits(ignore, item, files)]
        used.update(fitting)
        if not fitting:
            kept.append(item)
    return kept, [ignore for ignore in ignores if ignore.origin not in used]


def _fits(ignore: Ignore, item: Finding, files: Mapping[str, Document]) -> bool:
    if not fnmatchcase(item.rule.id, ignore.rule):
        return False
    where = item.location.file
    if not fnmatchcase(where, ignore.path) or not fnmatchcase(item.subject, ignore.name):
        return False
    return ignore.field == "*" or fnmatchcase(_field(item, files), ignore.field)


def _field(item: Finding, files: Mapping[str, Document]) -> str:
    """The name of the innermost field that a finding is about; nothing where it is about none."""
    path, names = item.location.path, name_path(item, files)
    fields = [
        name
        for (before, step), name in zip(pairwise(path), names[1:], strict=True)
        if before == "fields" and isinstance(step, int)
    ]
    return fields[-1] if fields else ""


def name_path(item: Finding, files: Mapping[str, Document]) -> tuple[str, ...]:
    """Where a finding stands in its file, in names: they stay the same when others come or go.

    In the place of an index is the name of what stands there, where it has one.
    """
    document = files.get(item.location.file)
    return tuple(_name_steps(document.value if document else None, item.location.path))


def _name_steps(value: Json, path: Path) -> Iterator[str]:
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        name = value.get("name") if isinstance(value, dict) else value
        yield name if isinstance(step, int) and isinstance(name, str) else str(step)


def _check_names(manifest: Document, settings: LintSettings, findings: Findings) -> None:
    """Report what stands for a rule under `lint`, and for no rule there is."""
    place = Place(manifest, ("lint",))
    severities = settings.severities
    named = [(name, place.at("severity", name, on_key=True)) for name in severities.everywhere]
    for path, words in severities.paths.items():
        named += [(name, place.at("paths", path, name, on_key=True)) for name in words]
    named += [(ignore.rule, ignore.origin.at("rule")) for ignore in settings.ignores]
    if not named:
        return
    from codegen.rules import all_rules  # noqa: PLC0415 - most repositories name none

    rules = all_rules()
    for name, where in named:
        if not any(fnmatchcase(one, name) for one in rules):
            near = get_close_matches(name, rules, 1)
            hint = f'did you mean "{near[0]}"?' if near else "kontrakt rules lists all rules"
            findings.add(UNKNOWN_RULE, where, f"no rule is called {name}", hint=hint)


def _check_paths(
    manifest: Document, settings: LintSettings, files: Iterable[str], findings: Findings
) -> None:
    """Report the paths that no file has."""
    names = tuple(files)
    for pattern in settings.severities.paths:
        if not any(fnmatchcase(name, pattern) for name in names):
            place = Place(manifest, ("lint", "paths")).at(pattern, on_key=True)
            folder = pattern.rstrip("/")
            meant = (f"{folder}/*", f"schemas/{pattern}", f"schemas/{folder}/*", f"*/{pattern}")
            fitting = (one for one in meant if any(fnmatchcase(name, one) for name in names))
            near = next(fitting, "")
            hint = f"did you mean {near}?" if near else "remove it"
            findings.add(UNUSED_PATH, place, f"{pattern} fits no file", hint=hint)


def _report_unused(ignores: Iterable[Ignore], findings: Findings) -> None:
    for ignore in ignores:
        message = f"this ignore of {ignore.rule} fits no finding"
        findings.add(UNUSED_IGNORE, ignore.origin, message, hint="remove it")


def only_in(linting: Linting, names: Iterable[str]) -> Linting:
    """The part about some files and folders, each named as it lies under the root."""
    wanted = tuple(names)

    def is_wanted(name: str) -> bool:
        return any(one in (".", name) or name.startswith(f"{one}/") for one in wanted)

    return replace(
        linting,
        failures=tuple(one for one in linting.failures if is_wanted(one.location.file)),
        findings=tuple(one for one in linting.findings if is_wanted(one.location.file)),
        files={name: one for name, one in linting.files.items() if is_wanted(name)},
    )
