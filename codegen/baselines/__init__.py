"""Where the past of a contract is read from: a registry, git, a snapshot, a folder.

A Baseline answers one question, which versions a contract's subjects had, and answers it whole or
raises: what could not be read is never taken for a subject without a past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from codegen.contract.model import Contract, History, RegistrySettings
from codegen.diagnostics import Findings, KontraktError

if TYPE_CHECKING:
    from codegen.baselines.answers import Transport
    from codegen.baselines.registry import RegistryBaseline, RegistryClient
    from codegen.lock import Lock

EMBEDDED = ".kontrakt/registry.db"
"""Where the embedded registry lies under the root of a contract repository."""

SNAPSHOT = "schemas/registry.snapshot.json"
"""Where the snapshot lies under the root of a contract repository."""


class Baseline(Protocol):
    """A source of histories."""

    @property
    def name(self) -> str:
        """What people know it by, for example `git main@1a2b3c4`; no credentials."""

    def histories(self, contract: Contract) -> Mapping[str, History]:
        """The past of the contract's subjects, by name; a subject without one is absent.

        Raises CouldNotCheck when the answer cannot be had whole.
        """


@runtime_checkable
class Archive(Baseline, Protocol):
    """A baseline that also knows what the contract does not have any more; all kinds here do."""

    def departed(self, contract: Contract) -> Mapping[str, History]:
        """The past of subjects that the contract had, by name, as far as can be told.

        A registry may hold subjects of other contracts. Those count that are named after a topic of
        this contract, or after a record in the namespace of one of its types. Raises CouldNotCheck.
        """


@runtime_checkable
class Repository(Baseline, Protocol):
    """A baseline that may hold a manifest of its own, and with it topics and services."""

    def contract(self, findings: Findings) -> Contract | None:
        """The contract that the baseline states itself.

        None where it holds no manifest, and then `findings` stay as they are; None also where the
        manifest or the schemas have errors, which are added to `findings`. Raises CouldNotCheck.
        """

    def lock(self) -> Lock | None:
        """What services were generated from in that past; None where no lock says it."""


def open_baseline(spec: str | None, settings: RegistrySettings, root: FilePath) -> Archive:
    """The baseline that `--against` names.

    `registry`, `registry:URL`, `git:REVISION`, `snapshot`, `snapshot:FILE`, `folder:DIR`, or the
    path of a folder or a snapshot. None means the registry; where the settings name none and no
    embedded one exists yet, the committed snapshot if there is one. Raises KontraktError for any
    other text, CouldNotCheck for a baseline that is not there.
    """
    if spec is None:
        spec = _default(settings, root)
    kind, _, rest = spec.partition(":")
    if kind in ("http", "https"):
        kind, rest = "registry", spec
    if spec == "registry:":
        hint = "for example registry:http://127.0.0.1:8081, or registry for the manifest's"
        raise KontraktError("registry: names no address", hint)
    opener = _OPENERS.get(kind)
    if opener is not None:
        return opener(rest, settings, root)
    if FilePath(spec).is_dir():
        return _open_folder(spec, settings, root)
    if FilePath(spec).is_file():
        return _open_snapshot(spec, settings, root)
    kinds = "registry, registry:URL, git:REVISION, snapshot, snapshot:FILE or folder:DIR"
    # Other tools take a branch as it is.
    hint = kinds if ":" in spec else f"a revision is named git:{spec}; else it is {kinds}"
    raise KontraktError(f'"{spec}" is no baseline', hint=hint)


def open_registry(settings: RegistrySettings, root: FilePath) -> RegistryClient:
    """The registry of the settings; the embedded one of the repository where they name none.

    Nothing is sent yet. Raises KontraktError for settings that cannot be meant, an empty address
    among them: a CI that lacks its secret must not publish to a registry of its own.
    """
    from codegen.baselines.registry import RegistryClient  # noqa: PLC0415

    if settings.url == "":
        message = "the registry's address is empty: its variable is set, and holds nothing"
        raise KontraktError(message, "give it the address, or unset it for the embedded registry")

    transport: Transport
    if settings.url is None:
        from codegen.baselines.embedded import EmbeddedTransport  # noqa: PLC0415

        transport = EmbeddedTransport(root / EMBEDDED, f"embedded registry {EMBEDDED}")
    else:
        from codegen.baselines.http import HttpTransport  # noqa: PLC0415 - 60 ms

        transport = HttpTransport(settings, root)
    return RegistryClient(transport, settings.context, normalize=settings.normalize)


def _default(settings: RegistrySettings, root: FilePath) -> str:
    if settings.url is None and not (root / EMBEDDED).exists() and (root / SNAPSHOT).exists():
        return "snapshot"
    return "registry"


def open_registry_baseline(
    address: str | None, settings: RegistrySettings, root: FilePath
) -> RegistryBaseline:
    """The registry at an address, with the settings' credentials; for None, that of these.

    Raises KontraktError for an address or settings that cannot be meant, an empty one among them.
    """
    from codegen.baselines.registry import RegistryBaseline  # noqa: PLC0415

    if address is not None:
        from codegen.baselines.http import choose_address  # noqa: PLC0415

        settings = choose_address(address, settings)
    return RegistryBaseline(open_registry(settings, root))


def _open_registry(address: str, settings: RegistrySettings, root: FilePath) -> Archive:
    return open_registry_baseline(address or None, settings, root)


def _open_git(revision: str, settings: RegistrySettings, root: FilePath) -> Archive:
    from codegen.baselines.git import GitBaseline  # noqa: PLC0415

    if not revision:
        raise KontraktError("git: names no revision", hint="for example git:main or git:HEAD~1")
    return GitBaseline(root, revision)


def _open_snapshot(file: str, settings: RegistrySettings, root: FilePath) -> Archive:
    from codegen.baselines.snapshot import SnapshotBaseline  # noqa: PLC0415

    return SnapshotBaseline(FilePath(file)) if file else SnapshotBaseline(root / SNAPSHOT, SNAPSHOT)


def _open_folder(folder: str, settings: RegistrySettings, root: FilePath) -> Archive:
    from codegen.baselines.directory import FolderBaseline  # noqa: PLC0415

    if not folder:
        raise KontraktError("folder: names no folder", hint="for example folder:../released")
    return FolderBaseline(FilePath(folder))


_OPENERS: Mapping[str, Callable[[str, RegistrySettings, FilePath], Archive]] = {
    "registry": _open_registry,
    "git": _open_git,
    "snapshot": _open_snapshot,
    "folder": _open_folder,
}
