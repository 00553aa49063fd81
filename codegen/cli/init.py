"""Make a new contract repository, or the retail example."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from codegen.counting import agree, count_words

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
      - run: pip install kontrakt
      - run: kontrakt format --check
      - run: kontrakt lint --format github
      - run: kontrakt generate --check
      - run: kontrakt check --against "git:origin/$BASE" --format github
        env:
          BASE: ${{ github.base_ref }}
"""

HOOKS = """\
repos:
  - repo: local
    hooks:
      - id: kontrakt-format
        name: schema files are formatted
        entry: kontrakt format
        language: python
        additional_dependencies: [kontrakt]
        files: ^schemas/.*\\.avsc$
        require_serial: true
      - id: kontrakt-lint
        name: schemas and manifest keep the rules
        entry: kontrakt lint
        language: python
        additional_dependencies: [kontrakt]
        files: ^schemas/
        pass_filenames: false
      - id: kontrakt-check
        name: no change of a contract breaks anyone
        entry: kontrakt check --against git:HEAD
        language: python
        additional_dependencies: [kontrakt]
        files: ^schemas/
        pass_filenames: false
      - id: kontrakt-generate
        name: generated stubs are fresh
        entry: kontrakt generate --check
        language: python
        additional_dependencies: [kontrakt]
        files: ^(schemas|generated)/
        pass_filenames: false
"""

SURROUNDINGS = {
    ".gitignore": GIT_IGNORE,
    ".github/workflows/contracts.yml": WORKFLOW,
    ".pre-commit-config.yaml": HOOKS,
}


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
    for editors.

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
    files = _contracts(example)
    files[MANIFEST_FILE] = f"{MODE_LINE}{EDITOR_SCHEMA}\n{files[MANIFEST_FILE]}"
    files[f"schemas/{EDITOR_SCHEMA}"] = write_editor_schema()
    for name, text in SURROUNDINGS.items():
        if os.path.lexists(folder / name):
            click.echo(f"kept  {folder / name}, which exists already", err=True)
        else:
            files[name] = text
    present = sum(1 for _ in (folder / "schemas").rglob("*.avsc"))
    _write(folder, files)
    if present:
        click.echo(
            f"{count_words(present, 'schema file')} {agree(present, 'was', 'were')} there before: "
            "put the events among them on topics, with kontrakt new topic NAME --event EVENT"
        )
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Next: {where}kontrakt lint && kontrakt check && kontrakt generate")


def _contracts(example: str | None) -> dict[str, str]:
    from codegen.retail import example_files  # noqa: PLC0415

    if example is not None:
        return example_files()
    return {MANIFEST_FILE: MANIFEST, "schemas/example/greetings/Greeted.avsc": EVENT}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.retail import write_files  # noqa: PLC0415

    try:
        for name in write_files(folder, files):
            click.echo(f"wrote {folder / name}")
    except FileExistsError as error:
        raise KontraktError(
            f"{error.filename} exists already; nothing was written",
            "name a new folder: kontrakt init FOLDER",
        ) from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        message = f"{error.filename} cannot be written: {reason}; nothing was written"
        raise KontraktError(message) from None


def _refresh(folder: Path) -> None:
    from codegen.contract.manifest import EDITOR_SCHEMA, write_editor_schema  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.files import write_atomically  # noqa: PLC0415

    path = folder / "schemas" / EDITOR_SCHEMA
    if not (folder / MANIFEST_FILE).is_file():
        message = f"there is no {folder / MANIFEST_FILE}"
        raise KontraktError(message, "go to a contract repository, or make one: kontrakt init")
    try:
        write_atomically(path, write_editor_schema())
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise KontraktError(f"{path} cannot be written: {reason}") from None
    click.echo(f"wrote {path}")
    click.echo(f"Editors read it where {MANIFEST_FILE} begins with: {MODE_LINE}{EDITOR_SCHEMA}")
