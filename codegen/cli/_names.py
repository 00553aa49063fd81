"""Which names can stand on a command line here? Asked by shells at each Tab; reads no schema."""

from __future__ import annotations

import click


def complete_rules(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The ids of rules that begin so."""
    from codegen.rules import all_rules  # noqa: PLC0415

    return [name for name in all_rules() if name.startswith(incomplete)]


def complete_baselines(
    context: click.Context, option: click.Parameter, incomplete: str
) -> list[str]:
    """The kinds of baselines and, behind `git:`, the branches and tags."""
    if not incomplete.startswith("git:"):
        kinds = ("registry", "registry:", "git:", "snapshot", "snapshot:", "folder:")
        return [kind for kind in kinds if kind.startswith(incomplete)]
    import subprocess  # noqa: PLC0415

    root = context.params.get("root") or "."
    command = ["git", "-C", str(root), "for-each-ref", "--format=%(refname:short)"]
    try:
        done = subprocess.run(
            [*command, "refs/heads", "refs/remotes", "refs/tags"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    names = ("HEAD", *done.stdout.split())
    return [f"git:{name}" for name in names if f"git:{name}".startswith(incomplete)]
