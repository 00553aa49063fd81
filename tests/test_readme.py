"""The README is true: its sessions are run, in order, and print what it says.

Every block marked `console` is a session. A line that begins with `$ ` is run by the shell in one
folder that lasts from the first block to the last; what follows is what it prints. Times, process
numbers, ports and folders differ from run to run, and are left out of the comparison. With
--update-golden the blocks are written anew from a real run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def run(command: str, folder: Path, code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if "REGISTRY" not in name}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    # A session in one block goes on in the next: `cd` is remembered.
    script = f'cd "$(cat .folder 2>/dev/null || pwd)"; {command}\npwd > {folder}/.folder'
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout.replace(str(folder), "/home/you").replace(code, "/home/you")


def commands(block: str) -> list[str]:
    return [line[2:] for line in block.splitlines() if line.startswith("$ ")]


def comparable(text: str) -> list[str]:
    text = re.sub(r"\b\d+(\.\d+)? (ms|s)\b", "N ms", text)
    text = re.sub(r"\b\d{4}-\d\d-\d\d\b", "DATE", text)
    text = re.sub(r"[0-9a-f]{7,40}\b", "HEX", text)
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.xdist_group("readme")
def test_the_sessions_print_what_the_readme_says(tmp_path: Path, update_golden: bool) -> None:
    text = README.read_text("utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) >= 4
    for block in blocks:
        lines: list[str] = []
        for command in commands(block):
            output = run(command, tmp_path, str(PROJECT))
            lines += [f"$ {command}", *output.rstrip().splitlines()]
        printed = "\n".join(lines) + "\n"
        if update_golden:
            text = text.replace(f"```console\n{block}```", f"```console\n{printed}```")
        else:
            assert comparable(printed) == comparable(block)
    if update_golden:
        README.write_text(text, "utf-8")


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text("utf-8")
    for path in (PROJECT / "codegen/cli").glob("[!_]*.py"):
        assert f"`kontrakt {path.stem}`" in text, path.stem


def test_every_key_of_the_registry_is_in_the_readme() -> None:
    from codegen.contract.manifest import check_shape, manifest_schema
    from codegen.diagnostics import Findings
    from codegen.source import read_yaml

    _, _, section = README.read_text("utf-8").partition("\n## The registry\n")
    section, _, _ = section.partition("\n## ")
    keys = manifest_schema()["properties"]["registry"]["properties"]
    for key in (*keys, *keys["oauth"]["properties"]):
        assert f"`{key}`" in section or f"{key}:" in section, key
    (example,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    topics = "topics: {orders: {events: [shop.Order]}}"
    assert check_shape(read_yaml("contracts.yaml", f"version: 1\n{topics}\n{example}"), Findings())


def test_the_example_of_lint_settings_is_right() -> None:
    from codegen.contract.manifest import check_shape
    from codegen.diagnostics import Findings
    from codegen.source import read_yaml

    (example,) = re.findall(r"```yaml\n(lint:.*?)```", README.read_text("utf-8"), re.DOTALL)
    topics = "topics: {orders: {events: [shop.Order]}}"
    assert check_shape(read_yaml("contracts.yaml", f"version: 1\n{topics}\n{example}"), Findings())


def test_every_link_leads_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README.read_text("utf-8")):
        assert link.startswith("http") or (PROJECT / link).exists(), link


def test_the_rule_table_is_fresh(update_golden: bool) -> None:
    from codegen.rules import all_rules

    rows = [
        f"| `{one.id}` | {one.severity.value} | {one.summary} |" for one in all_rules().values()
    ]
    table = "\n".join(["| rule | severity | what it finds |", "|---|---|---|", *rows])
    text = README.read_text("utf-8")
    begin, end = "<!-- rules -->\n", "\n<!-- /rules -->"
    before, _, rest = text.partition(begin)
    shown, _, after = rest.partition(end)
    if update_golden:
        README.write_text(f"{before}{begin}{table}{end}{after}", "utf-8")
    else:
        assert shown == table
