"""Which Java is on this machine, and how do we get Java libraries and run programs on them?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from real.downloads import fetch_once, run_downloader
from real.processes import Missing, find_program

KAFKA = (
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.slf4j:slf4j-simple:1.7.36",  # without it Kafka logs nothing
)
AVRO = "org.apache.avro:avro:1.12.1"

_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_HOMES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/*jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)
_USER_HOMES = (".sdkman/candidates/java/*", ".jdks/*")


def java(at_least: int) -> Path:
    """The `java` program of the oldest Java on this machine that is new enough.

    Raises Missing, saying what there is.
    """
    found = _all_java()
    fitting = sorted((version, path) for path, version in found.items() if version >= at_least)
    if not fitting:
        there = ", ".join(str(version) for version in sorted(set(found.values()))) or "none"
        raise Missing(
            f"Java {at_least} or newer is needed, here is {there}; install a JDK {at_least} (on "
            f"Debian openjdk-{at_least}-jdk-headless, or Temurin) or name one in JAVA_HOME"
        )
    return fitting[0][1]


def maven_class_path(*artifacts: str) -> str:
    """The class path of `group:artifact:version`s, with all that they need to run.

    Raises Missing without Maven, Java or network.
    """
    return f"{_maven_jars(artifacts)}{os.sep}*"


def maven_archive(artifact: str) -> Path:
    """The folder with the content of an archive `group:artifact:version:type:classifier`.

    Raises Missing without Maven, Java or network.
    """

    def fill(folder: Path) -> None:
        _run_maven(folder, "unpack", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")

    return fetch_once("maven", [artifact], fill)


def compile_java(source: Path, class_path: str, target: Path) -> str:
    """Compile one source file into a folder; the class path to run it with. Needs a JDK."""
    compiler = java(17).with_name("javac")
    if not compiler.exists():
        raise Missing(f"{compiler.parent.parent} is no JDK: it has no javac; install a JDK 17")
    done = subprocess.run(
        [compiler, "-cp", class_path, "-d", target, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return f"{target}{os.pathsep}{class_path}"


def _maven_jars(artifacts: tuple[str, ...]) -> Path:
    def fill(folder: Path) -> None:
        rows = []
        for artifact in artifacts:
            group, name, version = artifact.split(":")
            rows.append(
                f"<dependency><groupId>{escape(group)}</groupId>"
                f"<artifactId>{escape(name)}</artifactId>"
                f"<version>{escape(version)}</version></dependency>"
            )
        pom = folder / "pom.xml"
        pom.write_text(
            "<project><modelVersion>4.0.0</modelVersion><groupId>kontrakt</groupId>"
            "<artifactId>tests</artifactId><version>1</version>"
            f"<dependencies>{''.join(rows)}</dependencies></project>"
        )
        options = ("-DincludeScope=runtime", f"-DoutputDirectory={folder}")
        _run_maven(folder, "copy-dependencies", *options)

    return fetch_once("maven", artifacts, fill)


def _run_maven(folder: Path, goal: str, *options: str) -> None:
    maven = find_program("mvn", "Maven 3.8 or newer (on Debian: apt-get install maven)")
    java(17)
    run_downloader([maven, "-q", "-B", f"{_DEPENDENCY_PLUGIN}:{goal}", *options], folder)


@cache
def _all_java() -> dict[Path, int]:
    """The `java` programs of this machine, and the major version of each."""
    found: dict[Path, int] = {}
    for home in _java_homes():
        program = (home / "bin" / "java").resolve()
        if program.exists() and program not in found:
            version = _java_version(program)
            if version:
                found[program] = version
    return found


def _java_homes() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if program := shutil.which("java"):
        yield Path(program).resolve().parent.parent
    for pattern in _HOMES:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))
    for pattern in _USER_HOMES:
        yield from sorted(Path.home().glob(pattern))


def _java_version(program: Path) -> int:
    try:
        done = subprocess.run(
            [program, "-version"], capture_output=True, text=True, check=False, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.search(r'version "(\d+)', done.stderr + done.stdout)
    return int(match.group(1)) if match else 0
