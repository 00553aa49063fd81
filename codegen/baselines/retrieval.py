"""Reading many subjects of a registry, whole, with as few questions as it allows.

A registry that lists all its schemas is asked for that list, in pages, when a good part of it is
wanted; others are asked for each version, many at once. Where an answer leaves a doubt (a number
that is missing in a history, a subject that is said not to exist) it must agree with another one:
a version that was never seen could not break anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from codegen.baselines.answers import clean
from codegen.baselines.holdings import Holdings, StoredSubject, StoredVersion
from codegen.contract.model import Level
from codegen.diagnostics import CouldNotCheck
from codegen.progress import Work, work

T = TypeVar("T")
R = TypeVar("R")

CONNECTIONS = 96
"""How many requests are under way at once."""

MAX_SUBJECTS = 100_000
"""More subjects than this, references included, are not read."""

MAX_VERSIONS = 10_000
"""A subject with more live versions is not read."""

MAX_CHARACTERS = 1_000_000_000
"""More text, in all versions together, is not read."""

MANY = 16
"""From so many subjects on it pays to ask first which of them there are."""

SHARE = 4
"""The list of all schemas is read when one in so many subjects of the registry is wanted."""

SHORT = 6
"""In a history up to so many versions, each is asked for without a list of their numbers."""


class Source(Protocol):
    """What a registry is asked here. Each method may raise CouldNotCheck."""

    @property
    def name(self) -> str:
        """The address, for people."""

    def subjects(self) -> tuple[str, ...]:
        """The live subjects."""

    def listing(self) -> Mapping[str, Sequence[StoredVersion]] | None:
        """All live versions of all subjects, in order; None where the registry has no such list."""

    def versions(self, subject: str, *, deleted: bool = False) -> tuple[int, ...]:
        """The numbers of a subject's live versions, ascending; with `deleted` of all of them."""

    def find(self, subject: str, version: int, *, deleted: bool = False) -> StoredVersion | None:
        """A version, a live one unless `deleted`; -1 is the latest; None where it is not there."""

    def level(self, subject: str | None = None) -> Level | None:
        """The level of a subject of its own, or without one the level of the others."""


def retrieve(source: Source, names: Iterable[str]) -> Holdings:
    """All live versions of subjects, and of those that they refer to; absent ones left out."""
    with _questions() as pool, work(f"Reading {source.name}") as progress:
        retrieval = _Retrieval(source, pool, progress)
        wanted = sorted(set(names))
        return retrieval.run(retrieval.sift(wanted) if len(wanted) >= MANY else wanted)


def retrieve_past(source: Source, names: Iterable[str]) -> Holdings:
    """As `retrieve`, and of subjects without a live version those that are soft-deleted.

    A registry does not compare with these any more; messages that they wrote may still be there.
    Each subject that is left out was asked about by its name: a list may leave out what one may not
    see.
    """
    wanted = set(names)
    live = retrieve(source, wanted)
    absent = wanted - live.subjects.keys()
    if not absent:
        return live
    with _questions() as pool, work(f"Reading {source.name}") as progress:
        found = _Retrieval(_WithDeleted(source), pool, progress).run(sorted(absent)).subjects
    deleted = {name: replace(subject, is_deleted=True) for name, subject in found.items()}
    return replace(live, subjects=deleted | dict(live.subjects))


def ask_each(question: Callable[[T], R], items: Sequence[T], name: str) -> list[R]:
    """The answers to a question about each item, many asked at once, in the order of the items."""
    with _questions() as pool, work(name) as progress:
        return list(_ask(question, items, pool, progress))


@contextmanager
def _questions() -> Iterator[ThreadPoolExecutor]:
    # After a failure, a thousand more requests would wait for their time-outs.
    pool = ThreadPoolExecutor(CONNECTIONS, "registry")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _ask(
    question: Callable[[T], R], items: Sequence[T], pool: ThreadPoolExecutor, progress: Work
) -> Iterator[R]:
    progress.expect(len(items))
    for answer in pool.map(question, items):
        progress.advance()
        yield answer


@dataclass(frozen=True, slots=True)
class _WithDeleted:
    """A source to which soft-deleted versions are versions like the others."""

    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    def subjects(self) -> tuple[str, ...]:
        return ()  # the live ones have been asked for

    def listing(self) -> None:
        return None

    def versions(self, subject: str, *, deleted: bool = True) -> tuple[int, ...]:
        return self.source.versions(subject, deleted=deleted)

    def find(self, subject: str, version: int, *, deleted: bool = True) -> StoredVersion | None:
        if version < 0:
            version = max(self.versions(subject), default=0)
        if not version:
            return None
        found = self.source.find(subject, version, deleted=deleted)
        if found is None and version in self.versions(subject):
            # Apicurio (2.6 and 3.3) lists deleted versions, and gives none of them.
            return StoredVersion(subject, version, 0, "")
        return found

    def level(self, subject: str | None = None) -> Level | None:
        return self.source.level(subject)


