"""Print the script that completes commands, options and names in a shell."""

from __future__ import annotations

import click

_INSTALL = {
    "bash": 'eval "$(kontrakt completion bash)"     # in ~/.bashrc; Bash 4.4 or newer',
    "zsh": 'eval "$(kontrakt completion zsh)"     # in ~/.zshrc, after compinit',
    "fish": "kontrakt completion fish | source     # in ~/.config/fish/config.fish",
}


@click.command()
@click.argument("shell", type=click.Choice([*_INSTALL]))
def command(shell: str) -> None:
    """Print the script that completes commands, options, baselines and rules in a shell.

    \b
    Example:
      eval "$(kontrakt completion bash)"     # in ~/.bashrc; Bash 4.4 or newer
      eval "$(kontrakt completion zsh)"      # in ~/.zshrc, after compinit
      kontrakt completion fish | source      # in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from codegen.cli import program  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click knows no completion for {shell}.")
    script = found(program, {}, "kontrakt", "_KONTRAKT_COMPLETE").source()
    if shell == "bash":
        # Bash would take git:main for three words.
        script += "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n"
    click.echo(f"# {_INSTALL[shell]}\n{script}", nl=False)
