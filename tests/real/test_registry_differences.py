"""The same requests to Apicurio Registry and to the embedded registry: where do they differ?

registry_requests.jsonl has the requests; registry_deviations.jsonl has the differences in status,
error code and body, each with the reason why ours is as it is. A difference without a row fails,
and so does a row that is not true any more. codegen/registry/DEVIATIONS.md shows the rows as a
table. `pytest tests/real/test_registry_differences.py --update-golden` writes both anew, and leaves
the reasons of new rows for you to write. The wording of errors is not compared: it is Apicurio's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from codegen.registry.http import serve_in_thread
from codegen.registry.store import Store
from real.registries import Registry

HERE = Path(__file__).parent
ROWS = HERE / "registry_deviations.jsonl"
TABLE = HERE.parent.parent / "codegen/registry/DEVIATIONS.md"
Answer = tuple[int, Any]
Deviation = tuple[str, str, str]
"""A case, a route, and how the answers differ: Apicurio's, an arrow, ours.

The case is "" where the answers differ in this way in all cases, for one reason.
"""


def read_lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


REQUESTS = read_lines(HERE / "registry_requests.jsonl")


def ask(url: str, row: Any, ids: list[int]) -> Answer:
    """What a registry answers: the status, and the body as JSON, or as text where it is none."""
    path = re.sub(r"\{id(\d+)\}", lambda found: str(ids[int(found[1])]), row["path"])
    body = row.get("body")
    if isinstance(body, dict) and isinstance(body.get("schema"), (dict, list)):
        body = {**body, "schema": json.dumps(body["schema"])}
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    request = Request(url + path, data, headers, method=row["method"])
    try:
        with urlopen(request, timeout=30) as answer:
            status, text = answer.status, answer.read().decode()
    except HTTPError as error:
        status, text = error.code, error.read().decode()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def hide_ids(value: Any, ids: list[int], key: str = "") -> Any:
    """The value with ids replaced by the order in which they were seen, since registries count on.

    A list of numbers without a key holds versions, except where `key` says that it holds ids.
    """
    if isinstance(value, dict):
        return {name: hide_ids(item, ids, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hide_ids(item, ids, key) for item in value]
    if key == "id" and isinstance(value, int):
        if value not in ids:
            ids.append(value)
        return f"id{ids.index(value)}"
    return value


def route_of(row: Any) -> str:
    """The route of a request, with its query but without its names."""
    path, _, query = row["path"].partition("?")
    path = re.sub(r"^(/contexts)/[^/]+", r"\1/{context}", path)
    path = re.sub(r"(/subjects|/config|/mode)/[^/]+", r"\1/{subject}", path)
    path = re.sub(r"/versions/[^/]+", "/versions/{version}", path)
    path = re.sub(r"/ids/[^/]+", "/ids/{id}", path)
    return f"{row['method']} {path}{'?' if query else ''}{query}"


def compare(theirs: Answer, ours: Answer) -> Iterator[str]:
    """The differences between two answers, each in a few words: theirs, then ours."""
    if theirs[0] != ours[0] or (theirs[0] >= 400 and code_of(theirs) != code_of(ours)):
        yield f"{code_of(theirs)} → {code_of(ours)}"
    elif theirs[0] < 400:
        yield from sorted(set(compare_values(theirs[1], ours[1])))


def code_of(answer: Answer) -> str:
    status, body = answer
    code = body.get("error_code", "no code") if isinstance(body, dict) else "no JSON"
    return f"{status}" if status < 400 or code == status else f"{status} ({code})"


def compare_values(theirs: Any, ours: Any, where: str = "body") -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs.keys() | ours.keys():
            if key not in ours:
                yield f"`{key}` → absent"
            elif key not in theirs:
                yield f"absent → `{key}`"
            else:
                yield from compare_values(theirs[key], ours[key], f"`{key}`")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for one, other in zip(theirs, ours, strict=True):
            yield from compare_values(one, other, where)
    elif theirs != ours:
        if where == "`schema`" and parse(theirs) == parse(ours):
            yield "`schema` in another form"
        else:
            yield f"{where} {show(theirs)} → {show(ours)}"


def parse(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


def show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 40 else "other"


def find_differences(their_url: str, clear: Callable[[], None]) -> set[Deviation]:
    """All differences, each with its case."""
    found: set[Deviation] = set()
    for case, rows in groupby(REQUESTS, key=lambda row: row["case"]):
        clear()
        store = Store(":memory:")
        their_ids: list[int] = []
        our_ids: list[int] = []
        with serve_in_thread(store) as our_url:
            for row in rows:
                kind = "id" if row["path"].endswith("/referencedby") else ""
                status, body = ask(their_url, row, their_ids)
                theirs = status, hide_ids(body, their_ids, kind)
                status, body = ask(our_url, row, our_ids)
                ours = status, hide_ids(body, our_ids, kind)
                found |= {(case, route_of(row), one) for one in compare(theirs, ours)}
        store.close()
    return found


def read_reasons() -> dict[Deviation, str]:
    """Why each difference that the rows have is there."""
    return {
        (row.get("case", ""), route, row["difference"]): row["reason"]
        for row in read_lines(ROWS)
        for route in row["requests"]
    }


def write_rows(reasons: dict[Deviation, str]) -> str:
    """The rows as text: differences that are alike for the same reason are one row."""
    routes: dict[tuple[str, str, str], list[str]] = {}
    for (case, route, difference), reason in reasons.items():
        routes.setdefault((reason, difference, case), []).append(route)
    rows = [
        {"difference": difference, "requests": sorted(requests)}
        | ({"case": case} if case else {})
        | {"reason": reason}
        for (reason, difference, case), requests in sorted(routes.items())
    ]
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


HEAD = f"""# Where the embedded registry differs from Apicurio Registry 3.3.3

