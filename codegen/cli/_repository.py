"""What commands share: the repository at hand, and how a report reaches people."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

import click

from codegen.cli._names import complete_baselines
from codegen.counting import count_words
from codegen.report import FORMATS

if TYPE_CHECKING:
    from codegen.contract.model import Contract, RegistrySettings
    from codegen.diagnostics import Findings, KontraktError, Report
    from codegen.source import Document

Command = TypeVar("Command", bound=Callable[..., object])

root_option: Callable[[Command], Command] = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The contract repository; by default the folder you are in, or the nearest above it.",
)
"""`--root DIR`, for commands that work on a repository."""

against_option: Callable[[Command], Command] = click.option(
    "--against",
    metavar="BASELINE",
    shell_complete=complete_baselines,
    help="registry, registry:URL, git:REVISION, snapshot, snapshot:FILE or folder:DIR. "
    "By default the registry.",
)
"""`--against BASELINE`, for commands that look at the past."""

_ROOT, _REPORTS, _SHOWN = "kontrakt.root", "kontrakt.reports", "kontrakt.shown"


def _keep_reports(context: click.Context, option: click.Parameter, values: tuple[str, ...]) -> None:
    reports = [value.partition("=")[::2] for value in values]
    for name, file in reports:
        if name not in FORMATS or not file:
            known = ", ".join(FORMATS)
            raise click.BadParameter(f"{name}={file}: give FORMAT=FILE, with a format of {known}.")
    context.meta[_REPORTS] = reports


def format_option(command: Command) -> Command:
    """`--format NAME` and `--report NAME=FILE`, for commands that print a report.

    Where the command raises a KontraktError before it has shown one, the report says so: a program
    that reads it never finds nothing.
    """
    named = click.option(
        "--format",
        "format_name",
        type=click.Choice(FORMATS),
        default="text",
        show_default=True,
        help="How to print the report.",
    )
    written = click.option(
        "--report",
        metavar="FORMAT=FILE",
        multiple=True,
        expose_value=False,
        callback=_keep_reports,
        help="Write the report to a file as well, in any format; may be given several times.",
    )

    @wraps(command)
    def run(*arguments: object, **options: object) -> object:
        from codegen.diagnostics import KontraktError  # noqa: PLC0415

        try:
            return command(*arguments, **options)
        except KontraktError as error:
            _show_failure(error, str(options["format_name"]))
            raise

    return named(written(cast(Command, run)))


def _show_failure(error: KontraktError, format_name: str) -> None:
    from codegen.contract.load import MANIFEST  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck, Location, report_failure  # noqa: PLC0415

    meta = click.get_current_context().meta
    if meta.get(_SHOWN):
        return
    has_manifest = (meta.get(_ROOT, Path()) / MANIFEST).is_file()
    report = report_failure(error, Location(MANIFEST if has_manifest else "."))
    with suppress(CouldNotCheck):  # the first error is the one to tell
        # In words it is on stderr already.
        show(report, format_name if format_name != "text" else None)


def remember_root(folder: Path) -> Path:
    """The folder, in which the findings that are shown from now on name files."""
    click.get_current_context().meta[_ROOT] = folder
    return folder


def open_repository(
    root: Path | None, format_name: str = "text"
) -> tuple[Path, Contract, Findings]:
    """The repository's folder, its contract, and the findings so far (none of them an error).

    Prints the findings and leaves with exit code 1 when the contract cannot be loaded.
    """
    from codegen.cli._progress import show_progress  # noqa: PLC0415
    from codegen.contract.load import choose_root, load_contract  # noqa: PLC0415
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415

    show_progress()
    folder = remember_root(choose_root(root, Path.cwd()))
    findings = Findings()
    contract = load_contract(folder, findings)
    if contract is None:
        what = count_words(len(make_report(findings).findings), "problem")
        summary = f"{what}: the contract cannot be used as it is."
        show(make_report(findings, summary=summary), format_name)
        raise click.exceptions.Exit(1)
    return folder, contract, findings


def open_registry_settings(
    root: Path | None, address: str | None
) -> tuple[Path, Document | None, RegistrySettings]:
    """The folder, its manifest where there is one, and the registry to ask, for what needs no more.

    The manifest may have no topics yet, and schemas are not looked at. Without one, it is the
    folder one is in, and the registry of the environment. Prints the findings and leaves with exit
    code 1 when the manifest is wrong; raises CouldNotCheck where nothing names a registry.
    """
    from codegen.baselines import EMBEDDED  # noqa: PLC0415
    from codegen.cli._progress import show_progress  # noqa: PLC0415
    from codegen.contract.load import MANIFEST, find_root  # noqa: PLC0415
    from codegen.contract.manifest import check_shape  # noqa: PLC0415
    from codegen.contract.reading import read_file  # noqa: PLC0415
    from codegen.contract.registry import read_registry_settings  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck, Findings, make_report  # noqa: PLC0415
    from codegen.source import read_yaml  # noqa: PLC0415

    show_progress()
    folder = root
    if folder is None:
        with suppress(CouldNotCheck):
            folder = find_root(Path.cwd())
    folder = remember_root(folder or Path.cwd())
    findings, manifest = Findings(), None
    settings = read_registry_settings(read_yaml(MANIFEST, ""), findings)
    if (folder / MANIFEST).is_file():
        manifest = read_file(folder, folder / MANIFEST, findings)
        if manifest is not None and check_shape(manifest, findings, needs_topics=False):
            settings = read_registry_settings(manifest, findings)
        if findings.has_errors:
            show(make_report(findings, summary="The manifest cannot be used as it is."))
            raise click.exceptions.Exit(1)
    elif not settings.url and not address and not (folder / EMBEDDED).is_file():
        message = f"no {MANIFEST} in {folder} or above it, and no registry is named"
        raise CouldNotCheck(message, "set SCHEMA_REGISTRY_URL, or give the address as an option")
    return folder, manifest, settings


def show(report: Report, format_name: str | None = "text", *, err: bool = False) -> None:
    """Print a report to stdout, in colour on a terminal, and write it where `--report` says.

    With `err` it goes to stderr: stdout is for a result that somebody reads on. Without a format
    it is written only.

    Files are named as they are found from the working directory, where they lie below it; in what
    GitHub and GitLab read, from the folder of the checkout, which may lie above it. Raises
    CouldNotCheck when a file cannot be written.
    """
    from codegen.report import render  # noqa: PLC0415

    meta = click.get_current_context().meta
    meta[_SHOWN] = True
    if format_name is not None:
        named = _name_files(report, meta.get(_ROOT), format_name)
        click.echo(render(named, format_name, _paint), nl=False, err=err)
    _write_reports(report, meta.get(_ROOT), meta.get(_REPORTS, ()))


def _write_reports(report: Report, root: Path | None, wanted: Iterable[tuple[str, str]]) -> None:
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415
    from codegen.files import write_atomically  # noqa: PLC0415
    from codegen.report import render  # noqa: PLC0415

    for name, file in wanted:
        try:
            write_atomically(Path(file), render(_name_files(report, root, name), name))
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise CouldNotCheck(f"the report {file} cannot be written: {reason}") from None


def _paint(text: str, style: str) -> str:
    return click.style(text, **_STYLES[style])  # type: ignore[arg-type]


_STYLES: Mapping[str, Mapping[str, str | bool]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "note": {"fg": "cyan", "bold": True},
    "place": {"bold": True},
    "faint": {"fg": "blue"},
}


_CHECKOUTS = {
    "github": "GITHUB_WORKSPACE",
    "sarif": "GITHUB_WORKSPACE",
    "gitlab": "CI_PROJECT_DIR",
}
"""The variables that hold the folder from which those who read a format look for its files."""


def _name_files(report: Report, root: Path | None, format_name: str) -> Report:
    """The report with the repository's files named from where its readers are."""
    from dataclasses import replace  # noqa: PLC0415

    from codegen.diagnostics import Finding, Location, Related  # noqa: PLC0415
    from codegen.lock import GENERATED  # noqa: PLC0415

    here = Path.cwd()
    checkout = Path(os.environ.get(_CHECKOUTS.get(format_name, ""), "") or here).resolve()
    here = checkout if here.is_relative_to(checkout) else here
    folder = root.resolve() if root is not None else here
    if root is None or folder == here or not folder.is_relative_to(here):
        return report
    prefix = folder.relative_to(here).as_posix()

    def move(where: Location) -> Location:
        # What is missing among the generated files is ours too.
        is_ours = where.file.startswith(f"{GENERATED}/") or (folder / where.file).exists()
        return replace(where, file=f"{prefix}/{where.file}") if is_ours else where

    def move_related(related: Related) -> Related:
        where = related.location
        if where is None or related.label:
            return related
        return replace(related, location=move(where))

    def move_finding(finding: Finding) -> Finding:
        related = tuple(move_related(one) for one in finding.related)
        return replace(finding, location=move(finding.location), related=related)

    return replace(report, findings=tuple(move_finding(one) for one in report.findings))
