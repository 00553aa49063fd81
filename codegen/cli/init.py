"""Make a new contract repository, or the retail example."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

MANIFEST = """\
# Which service sends and handles which event on which topic.
version: 1

registry:
  url: ${SCHEMA_REGISTRY_URL} # not set: the embedded registry, .kontrakt/registry.db

defaults:
  compatibility: BACKWARD_TRANSITIVE

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

EDITOR_SCHEMA = "contracts.schema.json"
"""The manifest's JSON Schema, beside it, where editors find it without a network."""

MODE_LINE = f"# yaml-language-server: $schema={EDITOR_SCHEMA}\n"

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


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--example", type=click.Choice(["retail"]), help="Begin with this example instead.")
def command(folder: Path, example: str | None) -> None:
    """Make a new contract repository in FOLDER; nothing that exists is overwritten.

    It comes with a workflow for GitHub, hooks for pre-commit, and the JSON Schema of the manifest
    for editors.

    \b
    Example:
      kontrakt init contracts
      kontrakt init shop --example retail
    """
    from codegen.contract.manifest import manifest_schema  # noqa: PLC0415
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.retail import example_files, write_files  # noqa: PLC0415

    if example is None:
        files = {
            "schemas/contracts.yaml": MANIFEST,
            "schemas/example/greetings/Greeted.avsc": EVENT,
        }
    else:
        files = example_files()
    files["schemas/contracts.yaml"] = MODE_LINE + files["schemas/contracts.yaml"]
    files[f"schemas/{EDITOR_SCHEMA}"] = json.dumps(manifest_schema(), indent=2) + "\n"
    surroundings = {
        ".gitignore": GIT_IGNORE,
        ".github/workflows/contracts.yml": WORKFLOW,
        ".pre-commit-config.yaml": HOOKS,
    }
    for name, text in surroundings.items():
        if os.path.lexists(folder / name):
            click.echo(f"kept  {folder / name}, which exists already", err=True)
        else:
            files[name] = text
    try:
        for name in write_files(folder, files):
            click.echo(f"wrote {folder / name}")
    except FileExistsError as error:
        raise KontraktError(
            f"{error} exists already", "name a new folder: kontrakt init FOLDER"
        ) from None
    except OSError as error:
        raise KontraktError(f"{error.filename} cannot be written: {error.strerror}") from None
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"Next: {where}kontrakt check && kontrakt generate")
