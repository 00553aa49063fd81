"""List the rules, or explain one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from codegen.cli._names import complete_rules

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codegen.diagnostics import Rule

CATEGORIES = {
    "syntax": "Files that cannot be read",
    "schema": "What Avro does not allow, or what libraries take differently",
    "manifest": "The shape of contracts.yaml",
    "contract": "What manifest and schemas say of each other",
    "naming": "Names",
    "docs": "Docs",
    "shape": "Fields, unions, enums",
    "logical": "Logical types",
    "readiness": "Ready for the next change",
    "topology": "Topics, keys, services",
    "lint": "Lint's own settings",
    "compat": "Changes that break readers or writers",
    "change": "Changes that no registry sees",
    "waiver": "Waivers",
    "snapshot": "The snapshot of a registry",
    "check": "What could not be checked",
    "generate": "Generated files",
    "plan": "Plans for the registry",
    "registry": "The registry",
    "drift": "Where registry and files differ",
    "pull": "Taking schemas from the registry",
}
"""What the rules of each category are about, in the order in which they are listed."""


@click.command()
@click.argument("name", metavar="[ID]", required=False, shell_complete=complete_rules)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to print them.",
)
def command(name: str | None, format_name: str) -> None:
    """List the rules, those of a category, or explain one with a bad and a good example.

    \b
    Example:
      kontrakt rules
      kontrakt rules naming
      kontrakt rules compat/field-without-default
    """
    from codegen.rules import all_rules  # noqa: PLC0415

    rules = all_rules()
    chosen = _choose(name, rules)
    if format_name == "json":
        _print_json(chosen)
    elif name is not None and name in rules:
        _explain(rules[name])
    else:
        _list(chosen)


def _choose(name: str | None, rules: Mapping[str, Rule]) -> list[Rule]:
    from difflib import get_close_matches  # noqa: PLC0415

    from codegen.diagnostics import KontraktError  # noqa: PLC0415

    if name is None:
        return list(rules.values())
    if name in rules:
        return [rules[name]]
    category = name.removesuffix("/")
    found = [one for one in rules.values() if one.id.startswith(f"{category}/")]
    if found:
        return found
    near = get_close_matches(name, [*rules, *CATEGORIES], 1)
    hint = f'did you mean "{near[0]}"?' if near else "kontrakt rules lists them all"
    raise KontraktError(f"there is no rule {name}", hint)


def _list(rules: list[Rule]) -> None:
    width = max(len(one.id) for one in rules)
    for index, category in enumerate(group(rules)):
        title = CATEGORIES.get(category, category)
        click.echo(f"{chr(10) if index else ''}{click.style(title, bold=True)}")
        for one in group(rules)[category]:
            click.echo(f"  {one.id:<{width}}  {one.severity.value:<7}  {one.summary}")


def group(rules: list[Rule]) -> dict[str, list[Rule]]:
    """The rules by category, in the order in which categories are listed."""
    found: dict[str, list[Rule]] = {}
    known = list(CATEGORIES)
    for one in sorted(rules, key=lambda one: (_rank(one, known), one.id)):
        found.setdefault(one.id.partition("/")[0], []).append(one)
    return found


def _rank(rule: Rule, known: list[str]) -> int:
    category = rule.id.partition("/")[0]
    return known.index(category) if category in known else len(known)


def _print_json(rules: list[Rule]) -> None:
    import json  # noqa: PLC0415

    from codegen.rules import read_example  # noqa: PLC0415

    rows = [
        {
            "id": one.id,
            "category": one.id.partition("/")[0],
            "severity": one.severity.value,
            "summary": one.summary,
            "rationale": one.rationale,
            "example": read_example(one),
        }
        for one in rules
    ]
    click.echo(json.dumps(rows, indent=2))


def _explain(rule: Rule) -> None:
    from codegen.rules import read_example  # noqa: PLC0415

    click.echo(f"{rule.id} ({rule.severity.value})\n\n{rule.summary}")
    if rule.rationale:
        click.echo(f"\n{click.wrap_text(rule.rationale, width=88)}")
    if example := read_example(rule):
        click.echo()
        for line in example.splitlines():
            is_title = line and not line[0].isspace()
            click.echo(click.style(line, bold=True) if is_title else line)
