"""From a registry to the files of a repository: schemas, manifest entries, the snapshot.

`types` turns the newest versions into schema files, `topics` reads topics and events out of subject
names, `files` compares both with what lies there and writes all or nothing.
"""

from __future__ import annotations

from codegen.pulling.files import Pull, PulledFile, State, plan_pull, select_subjects, write_pull

__all__ = ["Pull", "PulledFile", "State", "plan_pull", "select_subjects", "write_pull"]
