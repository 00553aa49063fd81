"""Make a new contract repository, or the retail example."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codegen.counting import agree, count_words

if TYPE_CHECKING:
    from codegen.diagnostics import KontraktError

MANIFEST_FILE = "schemas/contracts.yaml"

MODE_LINE = "# yaml-language-server: $schema="

MANIFEST = """\
# Which service sends and handles which event on which topic.
version: 1

registry:
  url: ${SCHEMA_REGISTRY_URL} # not set: the embedded registry, .kontrakt/registry.db

defaults:
  compatibility: BACKWARD_TRANSITIVE
  subject_strategy: topic-record # <topic>-<event>: a topic can take further events at any time

topics:
  greetings:
    doc: Who greeted whom.
    owner: greeter-service
    key: greeting_id
    partitions: 3
    retention: 30d
    events: [example.greetings.Greeted]

services:
  greeter-service:
    doc: Greets people.
    produces: [greetings]
    targets: {python: {}}
  guestbook-service:
    doc: Writes down who was greeted.
    consumes: [greetings]
    targets: {python: {}}
"""

EVENT = """\
{
  "type": "record",
  "name": "Greeted",
  "namespace": "example.greetings",
  "doc": "Somebody was greeted. Put your own event here.",
  "fields": [
    {"name": "greeting_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Identifies the greeting; the message key."},
    {"name": "greeted_at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When it happened (UTC)."},
    {"name": "name", "type": "string", "doc": "Who was greeted."},
    {"name": "text", "type": ["null", "string"], "default": null, "doc": "What was said, where it is known."}
  ]
}
"""  # noqa: E501 - a schema keeps each field on its line

GIT_IGNORE = ".kontrakt/\n"

WORKFLOW = """\
name: contracts
on:
  pull_request:

permissions:
  contents: read

jobs:
  contracts:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0 # the check compares with the branch that the change goes to
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - id: install
        run: pip install REQUIREMENT # the version that generated/ was written with
      # Each step runs whatever the others found, so that one run tells everything.
      - run: kontrakt check --against "git:origin/$BASE" --format github --report "markdown=$GITHUB_STEP_SUMMARY"
        env:
          BASE: ${{ github.base_ref }}
      - run: kontrakt lint --format github
        if: ${{ !cancelled() && steps.install.outcome == 'success' }}
      - run: kontrakt format --check
        if: ${{ !cancelled() && steps.install.outcome == 'success' }}
      - run: kontrakt generate --check --format github
        if: ${{ !cancelled() && steps.install.outcome == 'success' }}
"""  # noqa: E501 - a command keeps its line

HOOKS = """\
repos:
  - repo: local
    hooks:
      - id: kontrakt-format
        name: schema files are formatted
        entry: kontrakt format
        language: python
        additional_dependencies: [REQUIREMENT]
        files: ^schemas/.*\\.avsc$
        require_serial: true
      - id: kontrakt-lint
        name: schemas and manifest keep the rules
        entry: kontrakt lint
        language: python
        additional_dependencies: [REQUIREMENT]
        files: ^schemas/
        pass_filenames: false
      - id: kontrakt-check
        name: no change of a contract breaks anyone
        entry: kontrakt check --against git:HEAD
        language: python
        additional_dependencies: [REQUIREMENT]
        files: ^schemas/
        pass_filenames: false
      - id: kontrakt-generate
        name: generated stubs are fresh
        entry: kontrakt generate --check
        language: python
        additional_dependencies: [REQUIREMENT]
        files: ^(schemas|generated)/
        pass_filenames: false
