"""How do we get npm packages, and run programs on them?"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from real.downloads import fetch_once, run_downloader
from real.processes import find_program

_NODE = "Node.js 20 or newer with npm (on Debian: apt-get install nodejs npm)"


def npm_install(*packages: str) -> Path:
    """A folder whose `node_modules` holds packages, each named with its version: `avsc@5.7.7`.

    Their install scripts are not run. Raises Missing without npm or network.
    """
    assert all("@" in package[1:] for package in packages), "name the version of each package"
    npm = find_program("npm", _NODE)

    def fill(folder: Path) -> None:
        (folder / "package.json").write_text('{"private": true}')
        options = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
        run_downloader([npm, "install", *options, *packages], folder)

    return fetch_once("npm", packages, fill)


def run_node(folder: Path, program: str, argument: object = None, timeout: float = 120.0) -> object:
    """Run a JavaScript module on the packages of a folder.

    It finds its argument as JSON in `process.env.ARGUMENT`; the last line that it prints is JSON
    and is returned. Raises AssertionError with its output when it fails.
    """
    node = find_program("node", _NODE)
    variables: Mapping[str, str] = {
        **os.environ,
        "ARGUMENT": json.dumps(argument),
        "NODE_PATH": str(folder / "node_modules"),
    }
    done = subprocess.run(
        [node, "-e", program],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    value: object = json.loads(done.stdout.splitlines()[-1])
    return value
