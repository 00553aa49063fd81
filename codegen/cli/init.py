"""Make a new contract repository, or the retail example."""

from __future__ import annotations

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


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=".")
@click.option("--example", type=click.Choice(["retail"]), help="Begin with this example instead.")
def command(folder: Path, example: str | None) -> None:
    """Make a new contract repository in FOLDER; nothing that exists is overwritten.

    \b
    Example:
      kontrakt init contracts
      kontrakt init shop --example retail
    """
    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.retail import example_files, write_files  # noqa: PLC0415

    if example is None:
        files = {
            "schemas/contracts.yaml": MANIFEST,
            "schemas/example/greetings/Greeted.avsc": EVENT,
        }
    else:
        files = example_files()
    if not (folder / ".gitignore").exists():
        files[".gitignore"] = GIT_IGNORE
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