The same {len(REQUESTS)} requests were sent to both. Here is every difference in status, error code
and body (Apicurio's, an arrow, ours), under the reason why ours is as it is: the model is
Confluent's registry, whose API both speak. The wording of errors is not compared.

Written by `tests/real/test_registry_differences.py`, which fails when this is not true any more.
"""


def write_table() -> str:
    """The rows as a page for people, under their reasons."""
    lines = [HEAD]
    for reason, rows in groupby(read_lines(ROWS), key=lambda row: row["reason"]):
        lines += [f"## {reason}", "", "| request | Apicurio → ours |", "|---|---|"]
        shown = (f"| `{name}` | {row['difference']} |" for row in rows for name in row["requests"])
        lines += [*dict.fromkeys(shown), ""]
    return "\n".join(lines).rstrip() + "\n"


def test_the_differences_are_those_that_have_a_reason(
    registries: Callable[[str], Registry], update_golden: bool
) -> None:
    registry = registries("apicurio-3")
    found = find_differences(registry.url, registry.clear)
    reasons = read_reasons()
    # A difference is covered by the row for its case, or by the one for all cases.
    covered = {one: {one, ("", *one[1:])} & reasons.keys() for one in found}
    used = set[Deviation]().union(*covered.values())
    unlisted = {one for one, rows in covered.items() if not rows}
    if update_golden:
        kept = {one: reason for one, reason in reasons.items() if one in used}
        ROWS.write_text(write_rows(kept | dict.fromkeys(unlisted, "")), "utf-8")
    else:
        assert (unlisted, reasons.keys() - used) == (set(), set())


def test_every_row_has_a_reason_and_is_in_the_documentation(update_golden: bool) -> None:
    assert [one for one, reason in read_reasons().items() if not reason] == []
    if update_golden:
        TABLE.write_text(write_table(), "utf-8")
    assert TABLE.read_text("utf-8") == write_table()


def test_there_are_many_requests_to_most_routes() -> None:
    assert len(REQUESTS) >= 200
    assert len({route_of(row) for row in REQUESTS}) >= 60
