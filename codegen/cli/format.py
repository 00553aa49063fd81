"""Write schema files in the one layout; `--check` for CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from codegen.cli._repository import root_option, show
from codegen.counting import count_words

if TYPE_CHECKING:
    from codegen.diagnostics import Findings
    from codegen.source import Document


@click.command()
@root_option
@click.option("--check", is_flag=True, help="Write nothing; list what is not formatted.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
@click.argument("paths", metavar="[PATHS...]", nargs=-1)
def command(root: Path | None, check: bool, diff: bool, paths: tuple[str, ...]) -> None:
    """Write schema files in the one layout: key order, indentation, short things on one line.

    PATHS are .avsc files and folders with some, in a contract repository or not; without any, all
    schemas of the repository. With - it formats stdin to stdout. Only the layout changes: fields,
    symbols and branches keep their order, numbers and strings their text. CRLF line ends stay, a
    byte order mark goes. The manifest keeps the layout that you gave it.

    \b
    Example:
      kontrakt format
      kontrakt format --check
      kontrakt format schemas/retail/orders/OrderPlaced.avsc --diff
      kontrakt format - < OrderPlaced.avsc
    """
    from codegen.diagnostics import Findings, make_report  # noqa: PLC0415

    findings = Findings()
    is_stream = paths == ("-",)
    files = [*(_read_stdin(findings) if is_stream else _read_files(root, paths, findings))]
    changed = [file for file in files if file.document.text != file.formatted]
    failed = 0
    if diff:
        _show_diff(changed)
    elif check:
        for file in changed:
            click.echo(f"not formatted: {_printable(file.document.name)}")
    elif is_stream:
        for file in files:
            sys.stdout.buffer.write(file.formatted.encode())
    else:
        written = [file for file in changed if _write(file)]
        failed = len(changed) - len(written)
        changed = written
    if findings.has_errors:
        show(make_report(findings), err=is_stream)
    if not is_stream:
        unreadable = len({item.location.file for item in findings})
        _show_summary(len(files), len(changed), failed + unreadable, is_dry=check or diff)
    is_good = not (failed or findings.has_errors or (changed and (check or diff)))
    raise click.exceptions.Exit(0 if is_good else 1)


class File(NamedTuple):
    """A schema file as it is and as it should be; `name` leads to it from `root`."""

    root: Path
    name: str
    document: Document
    formatted: str


def _read_stdin(findings: Findings) -> Iterator[File]:
    from codegen.contract.reading import read_document  # noqa: PLC0415

    data = sys.stdin.buffer.read()
    return _format(Path(), "-", read_document("<stdin>", data, findings), findings)


def _read_files(root: Path | None, paths: tuple[str, ...], findings: Findings) -> Iterator[File]:
    from codegen.contract.load import choose_root  # noqa: PLC0415
    from codegen.contract.reading import read_file  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    places = [_resolve(path) for path in paths]
    if not places:
        folder = choose_root(root, Path.cwd())
        places = [(folder, folder / "schemas", str(folder.resolve() / "schemas"))]
    seen: set[str] = set()
    for folder, place, shown in places:
        expanded = list(_expand(folder, place, findings))
        if paths and not expanded and not findings.has_errors:
            message = f"{_printable(_from_here(shown))} holds no .avsc files"
            raise KontraktError(message, "name .avsc files, or folders with some")
        for path in expanded:
            # A file is formatted once, under its own name, whatever links lead to it.
            file = os.path.realpath(path)
            if file in seen:
                continue
            seen.add(file)
            inner = path.relative_to(place).as_posix()
            name = _from_here(f"{shown}/{inner}" if inner != "." else shown)
            document = read_file(folder, path, findings, name)
            yield from _format(folder, path.relative_to(folder).as_posix(), document, findings)


def _resolve(path: str) -> tuple[Path, Path, str]:
    """The folder that a path must not lead out of, the file or folder itself, and its name."""
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    place = Path(path)
    if place.suffix in (".yaml", ".yml"):
        hint = "the manifest keeps the layout that you gave it; name .avsc files or folders"
        raise KontraktError(f"{_printable(path)} is no Avro schema", hint)
    if place.is_dir():
        folder = place.resolve()
        return folder, folder, path
    if not place.is_symlink() and not place.exists():
        raise KontraktError(f"{_printable(path)} does not exist", "name .avsc files or folders")
    folder = place.parent.resolve()
    return _find_home(folder), folder / place.name, path


def _find_home(folder: Path) -> Path:
    """The contract repository that a folder lies in; without one the folder itself."""
    from codegen.contract.load import find_root  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415

    try:
        return find_root(folder)
    except CouldNotCheck:
        return folder


def _expand(folder: Path, place: Path, findings: Findings) -> Iterator[Path]:
    from codegen.contract.reading import find_schema_files  # noqa: PLC0415

    return find_schema_files(place, folder, findings) if place.is_dir() else iter([place])


def _format(root: Path, name: str, document: Document | None, findings: Findings) -> Iterator[File]:
    from codegen.contract.reading import BYTE_ORDER_MARK  # noqa: PLC0415
    from codegen.formatting import format_schema  # noqa: PLC0415

    # The mark goes with the formatting, so nobody has to be told to remove it.
    findings.items = [item for item in findings if item.rule is not BYTE_ORDER_MARK]
    if document is not None:
        yield File(root, name, document, format_schema(document))


def _write(file: File) -> bool:
    """Write a file and say so, or why it was left as it is."""
    from codegen.mending import Change, write_change  # noqa: PLC0415
    from codegen.source import Document  # noqa: PLC0415

    before, after = Document(file.name, file.document.text), Document(file.name, file.formatted)
    shown = _printable(file.document.name)
    if problem := write_change(file.root, Change(before, after)):
        click.echo(
            f"{click.style('error', fg='red', bold=True)}: {shown} was left as it is: {problem}",
            err=True,
        )
        return False
    click.echo(f"formatted {shown}")
    return True


def _show_diff(files: list[File]) -> None:
    from difflib import unified_diff  # noqa: PLC0415

    for file in files:
        name = file.document.name
        before, after = file.document.text.splitlines(), file.formatted.splitlines()
        for line in unified_diff(before, after, name, name, lineterm=""):
            style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1])
            click.echo(click.style(_printable(line), fg=style))


def _show_summary(read: int, changed: int, failed: int, *, is_dry: bool) -> None:
    if is_dry and changed:
        words = f"{changed} of {count_words(read, 'file')} not formatted"
        hint = ". Write them with: kontrakt format"
    elif changed:
        words, hint = f"{changed} formatted, {read - changed} unchanged", ""
    else:
        words, hint = f"{count_words(read, 'file')} formatted already" if read else "", ""
    failures = f"{count_words(failed, 'file')} could not be formatted" if failed else ""
    click.echo(", ".join(filter(None, (words, failures))) + hint, err=True)


def _from_here(name: str) -> str:
    """A path from the working directory, where it lies below it."""
    path, here = Path(name), Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


def _printable(text: str) -> str:
    from codegen.report.escaping import printable  # noqa: PLC0415

    return printable(text)
