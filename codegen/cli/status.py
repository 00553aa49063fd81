"""Does the registry hold what the repository says?"""

from __future__ import annotations

from pathlib import Path

import click

from codegen.cli._repository import format_option, root_option
from codegen.counting import count_words


@click.command()
@root_option
@click.option("--from", "address", metavar="URL", help="The registry; by default the manifest's.")
@click.option(
    "--prefix",
    metavar="TEXT",
    help="Compare the subjects that begin with this, all others of the registry included. By "
    "default extra ones are those named after a topic or a namespace of the contract.",
)
@format_option
def command(root: Path | None, address: str | None, prefix: str | None, format_name: str) -> None:
    """Say where the registry and the repository differ: schemas, levels, references, metadata.

    Exit codes: 0 in step, 1 drift, 3 could not check. Nothing is written.

    \b
    Example:
      kontrakt status
      kontrakt status --prefix orders- --format json
    """
    from codegen.baselines import open_registry_baseline  # noqa: PLC0415
    from codegen.cli._repository import open_repository, show  # noqa: PLC0415
    from codegen.diagnostics import (  # noqa: PLC0415
        KontraktError,
        make_report,
        override_severities,
    )
    from codegen.publication.drift import find_drift  # noqa: PLC0415

    folder, contract, findings = open_repository(root, format_name)
    client = open_registry_baseline(address, contract.registry, folder).client
    plan = find_drift(contract, client, findings, prefix)
    found = override_severities(findings, contract.severities)
    names = [
        step.subject.name
        for step in plan.steps
        if prefix is None or step.subject.name.startswith(prefix)
    ]
    if prefix and not names and not found:
        message = f"neither the contract nor {client.name} has a subject that begins with {prefix}"
        raise KontraktError(message, "look at all of them: kontrakt status")
    drifting = {item.subject for item in found if item.subject}
    in_step = sum(name not in drifting for name in names)
    extra = len(drifting - set(names))
    parts = [f"{in_step} of {count_words(len(names), 'subject')} in step with {client.name}"]
    if extra:
        parts.append(f"{count_words(extra, 'extra one')}")
    report = make_report(found, names, ", ".join(parts) + ".")
    show(report, format_name)
    if report.has_errors:
        raise click.exceptions.Exit(1)
