"""What the module `history` of a package says: how other versions of its events are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from codegen.avro.schema import Enum, Record, SchemaGraph, reachable
from codegen.contract.model import Contract
from codegen.targets.python.codecs_view import NamedEvent, library_imports, runtime_imports
from codegen.targets.python.literals import definition, string_argument, words_in
from codegen.targets.python.past import find_past, write_plainly
from codegen.targets.python.resolvers import write_resolver
from codegen.targets.python.service_view import import_order
from codegen.targets.python.straight_line import Module


def history_view(
    events: Iterable[NamedEvent], contract: Contract, classes: Mapping[str, str]
) -> Mapping[str, object] | None:
    """The values of the template `history.py.j2`; None where no event has a past."""
    named = [(one, past) for one in events if (past := find_past(one.event, contract))]
    if not named:
        return None
    types = {
        name: classes[name]
        for one, _ in named
        for name, type_ in reachable(one.event.schema).items()
        if isinstance(type_, Record | Enum)
    }
    graph = SchemaGraph(named[0][0].event.schema.root, contract.types)
    module = Module(graph, types)
    views = []
    for one, versions in named:
        stem = one.constant.lower()
        views.append(
            {
                "constant": one.constant,
                "versions": [
                    {
                        "number": past.version,
                        "schema": string_argument("schema", write_plainly(past.schema), 8),
                        "read": write_resolver(
                            module, past.schema, past.plan, f"read_{stem}_v{past.version}"
                        ),
                    }
                    for past in versions
                ],
            }
        )
    code = [line for function in module.functions for line in function]
    code += module.constants
    words = words_in(code)
    return {
        "imports": library_imports(code, module),
        "classes": import_order(name for name in types.values() if name in words),
        "runtime": runtime_imports(code, module, {"avro.versions": ["PastSchema"]}),
        "constants": [
            definition(f"{name}: Final", text) for text, name in module.constants.items()
        ],
        "functions": module.functions,
        "exports": sorted(one.constant for one, _ in named),
        "events": views,
    }
