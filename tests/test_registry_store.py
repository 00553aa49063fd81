"""The rules of the embedded registry: what is registered, found, judged, deleted and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from embedded import Registry
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import record


@pytest.fixture
def registry() -> Registry:
    return Registry()


A = record(("a", "int"))
B = record(("a", "int"), {"name": "b", "type": "int", "default": 0})
C = record(("a", "int"), ("c", "string"))
TEXT = {"schema": json.dumps(A)}


# --- identity ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (A, json.dumps(A, indent=4), True),
        (A, dict(reversed(A.items())), True),
        ({"type": "string"}, "string", True),
        (A, {**A, "doc": "said"}, False),
        (A, {**A, "aliases": ["Old"]}, False),
        (record(("a", "int"), x=1, y=2), record(("a", "int"), y=2, x=1), False),
        (B, record(("a", "int"), {"name": "b", "type": "int", "default": 1}), False),
    ],
)
def test_two_texts_of_one_schema_are_one_version(
    registry: Registry, one: Any, other: Any, is_same: bool
) -> None:
    first, second = registry.register("s", one), registry.register("s", other)
    assert (first == second) is is_same
    assert list(registry.versions("s")) == ([1] if is_same else [1, 2])


def test_normalizing_makes_the_order_of_properties_no_matter(registry: Registry) -> None:
    one, other = record(("a", "int"), x=1, y={"q": 1, "p": 2}), record(
        ("a", "int"), y={"p": 2, "q": 1}, x=1
    )  # fmt: skip
    first = registry.register("s", one, normalize=True)
    assert registry.register("s", other, normalize=True) == first
    body = {"schema": json.dumps(other)}
    assert registry.code("POST", "/subjects/s", body) == 40403
    assert registry.ask("POST", "/subjects/s", body, normalize="True")[1]["version"] == 1
    registry.ask("PUT", "/config/t", {"normalize": True})
    assert registry.register("t", other) == first


def test_the_text_that_is_kept_is_what_avro_java_prints(registry: Registry) -> None:
    schema = {"fields": [{"type": {"type": "int"}, "name": "a"}], "name": "x.R", "type": "record"}
    id = registry.register("s", schema)
    text = '{"type":"record","name":"R","namespace":"x","fields":[{"name":"a","type":"int"}]}'
    assert registry.get(f"/schemas/ids/{id}")["schema"] == text
    assert registry.get(f"/schemas/ids/{id}/schema") == text
    assert registry.get("/subjects/s/versions/1/schema") == text


def test_ids_are_counted_up_and_shared_between_subjects(registry: Registry) -> None:
    registry.level("NONE")
    given_ids = [registry.register(f"s{i % 3}", f'{{"type":"fixed","name":"F","size":{i}}}')
                 for i in range(1, 10)]  # fmt: skip
    assert given_ids == list(range(1, 10))
    assert registry.register("other", '{"type":"fixed","name":"F","size":4}') == 4
    found = registry.get("/schemas/ids/4/versions")
    assert found == [{"subject": "other", "version": 1}, {"subject": "s1", "version": 2}]
    assert registry.get("/schemas/ids/4/subjects") == ["other", "s1"]
    assert registry.get("/schemas/ids/4", fetchMaxId="true")["maxId"] == 9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("stu"), st.integers(0, 5)), max_size=25))
def test_registering_again_changes_nothing(steps: list[tuple[str, int]]) -> None:
    registry = Registry()
    registry.level("NONE")
    answers: dict[int, int] = {}
    places: dict[str, list[int]] = {}
    for subject, size in steps:
        id = registry.register(subject, f'{{"type":"fixed","name":"F","size":{size}}}')
        assert answers.setdefault(size, id) == id
        numbers = places.setdefault(subject, [])
        if size not in numbers:
            numbers.append(size)
    assert sorted(answers.values()) == list(range(1, len(answers) + 1))
    for subject, sizes in places.items():
        expected = {number: answers[size] for number, size in enumerate(sizes, 1)}
        assert registry.versions(subject) == expected


# --- deletion ------------------------------------------------------------------------------------


def test_deleted_softly_then_for_good(registry: Registry) -> None:
    first, second = registry.register("s", A), registry.register("s", B)
    assert registry.ask("DELETE", "/subjects/s/versions/1") == (200, 1)
    assert registry.code("DELETE", "/subjects/s/versions/1") == 40406
    assert registry.code("GET", "/subjects/s/versions/1") == 40402
    assert registry.get("/subjects/s/versions/1", deleted="True")["deleted"] is True
    assert registry.get(f"/schemas/ids/{first}")["schema"]
    assert registry.ask("DELETE", "/subjects/s/versions/latest") == (200, 2)
    assert registry.get("/subjects") == []
    assert registry.get("/subjects", deletedOnly="true") == ["s"]
    assert registry.code("DELETE", "/subjects/s") == 40404
    assert registry.ask("DELETE", "/subjects/s", permanent="true") == (200, [1, 2])
    assert registry.code("DELETE", "/subjects/s", permanent="true") == 40401
    assert registry.code("GET", f"/schemas/ids/{first}") == 40403
    assert registry.register("s", A) == second + 1, "an id is never given again"
    assert list(registry.versions("s")) == [1]


def test_the_settings_go_with_the_last_version(registry: Registry) -> None:
    registry.register("s", A)
    registry.register("s", B)
    registry.level("FULL", "s")
    registry.ask("PUT", "/mode/s", {"mode": "READWRITE"})
    registry.ask("DELETE", "/subjects/s/versions/1")
    assert registry.get("/config/s") == {"compatibilityLevel": "FULL"}
    registry.ask("DELETE", "/subjects/s/versions/2")
    assert registry.code("GET", "/config/s") == 40408
    assert registry.code("GET", "/mode/s") == 40409


def test_what_is_referred_to_stays(registry: Registry) -> None:
    registry.register("money", record(("units", "long"), name="x.Money"))
    reference = {"name": "x.Money", "subject": "money", "version": -1}
    id = registry.register("s", record(("m", "x.Money")), references=[reference])
    shown = registry.get(f"/schemas/ids/{id}")
    assert shown["references"] == [{**reference, "version": 1}]
    assert registry.get("/subjects/money/versions/1/referencedby") == [id]
    assert registry.code("DELETE", "/subjects/money") == 42206
    assert registry.code("DELETE", "/subjects/money/versions/1") == 42206
    registry.ask("DELETE", "/subjects/s")
    assert registry.get("/subjects/money/versions/1/referencedby") == []
    assert registry.get("/subjects/money/versions/1/referencedby", deleted="true") == [id]
    assert registry.ask("DELETE", "/subjects/money") == (200, [1])
    assert registry.code("DELETE", "/subjects/money", permanent="true") == 42206
    assert registry.get(f"/schemas/ids/{id}", format="resolved")["schema"].count("units") == 1
    registry.ask("DELETE", "/subjects/s", permanent="true")
    assert registry.ask("DELETE", "/subjects/money", permanent="true") == (200, [1])


# --- references ----------------------------------------------------------------------------------


def test_references_of_references_define_each_type_once(registry: Registry) -> None:
    registry.register("base", record(("n", "int"), name="x.Base"))
    base = {"name": "x.Base", "subject": "base", "version": 1}
    for side in ("Left", "Right"):
        registry.register(side, record(("base", "x.Base"), name=f"x.{side}"), references=[base])
    sides = [{"name": f"x.{side}", "subject": side, "version": 1} for side in ("Left", "Right")]
    top = record(("l", "x.Left"), ("r", "x.Right"), name="x.Top")
    id = registry.register("top", top, references=sides)
    resolved = json.loads(registry.get(f"/schemas/ids/{id}/schema", format="resolved"))
    assert resolved["fields"][0]["type"]["fields"][0]["type"]["name"] == "Base"
    assert resolved["fields"][1]["type"]["fields"][0]["type"] == "Base"


def test_references_may_lead_to_another_context(registry: Registry) -> None:
    for subject, size in (("money", 4), (":.dev:money", 8)):
        registry.register(subject, f'{{"type":"fixed","name":"x.Money","size":{size}}}')
    for index, (subject, size) in enumerate(((":.:money", 4), ("money", 8))):
        reference = {"name": "x.Money", "subject": subject, "version": 1}
        schema = record(("m", "x.Money"), doc=str(index))
        registry.register(f":.dev:s{index}", schema, references=[reference])
        path = f"/contexts/.dev/subjects/s{index}/versions/1/schema"
        assert f'"size":{size}' in registry.get(path, format="resolved")
    assert registry.code("DELETE", "/subjects/money") == 42206
    assert registry.code("DELETE", "/contexts/.dev/subjects/money") == 42206


def test_the_check_sees_through_references(registry: Registry) -> None:
    registry.register("money", record(("units", "long"), name="x.Money"))
    registry.level("NONE", "money")
    registry.register("money", record(("units", "string"), name="x.Money"))
    reference = {"name": "x.Money", "subject": "money", "version": 1}
    registry.register("s", record(("m", "x.Money")), references=[reference])
    body = {"schema": json.dumps(record(("m", "x.Money"))),
            "references": [{**reference, "version": 2}]}  # fmt: skip
    assert registry.code("POST", "/subjects/s/versions", body) == 409
    path = "/compatibility/subjects/s/versions/latest"
    messages = registry.ask("POST", path, body, verbose="true")[1]["messages"]
    assert "TYPE_MISMATCH" in messages[0]
    assert "/fields/0/type/fields/0/type" in messages[0]


# --- what a version may be ----------------------------------------------------------------------


def test_a_version_may_be_named_only_where_it_is_next(registry: Registry) -> None:
    registry.register("s", A, version=1)
    assert registry.register("s", A, version=1) == 1
    body = {"schema": json.dumps(B), "version": 1}
    assert registry.code("POST", "/subjects/s/versions", body) == 42201
    assert registry.versions("s") == {1: 1}
    registry.register("s", B, version=2)
    assert registry.versions("s") == {1: 1, 2: 2}


def test_importing_keeps_ids_and_versions(registry: Registry) -> None:
    registry.ask("PUT", "/mode/s", {"mode": "IMPORT"})
    assert registry.code("POST", "/subjects/s/versions", TEXT) == 42205
    assert registry.register("s", C, id=90, version=4) == 90
    assert registry.register("s", A, id=70, version=2) == 70, "no history is asked"
    assert registry.register("s", A, id=70, version=2) == 70
    for id, version, schema, code in (
        (90, 5, B, 42205),  # the id of another schema
        (91, 5, C, 42207),  # another id of the schema
        (95, 4, B, 42205),  # the place of another version
    ):
        body = {"schema": json.dumps(schema), "id": id, "version": version}
        assert registry.code("POST", "/subjects/s/versions", body) == code
    assert registry.versions("s") == {2: 70, 4: 90}
    registry.ask("DELETE", "/mode/s")
    assert registry.register("t", B) == 91


@pytest.mark.parametrize(
    ("mode", "scope", "may_register", "may_delete"),
    [
        ("READWRITE", "", True, True),
        ("READONLY", "", False, False),
        ("READONLY", "/s", False, False),
        ("READONLY_OVERRIDE", "", False, False),
        ("FORWARD", "/s", False, True),
    ],
)
def test_modes(
    registry: Registry, mode: str, scope: str, may_register: bool, may_delete: bool
) -> None:
    registry.register("s", A)
    if mode == "READONLY_OVERRIDE":
        registry.ask("PUT", "/mode/s", {"mode": "READWRITE"})
    assert registry.ask("PUT", f"/mode{scope}", {"mode": mode.lower()}) == (200, {"mode": mode})
    body = {"schema": json.dumps(B)}
    status, answer = registry.ask("POST", "/subjects/s/versions", body)
    assert (status == 200) is may_register
    assert may_register or answer["error_code"] == 42205
    status, answer = registry.ask("DELETE", "/subjects/s")
    assert (status == 200) is may_delete
    assert registry.get("/mode/s", defaultToGlobal="true") == {"mode": mode} or may_delete


def test_modes_of_subjects_go_with_all_when_asked(registry: Registry) -> None:
    for path in ("/mode", "/mode/s", "/mode/%3A.dev%3As"):
        registry.ask("PUT", path, {"mode": "READONLY"})
    assert registry.ask("DELETE", "/mode/%3A.dev%3A", recursive="true")[0] == 200
    assert registry.code("GET", "/mode/%3A.dev%3As") == 40409
    assert registry.get("/mode/s") == {"mode": "READONLY"}
    assert registry.ask("DELETE", "/mode", recursive="true") == (200, {"mode": "READONLY"})
    assert registry.code("GET", "/mode/s") == 40409


# --- metadata, rules and settings ---------------------------------------------------------------

OWNED = {"properties": {"owner": "orders", "major": "1"}}
RULES = {"domainRules": [{"name": "short", "kind": "CONDITION", "type": "CEL", "expr": "true"}]}


def test_metadata_and_rules_are_kept_and_inherited(registry: Registry) -> None:
    first = registry.register("s", A, metadata=OWNED, ruleSet=RULES)
    shown = registry.get("/subjects/s/versions/1")
    assert (shown["metadata"], shown["ruleSet"]) == (OWNED, RULES)
    assert registry.register("s", A) == first
    registry.register("s", B)
    shown = registry.get("/subjects/s/versions/latest")
    assert (shown["metadata"], shown["ruleSet"]) == (OWNED, RULES)
    other = {"properties": {"owner": "stock"}}
    third = registry.register("s", B, metadata=other)
    assert registry.versions("s") == {1: first, 2: 2, 3: third}
    lookup = {"schema": json.dumps(B), "metadata": OWNED}
    assert registry.ask("POST", "/subjects/s", lookup)[1]["version"] == 2
    found = registry.get("/subjects/s/metadata", key="owner", value="orders")
    assert found["version"] == 2
    assert registry.code("GET", "/subjects/s/metadata", key="owner", value="nobody") == 40403


def test_settings_give_metadata_below_and_above(registry: Registry) -> None:
    registry.ask("PUT", "/config", {
        "defaultMetadata": {"properties": {"owner": "nobody", "team": "x"}},
        "overrideMetadata": {"properties": {"site": "here"}},
        "defaultRuleSet": RULES,
    })  # fmt: skip
    registry.register("s", A, metadata={"properties": {"owner": "me", "site": "there"}})
    shown = registry.get("/subjects/s/versions/1")
    assert shown["metadata"]["properties"] == {"owner": "me", "team": "x", "site": "here"}
    assert shown["ruleSet"] == RULES
    assert registry.register("s", A) == 1


def test_a_compatibility_group_has_a_history_of_its_own(registry: Registry) -> None:
    registry.ask("PUT", "/config/s", {"compatibilityGroup": "major"})
    registry.register("s", A, metadata={"properties": {"major": "1"}})
    body = {"schema": json.dumps(C), "metadata": {"properties": {"major": "1"}}}
    assert registry.code("POST", "/subjects/s/versions", body) == 409
    registry.register("s", C, metadata={"properties": {"major": "2"}})
    registry.register("s", B, metadata={"properties": {"major": "1"}})
    assert list(registry.versions("s")) == [1, 2, 3]


def test_settings_come_from_the_subject_its_context_and_all(registry: Registry) -> None:
    subject = "/config/%3A.dev%3As"
    registry.level("full")
    assert registry.get(subject, defaultToGlobal="true")["compatibilityLevel"] == "FULL"
    registry.ask("PUT", "/config/%3A.dev%3A", {"compatibility": "NONE"})
    assert registry.get(subject, defaultToGlobal="true")["compatibilityLevel"] == "NONE"
    assert registry.get("/config/s", defaultToGlobal="true")["compatibilityLevel"] == "FULL"
    registry.ask("PUT", subject, {"compatibility": "FORWARD", "alias": "t", "unknown": 1})
    assert registry.get(subject) == {"compatibilityLevel": "FORWARD", "alias": "t"}
    registry.ask("PUT", subject, {"alias": None})
    assert registry.ask("DELETE", subject) == (200, {"compatibilityLevel": "FORWARD"})
    assert registry.ask("DELETE", "/config") == (200, {"compatibilityLevel": "FULL"})
    assert registry.get("/config") == {"compatibilityLevel": "BACKWARD"}
    assert registry.code("PUT", "/config", {"normalize": "yes"}) == 422


# --- compatibility ------------------------------------------------------------------------------


def conformance_rows() -> list[Any]:
    lines = (Path(__file__).parent / "conformance/levels.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [pytest.param(row, id=row["id"]) for row in rows]


@pytest.mark.parametrize("row", conformance_rows())
def test_registering_agrees_with_the_measured_levels(registry: Registry, row: Any) -> None:
    registry.level("NONE")
    versions = [registry.register("s", schema) for schema in row["previous"]]
    assert len(set(versions)) == len(versions), "a history repeats no schema"
    registry.level(row["level"], "s")
    body = {"schema": json.dumps(row["new"])}
    path = "/compatibility/subjects/s/versions"
    assert registry.ask("POST", path, body) == (200, {"is_compatible": row["compatible"]})
    if json.dumps(row["new"]) not in map(json.dumps, row["previous"]):
        status = registry.ask("POST", "/subjects/s/versions", body)[0]
        assert status == (200 if row["compatible"] else 409)


def test_one_version_can_be_asked_about(registry: Registry) -> None:
    registry.level("NONE")
    registry.register("s", C)
    registry.register("s", A)
    registry.level("FORWARD_TRANSITIVE", "s")
    path, body = "/compatibility/subjects/s/versions", {"schema": json.dumps(B)}
    assert registry.ask("POST", path, body)[1] == {"is_compatible": False}
    assert registry.ask("POST", f"{path}/1", body)[1] == {"is_compatible": False}
    assert registry.ask("POST", f"{path}/2", body)[1] == {"is_compatible": True}
    assert registry.ask("POST", f"{path}/latest", body)[1] == {"is_compatible": True}
    assert registry.code("POST", f"{path}/3", body) == 40402
    assert registry.code("POST", "/compatibility/subjects/none/versions/1", body) == 40402
    nobody = "/compatibility/subjects/none/versions/latest"
    answer = registry.ask("POST", nobody, body, verbose="True")
    assert answer == (200, {"is_compatible": True, "messages": []})
    assert registry.code("POST", nobody, {"schema": "{}"}) == 42201


def test_a_long_schema_is_quoted_in_part(registry: Registry) -> None:
    old = record(("a", "int"), doc="x" * 20_000)
    registry.register("s", old)
    _, answer = registry.ask("POST", "/subjects/s/versions", {"schema": json.dumps(C)})
    assert '{oldSchema: <truncated> \'{"type":"record"' in answer["message"]
    assert len(answer["message"]) < 12_000


def test_what_is_not_judged_is_not_called_compatible(registry: Registry) -> None:
    kind = {"schemaType": "JSON"}
    registry.register("s", '{"type": "object"}', **kind)
    path, body = "/compatibility/subjects/s/versions/latest", {"schema": '{"type": "string"}'}
    assert registry.code("POST", path, body | kind) == 501
    registry.register("s", body["schema"], **kind)
    assert registry.get("/subjects/s/versions/2/schema") == body["schema"]
    registry.level("NONE", "s")
    assert registry.ask("POST", path, body | kind)[1] == {"is_compatible": True}


# --- lists --------------------------------------------------------------------------------------


def test_lists_come_in_pages(registry: Registry) -> None:
    for number in range(12):
        registry.register(f"s{number:02}", A)
        registry.register(f"s{number:02}", B)
    registry.register(":.dev:s", A)
    assert registry.get("/subjects", offset="2", limit="3") == ["s01", "s02", "s03"]
    assert registry.get("/subjects", subjectPrefix="s1") == ["s10", "s11"]
    assert registry.get("/subjects", subjectPrefix=":*:s1") == ["s10", "s11"]
    assert registry.get("/subjects", subjectPrefix=":.dev:") == [":.dev:s"]
    assert registry.get("/contexts/.dev/subjects") == [":.dev:s"]
    assert registry.get("/subjects/s00/versions", offset="1") == [2]
    assert len(registry.get("/schemas")) == 25
    latest = registry.get("/schemas", latestOnly="true", subjectPrefix="s", limit="2")
    assert [(one["subject"], one["version"]) for one in latest] == [("s00", 2), ("s01", 2)]
    assert registry.get("/schemas/types") == ["JSON", "PROTOBUF", "AVRO"]


def test_a_guid_means_a_schema_in_all_contexts(registry: Registry) -> None:
    registry.register("first", B)
    registry.register("s", A)
    registry.register(":.dev:s", A)
    guid = registry.get("/subjects/s/versions/1")["guid"]
    assert registry.get(f"/schemas/guids/{guid}")["schema"]
    ids = [{"context": ".", "id": 2}, {"context": ".dev", "id": 1}]
    assert registry.get(f"/schemas/guids/{guid}/ids") == ids
    assert registry.code("GET", "/schemas/guids/none") == 40403


# --- bad input ----------------------------------------------------------------------------------

BAD_BODIES: list[tuple[Any, int]] = [
    (None, 422),
    ({"schema": None}, 42201),
    ({"schema": " "}, 42201),
    ({"schema": '"\\ud800"'}, 42201),
    ({"schema": '"int"', "schemaType": []}, 422),
    ({"schema": '"int"', "metadata": []}, 422),
    ({"schema": '"int"', "metadata": {"properties": []}}, 422),
    ({"schema": '"int"', "ruleSet": 7}, 42210),
    ({"schema": '"int"', "references": [{}]}, 422),
    ({"schema": '"int"', "references": [{"name": "a", "subject": "b", "version": True}]}, 422),
    ({"schema": '"int"', "references": [{"name": "a", "subject": "b", "version": 0}]}, 422),
    ({"schema": '"int"', "references": [{"name": "a", "subject": "b", "version": 1}]}, 42201),
    ({"schema": '"int"', "references": [{"name": "a", "subject": "s", "version": -1}]}, 42201),
    ({"schema": "\ud800", "schemaType": "JSON"}, 400),
    ({"schema": "[" * 100_000}, 42201),
    ({"schema": '{"type":"array","items":' * 5000 + '"int"' + "}" * 5000}, 42201),
    ({"schema": '{"type":"record","name":"R","fields":[{"name":"a","type":"Gone"}]}'}, 42201),
    ({"schema": '{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":""}]}'},
     42201),
]  # fmt: skip


TAGGED = record(
    {"name": "name", "type": "string", "confluent:tags": ["PII", "EU"]},
    {"name": "home", "type": record(
        {"name": "street", "type": "string", "confluent:tags": ["PII"]}, name="x.Home")},
    name="x.Person", **{"confluent:tags": ["EU"]},
)  # fmt: skip


def entity(path: str, kind: str, *tags: str) -> dict[str, Any]:
    return {"schemaEntity": {"entityPath": path, "entityType": kind}, "tags": list(tags)}


@pytest.mark.parametrize("path", ["/schemas/ids/1", "/subjects/s/versions/1"])
def test_tags_are_found(registry: Registry, path: str) -> None:
    registry.register("s", TAGGED)
    person = entity("x.Person", "sr_record", "EU")
    name = entity("x.Person.name", "sr_field", "PII", "EU")
    street = entity("x.Home.street", "sr_field", "PII")
    assert registry.get(path, findTags="*")["schemaTags"] == [person, name, street]
    assert registry.get(path, findTags="PII")["schemaTags"] == [name, street]
    assert registry.get(path, findTags="GONE")["schemaTags"] == []
    assert "schemaTags" not in registry.get(path)


def test_references_are_written_with_their_context_where_it_is_asked(registry: Registry) -> None:
    registry.register(":.dev:money", '{"type":"fixed","name":"x.Money","size":4}')
    reference = {"name": "x.Money", "subject": "money", "version": 1}
    registry.register(":.dev:s", record(("m", "x.Money")), references=[reference])
    path = "/contexts/.dev/subjects/s/versions/1"
    assert registry.get(path)["references"] == [reference]
    qualified = registry.get(path, referenceFormat="qualified")["references"]
    assert qualified == [{**reference, "subject": ":.dev:money"}]


def test_a_context_is_deleted_once_it_is_empty(registry: Registry) -> None:
    registry.register(":.dev:s", A)
    registry.register("s", A)
    registry.level("FULL", ":.dev:s")
    assert registry.ask("PUT", "/contexts/.dev/mode", {"mode": "READONLY"})[0] == 200
    assert registry.code("DELETE", "/contexts/.dev") == 42205
    assert registry.ask("PUT", "/contexts/.dev/mode", {"mode": "READWRITE"})[0] == 200
    assert registry.code("DELETE", "/contexts/.dev") == 42211
    assert registry.ask("DELETE", "/contexts/.dev/subjects/s")[0] == 200
    assert registry.code("DELETE", "/contexts/:.dev:") == 42211, "deleted versions are versions"
    assert registry.ask("DELETE", "/contexts/.dev/subjects/s", permanent="true")[0] == 200
    assert registry.ask("PUT", "/contexts/.dev/config", {"compatibility": "FULL"})[0] == 200
    assert registry.ask("DELETE", "/contexts/.dev") == (204, "")
    assert registry.code("GET", "/contexts/.dev/config") == 40408
    assert registry.get("/contexts", contextPrefix=":.d") == []
    assert registry.get("/subjects") == ["s"]
    assert registry.code("DELETE", "/contexts/.") == 42211


def test_a_policy_that_is_not_judged_never_says_yes(registry: Registry) -> None:
    policy = {"compatibilityPolicy": "LOGICAL"}
    assert registry.code("PUT", "/config/s", {**policy, "compatibility": "FORWARD"}) == 42203
    assert registry.ask("PUT", "/config/s", policy) == (200, policy)
    assert registry.code("PUT", "/config/s", {"compatibility": "FORWARD_TRANSITIVE"}) == 42203
    registry.register("s", A)
    body = {"schema": json.dumps(B)}
    assert registry.code("POST", "/compatibility/subjects/s/versions/latest", body) == 501
    assert registry.code("POST", "/subjects/s/versions", body) == 501
    assert registry.code("POST", "/subjects/s/versions", {"schema": json.dumps(C)}) == 409
    registry.level("NONE", "s")
    registry.register("s", B)
    unset = {"compatibilityPolicy": None, "compatibility": "FORWARD"}
    assert registry.ask("PUT", "/config/s", unset)[0] == 200
    lower = {"compatibilityPolicy": "logical"}
    assert registry.code("PUT", "/config/s", lower) == 42203
    assert registry.get("/config/s") == {"compatibilityLevel": "FORWARD"}


def test_the_client_is_told_what_the_registry_added(registry: Registry) -> None:
    registry.register("s", A, metadata=OWNED)
    _, answer = registry.ask("POST", "/subjects/s/versions", {"schema": json.dumps(B)})
    assert answer == registry.get("/subjects/s/versions/2")
    assert answer["metadata"] == OWNED
    _, answer = registry.ask("POST", "/subjects/t/versions", {"schema": json.dumps(B)})
    assert answer.keys() == {"id", "guid"}


def test_the_import_mode_may_be_set_again(registry: Registry) -> None:
    assert registry.ask("PUT", "/mode", {"mode": "IMPORT"})[0] == 200
    registry.register("s", A, id=7, version=3)
    assert registry.ask("PUT", "/mode", {"mode": "IMPORT"})[0] == 200
    assert registry.ask("PUT", "/mode/s", {"mode": "READWRITE"})[0] == 200
    assert registry.code("PUT", "/mode/s", {"mode": "IMPORT"}) == 42205
    assert registry.ask("PUT", "/mode/s", {"mode": "FORWARD"})[0] == 200
    assert registry.register("s", B, id=9, version=4) == 9


@pytest.mark.parametrize(("body", "code"), BAD_BODIES)
@pytest.mark.parametrize("path", ["/subjects/s/versions", "/compatibility/subjects/s/versions"])
def test_bad_bodies_are_refused(registry: Registry, path: str, body: Any, code: int) -> None:
    assert registry.code("POST", path, body) == code
    assert registry.get("/subjects") == []


@pytest.mark.parametrize(
    "more", [{"id": 2**31}, {"id": True}, {"version": 10**30}, {"version": "1"}, {"id": [1]}]
)
def test_bad_numbers_are_refused(registry: Registry, more: Any) -> None:
    assert registry.code("POST", "/subjects/s/versions", TEXT | more) == 422
    assert registry.get("/subjects") == []


@pytest.mark.parametrize(
    "subject", ["%20", "a%0Ab", "__GLOBAL", "%3A.dev%3A", "%3A.dev", "x" * 1001, "%ff"]
)
def test_bad_subjects_are_refused(registry: Registry, subject: str) -> None:
    assert registry.code("POST", f"/subjects/{subject}/versions", TEXT) in (42208, 400)


@pytest.mark.parametrize(
    "subject", ["a/b", "a b", "größe", "a%b", "a:b", "../../etc", "'; --", "."]
)
def test_any_other_name_is_a_subject(registry: Registry, subject: str) -> None:
    registry.register(subject, A)
    assert registry.get("/subjects") == [subject]
    assert registry.versions(subject) == {1: 1}
    path = f"/subjects/{quote(subject, safe='')}"
    assert registry.ask("DELETE", path) == (200, [1])
    assert registry.register("next", B) == 2


WORDS = st.sampled_from([
    "", "/", "subjects", "versions", "schemas", "ids", "guids", "config", "mode", "contexts",
    "compatibility", "metadata", "s", "1", "-1", "latest", "0", "99999999999", "%ff", "%3A.c%3As",
    ".c", ":.c:", "types", "schema", "referencedby", "\ud800",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5)
    | st.sampled_from(["AVRO", "JSON", "NONE", "FULL", "IMPORT", json.dumps(A), json.dumps(B)]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["schema", "schemaType", "references", "metadata", "ruleSet", "id",
                         "version", "name", "subject", "compatibility", "mode", "properties"]),
        inner, max_size=6),
    max_leaves=12,
)  # fmt: skip
FLAGS = st.dictionaries(
    st.sampled_from(["deleted", "permanent", "normalize", "offset", "limit", "subject", "force",
                     "verbose", "fetchMaxId", "subjectPrefix", "key", "value", "format",
                     "findTags", "referenceFormat", "contextPrefix"]),
    st.sampled_from(["true", "False", "1", "-1", "x", "s", ":.c:", ":*:", "resolved", "9" * 5000]),
    max_size=4,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["GET", "POST", "PUT", "DELETE", "BREW"]),
                  st.lists(WORDS, max_size=6), FLAGS, VALUES),
        max_size=4,
    )
)  # fmt: skip
def test_no_request_is_too_strange_for_an_answer(steps: Any) -> None:
    registry = Registry()
    registry.register("s", A)
    for method, words, query, body in steps:
        status, answer = registry.ask(method, "/" + "/".join(words), body, **query)
        assert 200 <= status < 500, answer
        if status >= 400:
            assert {"error_code", "message"} == answer.keys()
