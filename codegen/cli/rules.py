"""List the rules, or explain one."""

from __future__ import annotations

import click

from codegen.cli._names import complete_rules


@click.command()
@click.argument("rule_id", metavar="[ID]", required=False, shell_complete=complete_rules)
def command(rule_id: str | None) -> None:
    """List the rules, or explain one.

    \b
    Example:
      kontrakt rules
      kontrakt rules compat/field-without-default
    """
    from difflib import get_close_matches  # noqa: PLC0415

    from codegen.diagnostics import KontraktError  # noqa: PLC0415
    from codegen.rules import all_rules  # noqa: PLC0415

    rules = all_rules()
    if rule_id is None:
        width = max(len(one) for one in rules)
        for one in rules.values():
            click.echo(f"{one.id:<{width}}  {one.severity.value:<7}  {one.summary}")
        return
    if rule_id not in rules:
        near = get_close_matches(rule_id, rules, 1)
        hint = f'did you mean "{near[0]}"?' if near else "kontrakt rules lists them all"
        raise KontraktError(f"there is no rule {rule_id}", hint)
    found = rules[rule_id]
    click.echo(f"{found.id} ({found.severity.value})\n\n{found.summary}")
    if found.rationale:
        click.echo()
        click.echo(click.wrap_text(found.rationale, width=88))
