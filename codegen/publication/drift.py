"""Does the registry hold what the repository says? Every difference is a finding."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.avro.schema import Record, reachable
from codegen.baselines.holdings import find_obstacle, make_histories, select_departed
from codegen.baselines.registry import UNASKABLE, RegistryClient
from codegen.contract.model import Contract
from codegen.contract.registry import uses_references
from codegen.diagnostics import Findings, Location, Rule, Severity, rule
from codegen.publication.planning import Action, Plan, Step, compare, show_text
from codegen.source import Place

MISSING = rule(
    "drift/missing",
    "The registry does not hold a subject of the contract.",
    "Producers look their schemas up and never register them, so none could send this event. "
    "Register it before the first producer is deployed.",
)
EXTRA = rule(
    "drift/extra",
    "The registry holds a subject that the contract does not have.",
    "Somebody registers past the repository, or an event was removed and its subject was left: "
    "what nobody reviews, nobody checks.",
)
SCHEMA = rule(
    "drift/schema",
    "The newest version of a subject is not the schema of the repository.",
    "Checks and stubs are about another schema than the one that producers find: one of the two "
    "was changed without the other.",
)
LEVEL = rule(
    "drift/level",
    "A subject is guarded by another level than the manifest states.",
    "The registry judges by its own level. Whoever registers past this tool is held to that, not "
    "to the reviewed one.",
)
REFERENCES = rule(
    "drift/references",
    "A subject refers to other versions of its shared types than the repository has.",
    "The schema is the same in its own text, and means something else: its fields are those of an "
    "older version of the type that it uses.",
)
METADATA = rule(
    "drift/metadata",
    "The metadata of a subject are not those of the manifest.",
    "People look up the owner of a subject in the registry, and would ask the wrong ones.",
)

_REGISTER = "publish it: kontrakt register --apply"


def find_drift(
    contract: Contract, client: RegistryClient, findings: Findings, prefix: str | None = None
) -> Plan:
    """Compare a registry with a contract, and return what would have to be done.

    With a prefix, only subjects that begin with it count, and each of them that the contract does
    not have is one too many. Without, those are that are named after its topics and namespaces.
    Raises CouldNotCheck.
    """
    plan = compare(contract, client)
    for step in plan.steps:
        if step.subject.name.startswith(prefix or ""):
            _report_step(step, client.name, findings)
    known = {subject.name for subject in contract.subjects}
    listed = client.subjects(prefix or "")
    extra = select_departed(listed, contract) if prefix is None else set(listed) - known
    _report_extra(sorted(extra), contract, client, findings)
    return plan


def _report_extra(
    names: Sequence[str], contract: Contract, client: RegistryClient, findings: Findings
) -> None:
    """Report what the contract does not have; what it cannot have is a warning only."""
    if not names:
        return
    holdings = client.fetch(name for name in names if name not in UNASKABLE)
    histories = make_histories(holdings, holdings.subjects, "registry")
    written_out: set[str] = set()
    if not uses_references(contract.manifest):
        written_out.update(*(reachable(subject.schema) for subject in contract.subjects))
    for name in names:
        message = f"{client.name} holds {name}, and the contract does not have it"
        hint, severity = "take it in with kontrakt pull, or delete it in the registry", None
        if name in histories:
            stored, past = holdings.subjects[name].versions[-1], histories[name].versions[-1]
            root = past.schema.root if past.schema is not None else None
            named = contract.types.get(getattr(root, "name", ""))
            if obstacle := find_obstacle(stored, past):
                message = f"{client.name} holds {name}, and no contract can: it {obstacle}"
                hint = "delete it if nobody needs it"
                is_read = root is not None or stored.type != "AVRO"
                severity = Severity.WARNING if is_read else None
            elif named is not None and name == named.name and name in written_out:
                message = (
                    f"{client.name} holds {name}, and the contract writes it out where it is used"
                )
                hint = "delete it when nothing that is still read refers to it"
                severity = Severity.WARNING
            elif named is not None and not isinstance(root, Record):
                file = named.origin.document.name
                message = f"{client.name} holds {name}, and no event of the contract uses {file}"
                hint, severity = (
                    "use the type, or delete the subject and the file",
                    Severity.WARNING,
                )
        where = Location(contract.manifest.name)
        findings.add(EXTRA, where, message, hint=hint, subject=name, severity=severity)


def _report_step(step: Step, registry: str, findings: Findings) -> None:
    subject = step.subject
    place = Place(subject.document)

    def add(kind: Rule, message: str, hint: str) -> None:
        findings.add(kind, place, message, hint=hint, subject=subject.name)

    if not step.latest:
        add(MISSING, f"{registry} does not hold {subject.name}", _REGISTER)
        return
    if step.action is Action.UNCHANGED and step.version != step.latest:
        message = (
            f"{subject.name} is at v{step.latest} in the registry, and the file is its "
            f"v{step.version}"
        )
        add(SCHEMA, message, "take the newest with kontrakt pull, or give the file a new version")
    elif step.action is Action.REGISTER and step.stale is not None:
        message = f"{subject.name} v{step.latest} refers to other versions: {_list(step)}"
        add(REFERENCES, message, _REGISTER)
    elif step.action is Action.REGISTER and not step.is_held:
        message = f"{subject.name} v{step.latest} is not the schema of the file: {_list(step)}"
        hint = f"{_REGISTER}; or take the registry's: kontrakt pull"
        add(SCHEMA, message, hint)
    for name, old, new in step.properties:
        says = f'says "{show_text(old)}"' if old else "says nothing"
        message = f'the metadata of {subject.name} {says} for {name}, not "{show_text(new)}"'
        add(METADATA, message, _REGISTER)
    if step.changes_level:
        now = step.level.value if step.level is not None else "no level"
        message = f"{subject.name} has {now} in the registry, and {subject.level.value} here"
        add(LEVEL, message, _REGISTER)


def _list(step: Step) -> str:
    """What is new in a schema or its references, without the metadata."""
    words = step.changes[: len(step.changes) - len(step.properties)]
    refers = [item for item in words if item.startswith("refers to ")]
    shown = refers if step.stale is not None and refers else words
    if not shown:
        return "it writes out types that the other one refers to"
    return "; ".join(shown[:4]) + (f"; and {len(shown) - 4} more" if len(shown) > 4 else "")
