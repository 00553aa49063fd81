"""How does PostgreSQL start here?"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from real.processes import HOST, Missing, Server, free_ports

_HOMES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
_USER = "postgres"


class Postgres:
    """A server that runs, with one superuser, one empty database, and no password."""

    def __init__(self, server: Server, port: int, programs: Path) -> None:
        self.server = server
        self.port = port
        self.url = f"postgresql://{_USER}@{HOST}:{port}/postgres"
        self._psql = programs / "psql"

    def query(self, statement: str) -> str:
        """Run SQL with psql; its answer, a line a row. Raises AssertionError."""
        done = subprocess.run(
            [self._psql, "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", statement],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def start_postgres() -> Iterator[Postgres]:
    """A server for as long as this context. Raises Missing without PostgreSQL, and DidNotStart."""
    programs = find_programs()
    # PostgreSQL refuses to run as root; another user cannot enter the folders of pytest.
    user = _USER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="kontrakt-postgres-"))
    try:
        if user is not None:
            shutil.chown(folder, user, user)
        data = folder / "data"
        done = subprocess.run(
            [
                *(programs / "initdb", "-D", data, "-U", _USER, "-A", "trust"),
                *("-E", "UTF8", "--no-locale", "--no-sync"),
            ],
            cwd=folder,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (port,) = free_ports(1)
        settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            # A killed process loses nothing by it, only a killed machine does.
            "fsync": "off",
        }
        options = [word for name in settings for word in ("-c", f"{name}={settings[name]}")]
        server = Server(
            "PostgreSQL",
            [programs / "postgres", "-D", data, *options],
            folder / "postgres.log",
            lambda: _answers(programs, port),
            # SIGTERM waits for clients to leave, SIGINT does not.
            stop_signal=signal.SIGINT,
            user=user,
        )
        try:
            server.start()
            yield Postgres(server, port, programs)
        finally:
            server.stop(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def find_programs() -> Path:
    """The folder of the PostgreSQL server on this machine. Raises Missing."""
    found = [path for pattern in _HOMES for path in Path("/").glob(pattern)]
    on_path = shutil.which("postgres")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    fitting = [path for path in found if (path / "initdb").exists() and (path / "psql").exists()]
    if not fitting:
        raise Missing("PostgreSQL is not on this machine (on Debian: apt-get install postgresql)")
    return max(fitting, key=lambda path: [int(digits) for digits in re.findall(r"\d+", str(path))])


def _answers(programs: Path, port: int) -> bool:
    done = subprocess.run(
        [programs / "pg_isready", "-q", "-h", HOST, "-p", str(port)], check=False, timeout=10
    )
    return done.returncode == 0
