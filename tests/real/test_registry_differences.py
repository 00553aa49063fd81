"""The same requests to Apicurio Registry and to the embedded registry: where do they differ?

Each difference is a row of codegen/registry/DEVIATIONS.md with the reason why ours is as it is.
One that the table does not have fails, and so does a row that is not true any more.
`pytest tests/real/test_registry_differences.py --update-golden` writes the rows anew, and leaves
their reasons for you to write.
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

import pytest

from codegen.registry.http import serve_in_thread
from codegen.registry.store import Store
from real.registries import Registry

HERE = Path(__file__).parent
REQUESTS = [
    json.loads(line) for line in (HERE / "registry_requests.jsonl").read_text("utf-8").splitlines()
]
TABLE = HERE.parent.parent / "codegen/registry/DEVIATIONS.md"
Answer = tuple[int, Any]


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

    Ids that a list holds are told by their number: no test has so many versions.
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


def find_differences(their_url: str, clear: Callable[[], None]) -> dict[tuple[str, str], str]:
    """The case of the first request that shows each difference, by route and difference."""
    found: dict[tuple[str, str], str] = {}
    for case, rows in groupby(REQUESTS, key=lambda row: row["case"]):
        clear()
        store = Store(":memory:")
        their_ids: list[int] = []
        our_ids: list[int] = []
        with serve_in_thread(store) as our_url:
            for row in rows:
                theirs = ask(their_url, row, their_ids)
                ours = ask(our_url, row, our_ids)
                pair = (theirs[0], hide_ids(theirs[1], their_ids)), (
                    ours[0], hide_ids(ours[1], our_ids)
                )  # fmt: skip
                for difference in compare(*pair):
                    found.setdefault((route_of(row), difference), case)
        store.close()
    return found
