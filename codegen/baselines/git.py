"""The past of a contract as a git revision holds it.

One `git cat-file --batch` answers everything: it resolves the revision, walks the trees and reads
the files, so nothing that a user or a repository names is ever an argument, an option or a shell
word. The project may be any folder of the repository, and may have had another place in the past.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath
from posixpath import dirname, join, normpath
from typing import IO

from codegen.baselines.directory import Past, PastFiles, check_count, check_size
from codegen.contract.load import MANIFEST
from codegen.contract.model import Contract, History
from codegen.diagnostics import CouldNotCheck, Findings
from codegen.lock import LOCK_FILE, Lock

MAX_ENTRIES = 500_000
"""A revision with more files and folders than this is not searched."""

_TREE, _LINK, _SUBMODULE = "40000", "120000", "160000"


class GitBaseline:
    """The past of a contract as one revision of its repository holds it."""

    def __init__(self, root: FilePath, revision: str) -> None:
        self._root = root
        self._revision = revision
        self._repository = _find_repository(root)
        with _open_objects(self._repository) as objects:
            self._commit = _resolve(objects, self._repository, revision)

    @property
    def name(self) -> str:
        """`git`, the revision, and the commit that it means now."""
        return f"git {self._shown}"

    @property
    def _shown(self) -> str:
        if not self._commit:
            return f"{self._revision} (no commit yet)"
        short = self._commit[:7]
        return short if self._commit.startswith(self._revision) else f"{self._revision}@{short}"

    def histories(self, contract: Contract) -> Mapping[str, History]:
        """One version of each subject that the revision holds. Raises CouldNotCheck."""
        return {} if self._past is None else self._past.histories(contract)

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The subjects of the revision's own manifest that the contract lacks; see Archive."""
        return {} if self._past is None else self._past.departed(contract)

    def contract(self, findings: Findings) -> Contract | None:
        """The contract that the revision states; see Repository."""
        return None if self._past is None else self._past.contract(findings)

    def lock(self) -> Lock | None:
        """What services were generated from in the revision; see Repository."""
        return None if self._past is None else self._past.lock()

    @cached_property
    def _past(self) -> Past | None:
        if not self._commit:
            return None
        with _open_objects(self._repository) as objects:
            files = self._read(objects)
        return None if files is None else Past(files)

    def _read(self, objects: _Objects) -> PastFiles | None:
        """The contract's files in the revision; None when it holds no schema at all."""
        prefix = self._repository.prefix
        folder = f"{prefix}schemas/"
        paths = _list_files(objects, self._commit, folder, folder)
        if not any(path == prefix + MANIFEST or path.endswith(".avsc") for path in paths):
            everywhere = _list_files(objects, self._commit, "", folder)
            prefix, folder = self._find_project(everywhere)
            paths = [path for path in everywhere if path.startswith(folder)]
        names = [path for path in paths if path.endswith(".avsc")]
        check_count(len(names), self.name)
        manifest = prefix + MANIFEST
        if manifest not in paths and not names:
            return None
        return PastFiles(
            self.name,
            (manifest, objects.read_file(self._commit, manifest)) if manifest in paths else None,
            {path: objects.read_file(self._commit, path) for path in names},
            f"{self._shown}:",
            objects.read_if_there(self._commit, prefix + LOCK_FILE),
        )

    def _find_project(self, paths: list[str]) -> tuple[str, str]:
        """Where the project was, and where its schemas; without any manifest, where it is."""
        found = [path for path in paths if f"/{path}".endswith(f"/{MANIFEST}")]
        if len(found) > 1:
            message = f"{self.name} holds several contracts, and none where this one is now"
            hint = f"check out the right one and name its folder: {', '.join(found[:3])}"
            raise CouldNotCheck(message, hint)
        if not found:
            return self._repository.prefix, self._repository.prefix
        project = found[0].removesuffix(MANIFEST)
        return project, f"{project}schemas/"


@dataclass(frozen=True, slots=True)
class _Repository:
    """A folder inside a git repository; `prefix` leads to it from the top, with a final slash."""

    folder: FilePath
    prefix: str
    is_shallow: bool