"""


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--example", type=click.Choice(["retail"]), help="Begin with this example instead.")
@click.option(
    "--editor-schema",
    "is_editor_schema",
    is_flag=True,
    help="Only write the manifest's JSON Schema for editors anew, in a repository that is there.",
)
def command(folder: Path, example: str | None, is_editor_schema: bool) -> None:
    """Make a new contract repository in FOLDER; nothing that exists is overwritten.

    It comes with a workflow for GitHub, hooks for pre-commit, and the JSON Schema of the manifest
    for editors. A repository that is there gets those of them that it lacks. Workflow and hooks
    name this version of kontrakt, since another one may generate other stubs.

    \b
    Example:
      kontrakt init contracts
      kontrakt init shop --example retail
    """
    from codegen.contract.manifest import EDITOR_SCHEMA, write_editor_schema  # noqa: PLC0415

    if is_editor_schema:
        if example:
            raise click.UsageError("--editor-schema writes one file, and no example.")
        _refresh(folder)
        return
    editor_schema = f"schemas/{EDITOR_SCHEMA}"
    optional = _surroundings()
    is_there = not example and (folder / MANIFEST_FILE).is_file()
    if is_there:
        optional[editor_schema] = write_editor_schema()
        files = {}
    else:
        files = _contracts(example)
        files[MANIFEST_FILE] = f"{MODE_LINE}{EDITOR_SCHEMA}\n{files[MANIFEST_FILE]}"
        files[editor_schema] = write_editor_schema()
    for name, text in optional.items():
        if os.path.lexists(folder / name):
            click.echo(
                f"kept  {folder / name}, which exists already{_lack(folder, name)}", err=True
            )
        else:
            files[name] = text
    present = 0 if is_there else sum(1 for _ in (folder / "schemas").rglob("*.avsc"))
    if not files:
        raise _exists_already(folder / MANIFEST_FILE)
    _write(folder, files)
    if present:
        click.echo(
            f"{count_words(present, 'schema file')} {agree(present, 'was', 'were')} there before: "
            "put the events among them on topics, with kontrakt new topic NAME --event EVENT"
        )
    if is_there and editor_schema in files:
        _tell_editors()
    _tell_about_the_top(folder, files)
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Next: {where}kontrakt lint && kontrakt check && kontrakt generate")


def _surroundings() -> dict[str, str]:
    from importlib.metadata import version  # noqa: PLC0415

    requirement = f"kontrakt=={version('kontrakt')}"
    return {
        ".gitignore": GIT_IGNORE,
        ".github/workflows/contracts.yml": WORKFLOW.replace("REQUIREMENT", requirement),
        ".pre-commit-config.yaml": HOOKS.replace("REQUIREMENT", requirement),
    }


def _lack(folder: Path, name: str) -> str:
    """What a file that is kept should hold, and does not."""
    if name != ".gitignore":
        return ""
    try:
        text = (folder / name).read_text("utf-8", "replace")
    except OSError:
        return ", and cannot be read"
    if GIT_IGNORE.strip() in text:
        return ""
    return f"; add {GIT_IGNORE.strip()} to it, the embedded registry's folder"


def _tell_about_the_top(folder: Path, files: Mapping[str, str]) -> None:
    """Say where GitHub and pre-commit look, if that is not where their files were written."""
    here = folder.resolve()
    top = next((place for place in (here, *here.parents) if (place / ".git").exists()), here)
    written = [name for name in (".github", ".pre-commit-config.yaml") if _holds(files, name)]
    if top == here or not written:
        return
    inner, names = here.relative_to(top).as_posix(), " and ".join(written)
    click.echo(
        f"GitHub and pre-commit look at the top of a git repository only: move {names} to {top}, "
        f"and let the commands in them have --root {inner}, and the patterns begin with ^{inner}/",
        err=True,
    )


def _holds(files: Mapping[str, str], name: str) -> bool:
    return any(file == name or file.startswith(f"{name}/") for file in files)


def _contracts(example: str | None) -> dict[str, str]:
    from codegen.retail import example_files  # noqa: PLC0415

    if example is not None:
        return example_files()
    return {MANIFEST_FILE: MANIFEST, "schemas/example/greetings/Greeted.avsc": EVENT}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from codegen.diagnostics import CouldNotCheck  # noqa: PLC0415
    from codegen.retail import write_files  # noqa: PLC0415

    try:
        for name in write_files(folder, files):
            click.echo(f"wrote {folder / name}")
    except FileExistsError as error:
        raise _exists_already(error.filename) from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"{error.filename} cannot be written: {reason}; nothing was written"
        raise CouldNotCheck(message, "see who may write there") from None


def _exists_already(path: Path | str) -> KontraktError:
    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    message = f"{path} exists already; nothing was written"
    return KontraktError(message, "name a new folder: kontrakt init FOLDER")


def _refresh(folder: Path) -> None:
    from codegen.contract.manifest import EDITOR_SCHEMA, write_editor_schema  # noqa: PLC0415
    from codegen.diagnostics import CouldNotCheck, KontraktError  # noqa: PLC0415
    from codegen.files import write_atomically  # noqa: PLC0415

    path = folder / "schemas" / EDITOR_SCHEMA
    if not (folder / MANIFEST_FILE).is_file():
        message = f"there is no {folder / MANIFEST_FILE}"
        raise KontraktError(message, "go to a contract repository, or make one: kontrakt init")
    try:
        write_atomically(path, write_editor_schema())
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"{path} cannot be written: {reason}"
        raise CouldNotCheck(message, "see who may write there") from None
    click.echo(f"wrote {path}")
    _tell_editors()


def _tell_editors() -> None:
    from codegen.contract.manifest import EDITOR_SCHEMA  # noqa: PLC0415

    click.echo(f"Editors read it where {MANIFEST_FILE} begins with: {MODE_LINE}{EDITOR_SCHEMA}")