class _Retrieval:
    def __init__(self, source: Source, pool: ThreadPoolExecutor, progress: Work) -> None:
        self._source = source
        self._pool = pool
        self._progress = progress
        self._subjects: frozenset[str] | None = None
        self._listing: Mapping[str, Sequence[StoredVersion]] = {}

    def run(self, wanted: list[str]) -> Holdings:
        level = self._pool.submit(self._source.level)
        found: dict[str, Sequence[StoredVersion]] = {}
        asked = set(wanted)
        waiting = wanted
        characters = 0
        while waiting:
            histories = self._read(waiting)
            found.update(histories)
            versions = [version for history in histories.values() for version in history]
            characters += sum(len(version.text) for version in versions)
            used = {item.subject for version in versions for item in version.references}
            waiting = sorted(used - asked)
            asked.update(waiting)
            if len(asked) > MAX_SUBJECTS:
                raise self._overflow(f"more than {MAX_SUBJECTS:,} subjects")
            if characters > MAX_CHARACTERS:
                raise self._overflow(f"more than {MAX_CHARACTERS:,} characters of schemas")
        self._require_absence(asked - found.keys())
        self._require_own_ids(found)
        names = sorted(found)
        subjects = {
            name: StoredSubject(name, tuple(found[name]), own)
            for name, own in zip(names, self._ask(self._source.level, names), strict=True)
        }
        return Holdings(subjects, level.result(), self._source.name)

    def _require_own_ids(self, found: Mapping[str, Sequence[StoredVersion]]) -> None:
        """Messages carry the id alone: one that stands for two schemas makes them unreadable."""
        owners: dict[tuple[str, int], StoredVersion] = {}
        for name in sorted(found):
            # Each context has ids of its own.
            context = name[: name.find(":", 2) + 1] if name.startswith(":.") else ""
            for version in found[name]:
                owner = owners.setdefault((context, version.id), version)
                if owner.text != version.text:
                    message = (
                        f"{self._source.name} has one id, {version.id}, for two schemas: "
                        f"{owner.subject} v{owner.version} and {name} v{version.version}"
                    )
                    hint = "messages carry the id alone: whoever runs the registry must mend it"
                    raise CouldNotCheck(message, hint)

    def _require_absence(self, absent: set[str]) -> None:
        """A subject that is new to the registry is none that it lists."""
        listed = sorted(absent & self._list_subjects()) if absent else []
        if listed:
            more = f" (and {len(listed) - 1:,} more)" if len(listed) > 1 else ""
            raise self._contradiction(
                f"lists the subject {clean(listed[0])}{more} and then says that there is no such"
            )

    def _list_subjects(self) -> frozenset[str]:
        if self._subjects is None:
            self._subjects = frozenset(self._source.subjects())
        return self._subjects

    def _contradiction(self, what: str) -> CouldNotCheck:
        hint = (
            "if someone deletes there at this moment, run the command again; if not, whoever runs "
            "the registry must mend it"
        )
        return CouldNotCheck(f"{self._source.name} {what}", hint)

    def sift(self, wanted: list[str]) -> list[str]:
        """Those that exist; and the list of all schemas, where it is worth its length."""
        there = self._list_subjects()
        present = [name for name in wanted if name in there]
        if len(present) * SHARE >= len(there) and len(present) >= MANY:
            self._listing = self._source.listing() or {}
        return present

    def _read(self, names: list[str]) -> dict[str, Sequence[StoredVersion]]:
        histories: dict[str, Sequence[StoredVersion]] = {
            name: self._listing[name]
            for name in names
            if name in self._listing and _is_gapless(self._listing[name])
        }
        others = [name for name in names if name not in histories]
        latest = [item for item in self._ask(self._newest, others) if item is not None]
        long = [item.subject for item in latest if item.version > SHORT]
        numbers = self._list_versions(long)
        pairs: list[tuple[str, int]] = []
        for item in latest:
            listed: Iterable[int] = numbers.get(item.subject, range(1, item.version))
            pairs += [(item.subject, number) for number in listed if number != item.version]
        alone: dict[str, list[StoredVersion]] = {item.subject: [item] for item in latest}
        if any(len(listed) > MAX_VERSIONS for listed in numbers.values()):
            raise self._overflow(f"a subject with more than {MAX_VERSIONS:,} versions")
        for version in self._ask(self._find, pairs):
            if version is not None:
                alone[version.subject].append(version)
        for history in alone.values():
            history.sort(key=lambda item: item.version)
        gaps = [name for name in alone if name not in numbers and not _is_gapless(alone[name])]
        numbers |= self._list_versions(gaps)
        for name, listed in numbers.items():
            if tuple(item.version for item in alone[name]) != listed:
                raise self._contradiction(
                    f"does not give the versions of {clean(name)} that it lists"
                )
        return histories | alone

    def _list_versions(self, names: list[str]) -> dict[str, tuple[int, ...]]:
        return dict(zip(names, self._ask(self._source.versions, names), strict=True))

    def _newest(self, subject: str) -> StoredVersion | None:
        return self._source.find(subject, -1)

    def _find(self, pair: tuple[str, int]) -> StoredVersion | None:
        return self._source.find(*pair)

    def _ask(self, question: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        return _ask(question, items, self._pool, self._progress)

    def _overflow(self, what: str) -> CouldNotCheck:
        message = f"{self._source.name} holds {what}, which is more than is read"
        return CouldNotCheck(message, "check that registry.url is the registry that is meant")


def _is_gapless(history: Sequence[StoredVersion]) -> bool:
    return [item.version for item in history] == list(range(1, len(history) + 1))
