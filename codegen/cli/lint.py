"""Say what is unwise in schemas and manifest: names, docs, shapes, logical types, topology."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.cli._repository import format_option, root_option
from codegen.counting import agree, count_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from codegen.cli._mending import Mended
    from codegen.contract.load import Repository
    from codegen.diagnostics import Finding, Report
    from codegen.linting import Linting


@click.command()
@root_option
@click.option("--fix", is_flag=True, help="Mend schema files in place where one edit is right.")
@click.option(
    "--baseline",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with findings that are accepted; only others are reported.",
)
@click.option(
    "--write-baseline", is_flag=True, help="Accept what is found now: write it to --baseline."
)
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "note")),
    default="error",
    show_default=True,
    help="From which severity on a finding makes the exit code 1.",
)
@format_option
@click.argument("paths", metavar="[PATHS...]", nargs=-1)
def command(
    root: Path | None,
    fix: bool,
    baseline: Path | None,
    write_baseline: bool,
    fail_on: str,
    format_name: str,
    paths: tuple[str, ...],
) -> None:
    """Say what is unwise in schemas and manifest: names, docs, shapes, logical types, topology.

    PATHS are files and folders of the repository; without any, all of it is linted. A type that
    stands elsewhere is known all the same. Severities, and findings to ignore with the reason, are
    in the manifest under lint. Old findings of a large repository go to a baseline.

    \b
    Example:
      kontrakt lint
      kontrakt lint --fix
      kontrakt lint schemas/retail/orders --fail-on warning
      kontrakt lint --baseline lint-baseline.json --write-baseline
    """
    from codegen.cli._repository import show  # noqa: PLC0415
    from codegen.linting import only_in  # noqa: PLC0415
    from codegen.linting.baseline import accept, read_entries, write_entries  # noqa: PLC0415

    if write_baseline and (baseline is None or paths or fix):
        raise click.UsageError(
            "--write-baseline takes the whole repository as it is: "
            "give it with --baseline FILE, without PATHS and --fix."
        )
    folder = _find_folder(root, paths)
    names = tuple(_name_under(folder, path) for path in paths)
    entries = read_entries(baseline) if baseline is not None and not write_baseline else None

    def examine(linting: Linting) -> Linting:
        looked_at = only_in(linting, names) if names else linting
        if entries is None:
            return looked_at
        return accept(looked_at, entries, str(baseline), is_whole=not names)

    mended: Mended | None = None
    linting, repository = _lint(folder, examine)
    _refuse_nothing(linting, names, paths)
    if fix:
        mended = _mend(folder, repository, linting, examine, is_text=format_name == "text")
        linting, repository = _lint(folder, examine)
    if baseline is not None and write_baseline:
        _write(baseline, write_entries(linting))
        linting = accept(linting, read_entries(baseline), str(baseline), is_whole=True)
    report = _report(linting, mended, str(baseline))
    show(report, format_name)
    is_bad = linting.failures or any(_is_grave(one, fail_on) for one in report.findings)
    raise click.exceptions.Exit(1 if is_bad else 3 if mended and mended.failed else 0)


def _find_folder(root: Path | None, paths: tuple[str, ...]) -> Path:
    from codegen.cli._repository import remember_root  # noqa: PLC0415
    from codegen.contract.load import choose_root  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    for path in paths:
        if not os.path.lexists(path):
            raise KontraktError(f"{path} does not exist", "name files and folders of schemas")
    start = Path(os.path.abspath(paths[0])) if paths else Path.cwd()
    return remember_root(choose_root(root, start))


def _name_under(folder: Path, path: str) -> str:
    """How a path is called under the repository's folder."""
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    for place, home in (
        (Path(os.path.abspath(path)), Path(os.path.abspath(folder))),
        (Path(path).resolve(), folder.resolve()),
    ):
        if place.is_relative_to(home):
            return place.relative_to(home).as_posix()
    raise KontraktError(f"{path} lies outside of {folder}", "lint one repository at a time")


def _refuse_nothing(linting: Linting, names: tuple[str, ...], paths: tuple[str, ...]) -> None:
    """Raises KontraktError where a path leads to no file of the repository: nothing was linted."""
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.linting import only_in  # noqa: PLC0415

    for name, path in zip(names, paths, strict=True):
        part = only_in(linting, [name])
        if not part.files and not part.failures:
            hint = "name the manifest, .avsc files below schemas/, or folders with some"
            raise KontraktError(f"{path} is no part of the contracts", hint)


def _lint(folder: Path, examine: Callable[[Linting], Linting]) -> tuple[Linting, Repository]:
    from codegen.contract.load import load_repository  # noqa: PLC0415
    from codegen.diagnostics import Findings  # noqa: PLC0415
    from codegen.linting import lint  # noqa: PLC0415

    loading = Findings()
    repository = load_repository(folder, loading)
    return examine(lint(repository, loading)), repository


def _mend(
    folder: Path,
    repository: Repository,
    linting: Linting,
    examine: Callable[[Linting], Linting],
    *,
    is_text: bool,
) -> Mended:
    from codegen.cli._mending import write_mended  # noqa: PLC0415
    from codegen.contract.load import assemble  # noqa: PLC0415
    from codegen.diagnostics import Findings  # noqa: PLC0415
    from codegen.linting import lint  # noqa: PLC0415
    from codegen.mending import Documents, mend_documents  # noqa: PLC0415

    def find(documents: Documents) -> tuple[Finding, ...]:
        loading = Findings()
        edited = assemble(repository.manifest, documents.values(), loading)
        found = examine(lint(edited, loading))
        return (*found.failures, *found.findings)

    mending = mend_documents(repository.documents, find)
    return write_mended(folder, mending, is_text=is_text)


def _write(path: Path, text: str) -> None:
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415
    from codegen.files import write_atomically  # noqa: PLC0415

    try:
        write_atomically(path, text)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise CouldNotCheck(f"the baseline {path} cannot be written: {reason}") from None


def _report(linting: Linting, mended: Mended | None, baseline: str) -> Report:
    from codegen.diagnostics import make_report  # noqa: PLC0415

    found = make_report((*linting.failures, *linting.findings)).findings
    sections: tuple[tuple[str, tuple[str, ...]], ...] = ()
    summary = _summarize(linting, found)
    if linting.accepted:
        summary += f", {linting.accepted} accepted by {baseline}"
    if linting.ignored:
        summary += f", {linting.ignored} ignored by the manifest"
    if mended is not None:
        words = (f"{mended.fixed} fixed, {len(found)} left.", *mended.cautions)
        sections = (("Mended", (" ".join(words),)),)
    elif any(one.mends for one in found):
        summary += "; try kontrakt lint --fix"
    return make_report(found, linting.files, summary, sections)


def _summarize(linting: Linting, found: tuple[Finding, ...]) -> str:
    from codegen.diagnostics import Severity  # noqa: PLC0415

    files = count_words(len(linting.files), "file")
    if not found:
        return f"{files} {agree(len(linting.files), 'is', 'are')} good"
    counts = ((one.value, sum(item.severity is one for item in found)) for one in Severity)
    words = ", ".join(count_words(count, noun) for noun, count in counts if count)
    where = {one.location.file for one in found}
    unread = where - set(linting.files)
    total = len(linting.files) + len(unread)
    return f"{words} in {len(where)} of {count_words(total, 'file')}"


def _is_grave(finding: Finding, threshold: str) -> bool:
    from codegen.diagnostics import Severity  # noqa: PLC0415

    return finding.severity.rank <= Severity(threshold).rank
