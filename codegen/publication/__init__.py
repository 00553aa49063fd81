"""Publishing what was reviewed: a plan, the file that holds it for review, and its application.

A plan says for each subject whether the registry holds its schema, its level and its metadata
already. It can be written to a file (`document`), reviewed there, and applied later: then it is
made anew, and applied only when it still says the same.
"""

from __future__ import annotations

from codegen.publication.application import Done, apply_plan
from codegen.publication.planning import Action, Plan, Step, make_plan, write_text

__all__ = ["Action", "Done", "Plan", "Step", "apply_plan", "make_plan", "write_text"]