def _environment() -> dict[str, str]:
    # A hook's variables lead to its repository from the top folder, and we may be below it.
    # Messages are matched in English, and nobody is there to type a password.
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    return {**inherited, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def _run(folder: FilePath, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = ["git", *words]
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, check=False)


def _has_branches(repository: _Repository) -> bool:
    """Whether a branch or a tag is there: a repository without any has never held a commit."""
    done = _run(repository.folder, "for-each-ref", "--count=1")
    return done.returncode != 0 or bool(done.stdout.strip())


def _find_repository(root: FilePath) -> _Repository:
    try:
        done = _run(root, "rev-parse", "--is-shallow-repository", "--show-prefix")
    except FileNotFoundError:
        hint = "install git, or check against something else: --against registry"
        raise CouldNotCheck("git is not installed", hint) from None
    except OSError as error:
        raise CouldNotCheck(f"git cannot be run: {error.strerror}", "check its rights") from None
    if done.returncode == 0:
        shallow, _, prefix = done.stdout.decode("utf-8", "surrogateescape").partition("\n")
        return _Repository(root, prefix.removesuffix("\n"), shallow == "true")
    said = done.stderr.decode("utf-8", "replace").strip()
    if "dubious ownership" in said:
        message = f"git does not trust {root}: it belongs to somebody else"
        raise CouldNotCheck(message, f"git config --global --add safe.directory {root}")
    if "not a git repository" in said:
        hint = "go to a clone of it, or check against something else: --against registry"
        raise CouldNotCheck(f"{root} is in no git repository", hint)
    raise CouldNotCheck(f"git says: {said or 'nothing'}", "try: git status")


def _resolve(objects: _Objects, repository: _Repository, revision: str) -> str:
    """The commit that a revision means. Raises CouldNotCheck when there is none.

    Before the first commit HEAD is the empty text: its past is known, and holds nothing. Hooks ask
    for it then.
    """
    if commit := objects.find_commit(revision):
        return commit
    if not _has_branches(repository):
        if revision == "HEAD":
            return ""
        message = "the repository has no commit yet"
        raise CouldNotCheck(message, "check against git:HEAD until there is one")
    message = f"this repository has no revision {revision}"
    if repository.is_shallow:
        hint = "the clone is shallow: fetch all of it (actions/checkout: fetch-depth: 0)"
    elif objects.find_commit(f"refs/remotes/origin/{revision}"):
        hint = f"it is known as origin/{revision}: --against git:origin/{revision}"
    else:
        hint = "fetch it first, or see which there are: git branch --all"
    raise CouldNotCheck(message, hint)


def _list_files(objects: _Objects, commit: str, folder: str, wanted: str) -> list[str]:
    """The paths of all files under a folder of a commit, sorted; none where it is not there.

    Raises CouldNotCheck when `wanted`, or a folder in it, belongs to another repository.
    """
    tree = objects.find_tree(commit, folder)
    paths: list[str] = []
    links: dict[str, str] = {}
    waiting = [] if tree is None else [(folder, tree)]
    seen = 0
    while waiting:
        parent, data = waiting.pop()
        for mode, name, id in _read_tree(data, len(commit) // 2):
            seen += 1
            if seen > MAX_ENTRIES:
                message = f"the revision holds more than {MAX_ENTRIES:,} files"
                raise CouldNotCheck(message, "check against a registry or a snapshot")
            path = parent + name
            if mode == _TREE:
                inner = objects.read(id)
                waiting.append((f"{path}/", b"" if inner is None else inner[1]))
            elif mode == _SUBMODULE:
                if path.startswith(wanted) or wanted.startswith(f"{path}/"):
                    message = f"{path} is a submodule, whose files this repository does not hold"
                    raise CouldNotCheck(message, "check inside of it")
            elif mode == _LINK:
                links[path] = id
            else:
                paths.append(path)
    # What a link leads to may be listed under its own name; nothing should be there twice.
    known = set(paths)
    paths += [path for path, id in links.items() if objects.read_link(path, id) not in known]
    return sorted(paths)


def _read_tree(data: bytes, id_length: int) -> Iterator[tuple[str, str, str]]:
    """Mode, name and object id of each entry of a tree object."""
    position = 0
    while position < len(data):
        blank = data.index(b" ", position)
        end = data.index(b"\0", blank)
        mode = data[position:blank].decode()
        name = data[blank + 1 : end].decode("utf-8", "surrogateescape")
        position = end + 1 + id_length
        yield mode, name, data[end + 1 : position].hex()


class _Objects:
    """A running `git cat-file --batch`."""

    def __init__(self, requests: IO[bytes], answers: IO[bytes]) -> None:
        self._requests = requests
        self._answers = answers

    def read(self, name: str) -> tuple[str, bytes] | None:
        """Kind and content of the object that a name means; None when it means none."""
        found = self._ask(name)
        return None if found is None else (found[1], found[2])

    def find_commit(self, revision: str) -> str | None:
        """The id of the commit that a revision means."""
        if ":" in revision.removeprefix(":/"):
            return None  # A path in it is none, and git ends where it leads out of the repository.
        found = self._ask(f"{revision}^{{commit}}")
        return None if found is None else found[0]

    def find_tree(self, commit: str, folder: str) -> bytes | None:
        """The tree of a folder in a commit; None where there is no such folder."""
        found = self.read(f"{commit}:{folder.removesuffix('/')}")
        return found[1] if found is not None and found[0] == "tree" else None

    def read_file(self, commit: str, path: str) -> bytes:
        """A file of a commit, behind symbolic links too. Raises CouldNotCheck."""
        found = self.read(f"{commit}:{path}")
        if "\n" in path:
            message = f"{path!r} of {commit[:7]} has a line break in its name"
            raise CouldNotCheck(message, "give the file another name")
        if found is None or found[0] != "blob":
            message = f"{path} of {commit[:7]} is a symbolic link that leads to no file there"
            raise CouldNotCheck(message, "put the file itself there")
        return check_size(found[1], path)

    def read_if_there(self, commit: str, path: str) -> bytes | None:
        """A file of a commit; None where there is none. Raises CouldNotCheck."""
        found = self.read(f"{commit}:{path}")
        return check_size(found[1], path) if found is not None and found[0] == "blob" else None

    def read_link(self, path: str, id: str) -> str:
        """Where a symbolic link at a path leads; an absolute path leads out of every commit."""
        found = self.read(id)
        target = found[1].decode("utf-8", "surrogateescape") if found is not None else ""
        return normpath(join(dirname(path), target))

    def _ask(self, name: str) -> tuple[str, str, bytes] | None:
        if "\n" in name or "\0" in name:
            return None
        self._requests.write(name.encode("utf-8", "surrogateescape") + b"\n")
        self._requests.flush()
        header = self._answers.readline().decode("utf-8", "surrogateescape")
        if not header.endswith("\n"):
            raise CouldNotCheck("git stopped answering", "try: git fsck")
        words = header.split(" ")
        if len(words) != 3 or not words[2].strip().isdigit():
            # "NAME missing", "NAME ambiguous"; for links "dangling SIZE" and its like.
            if len(words) == 2 and words[0] in ("symlink", "dangling", "loop", "notdir"):
                self._answers.read(int(words[1]) + 1)
            return None
        size = int(words[2])
        data = self._answers.read(size)
        self._answers.read(1)
        if len(data) != size:
            raise CouldNotCheck("git stopped in the middle of an answer", "try: git fsck")
        return words[0], words[1], data


@contextmanager
def _open_objects(repository: _Repository) -> Iterator[_Objects]:
    command = ["git", "cat-file", "--batch", "--follow-symlinks"]
    with subprocess.Popen(
        command,
        cwd=repository.folder,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            if process.stdin is None or process.stdout is None:
                raise AssertionError("both are pipes")
            yield _Objects(process.stdin, process.stdout)
        except BrokenPipeError:
            raise CouldNotCheck("git stopped answering", "try: git fsck") from None
        finally:
            process.kill()
