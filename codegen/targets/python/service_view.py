"""What the pages of a service's package say: its producer, consumer, fakes, README and project.

A pure function from a service to pages, each a template and the strings and booleans that it
prints. How models and codecs are called is decided elsewhere and comes in as `Names`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from codegen.contract.model import Contract, Event, FieldKey, Service, Topic
from codegen.diagnostics import KontraktError
from codegen.targets.python.literals import function_head

CONFLUENT_KAFKA = "confluent-kafka>=2.6"
AIOKAFKA = "aiokafka[lz4,snappy,zstd]>=0.13"
"""What a generated package depends on, without and with asyncio."""
OPENTELEMETRY = "opentelemetry-api>=1.20"
"""What its metrics for OpenTelemetry need besides."""

EXPORTED = (
    ("Action", "_runtime.policy"),
    ("DecodeError", "_runtime.errors"),
    ("Delivery", "_runtime.producing.delivery"),
    ("DeliveryError", "_runtime.errors"),
    ("DeliveryFailed", "_runtime.errors"),
    ("EncodeError", "_runtime.errors"),
    ("ConsumerHealth", "_runtime.consuming.health"),
    ("Inbox", "_runtime.storage.inbox"),
    ("MemoryInbox", "_runtime.storage.inbox"),
    ("KeyedMessage", "_runtime.messages.message"),
    ("Message", "_runtime.messages.message"),
    ("InboxLost", "_runtime.errors"),
    ("MessageFailed", "_runtime.errors"),
    ("MessageTooLarge", "_runtime.errors"),
    ("MessagingMetrics", "_runtime.metrics"),
    ("OpenTelemetryMetrics", "_runtime.telemetry"),
    ("MessageOutcome", "_runtime.metrics"),
    ("Policy", "_runtime.policy"),
    ("PostgresInbox", "_runtime.storage.inbox"),
    ("ProducerEnded", "_runtime.errors"),
    ("ProducerFenced", "_runtime.errors"),
    ("RegistryError", "_runtime.errors"),
    ("RegistryUnavailable", "_runtime.errors"),
    ("RejectMessage", "_runtime.errors"),
    ("SchemaNotRegistered", "_runtime.errors"),
    ("Settings", "_runtime.kafka.settings"),
    ("SettingsError", "_runtime.errors"),
    ("SqliteInbox", "_runtime.storage.inbox"),
    ("Statistics", "_runtime.consuming.judging"),
    ("StubError", "_runtime.errors"),
    ("TransactionFailed", "_runtime.errors"),
    ("settings", "_runtime.kafka.settings"),
)
"""What every package offers beside its models, and the module it comes from."""

_FLAVOURED = (
    "consuming.consumer",
    "fakes.service",
    "producing.delivery",
    "producing.producer",
    "storage.inbox",
    "storage.outbox",
)
"""Modules of the runtime that have a twin for asyncio, with the same names in it."""

_CONSUMING = {
    *("Action", "ConsumerHealth", "DecodeError", "Inbox", "InboxLost", "MemoryInbox"),
    *("MessageFailed", "Policy", "PostgresInbox", "RejectMessage", "SqliteInbox", "Statistics"),
}
_PRODUCING = {"MessageTooLarge", "SchemaNotRegistered", "EncodeError", "ProducerEnded"}
_PRODUCING |= {"ProducerFenced", "TransactionFailed"}

RESERVED_NAMES = frozenset(name for name, _ in EXPORTED) | {
    "BatchConsumer",
    "BatchHandler",
    "Consumer",
    "Handler",
    "KeyedReceived",
    "Received",
    "Outbox",
    "Produced",
    "Producer",
    "Fakes",
    # What the pages import for themselves.
    "Batched",
    "KeyedBatched",
    "Callable",
    "EventConsumer",
    "EventOutbox",
    "EventProducer",
    "Never",
    "Protocol",
    "Route",
    "Sequence",
    "ServiceFakes",
    "TypeAlias",
    "Union",
}
"""Names that no model may have: it would hide what the package offers under that name."""


@dataclass(frozen=True, slots=True)
class Names:
    """How the package, its models and its event types are called in Python."""

    package: str
    version: str
    models: tuple[str, ...]
    """Every class that the module `models` offers."""
    classes: Mapping[str, str]
    """The class of each event, by full name."""
    constants: Mapping[tuple[str, str], str]
    """The EventType in the module `codecs` of each event, by topic and full name."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """The class of the keys of each topic whose keys have a schema."""
    is_async: bool = False
    """Whether the stubs are for asyncio."""

    def module(self, name: str) -> str:
        """The module of the runtime that holds something, in this flavour."""
        if self.is_async and name in _FLAVOURED:
            folder, _, module = name.partition(".")
            name = f"{folder}.async_{module}"
        return f"_runtime.{name}"


@dataclass(frozen=True, slots=True)
class Page:
    """One file: its path in the package's folder, its template, and what that prints.

    `untested` is that of the generated file.
    """

    path: str
    template: str
    values: Mapping[str, object]
    untested: tuple[tuple[str, str], ...] = ()


def service_pages(service: Service, contract: Contract, names: Names) -> tuple[Page, ...]:
    """The pages of a service; one that only consumes has no producer, and the other way round.

    Raises KontraktError when the service produces one event on two topics: `send` could not know
    which of them is meant.
    """
    _require_one_topic(service)
    view = _view(service, contract, names)
    pages = [
        Page("pyproject.toml", "pyproject.toml.j2", {**view, "version": names.version}),
        Page("README.md", "readme.md.j2", view),
        Page(f"{names.package}/__init__.py", "init.py.j2", view),
        Page(f"{names.package}/fakes.py", "fakes.py.j2", view),
        Page(f"{names.package}/pytest_plugin.py", "pytest_plugin.py.j2", view),
    ]
    if service.produces:
        pages.append(Page(f"{names.package}/producer.py", "producer.py.j2", view))
    if service.consumes:
        pages.append(Page(f"{names.package}/consumer.py", "consumer.py.j2", view))
    return tuple(pages)


def import_order(names: Iterable[str]) -> list[str]:
    """Sort imported names as isort does: constants, classes, others, each in natural order."""
    return sorted(set(names), key=_import_key)


def _import_key(name: str) -> tuple[int, list[tuple[int, str]], str]:
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = re.split(r"(\d+)", name.lower())
    return kind, [(int(part) if part.isdigit() else -1, part) for part in parts], name


def prose(text: str) -> str:
    """A doc as one line of Markdown in which nothing is markup."""
    line = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", line)


def toml_string(text: str) -> str:
    """A TOML basic string (TOML 1.0): as JSON's, but DEL must be escaped as well."""
    return json.dumps(" ".join(text.split()), ensure_ascii=False).replace("\x7f", "\\u007F")


def _require_one_topic(service: Service) -> None:
    topics: dict[str, str] = {}
    for event in service.produces:
        other = topics.setdefault(event.name, event.topic)
        if other != event.topic:
            raise KontraktError(
                f"{service.name} produces {event.name} on {other} and on {event.topic}, so its "
                "producer could not tell where to send it",
                "let the service produce it on one topic, or give the other its own event",
            )


def _view(service: Service, contract: Contract, names: Names) -> Mapping[str, object]:
    consumed = [_event_view(event, contract, names) for event in service.consumes]
    produced = [_event_view(event, contract, names) for event in service.produces]
    topics = _topics(service, contract)
    deletes = _deletions(service.produces, contract, names, "delete_from_")
    deletions = _deletions(service.consumes, contract, names, "on_deletion_from_")
    consumed_classes = import_order(str(view["class"]) for view in consumed)
    produced_classes = import_order(str(view["class"]) for view in produced)
    return {
        "service": service.name,
        "package": names.package,
        "distribution": service.name.replace("_", "-"),
        "doc": prose(service.doc) or f"The service {service.name}.",
        "description": toml_string(service.doc or f"Typed stubs of {service.name}."),
        "requirement": AIOKAFKA if names.is_async else CONFLUENT_KAFKA,
        "telemetry": OPENTELEMETRY,
        "budgets": [
            {"topic": topic.name, "bytes": topic.max_payload_bytes}
            for topic in topics
            if topic.max_payload_bytes and topic.name in {event.topic for event in service.produces}
        ],
        "client": "aiokafka" if names.is_async else "confluent-kafka",
        "is_async": names.is_async,
        "offers_exactly_once": bool(produced),
        "entered": ", entered before" if names.is_async else "",
        "in_threads": "" if names.is_async else ", each in a thread",
        "async": "async " if names.is_async else "",
        "await": "await " if names.is_async else "",
        "consumes": bool(consumed),
        "produces": bool(produced),
        "consumed": consumed,
        "produced": produced,
        "handlers": _handlers(consumed, names),
        "consumed_classes": consumed_classes,
        "produced_classes": produced_classes,
        "event_classes": import_order([*consumed_classes, *produced_classes]),
        # A union of one is no union.
        "consumed_one": consumed_classes[0] if len(consumed_classes) == 1 else "",
        "produced_one": produced_classes[0] if len(produced_classes) == 1 else "",
        "fakes_typing": _typing_names(len(consumed_classes), len(produced_classes)),
        "consumed_constants": import_order(str(view["constant"]) for view in consumed),
        "produced_constants": import_order(str(view["constant"]) for view in produced),
        "event_constants": import_order(str(view["constant"]) for view in (*consumed, *produced)),
        "example": str((*consumed, *produced)[0]["class"]),
        "tested": snake(str((*consumed, *produced)[0]["class"])),
        "handle_imports": import_order(
            [
                *consumed_classes,
                *(str(one["key_class"]) for one in consumed if one["is_keyed"]),
                *(str(one["message"]).partition("[")[0] for one in consumed),
                "Consumer",
                "Handler",
                "settings",
            ]
        ),
        "test_imports": ", ".join(
            import_order(
                [
                    str((*consumed, *produced)[0]["class"]),
                    "Consumer" if consumed else "Producer",
                ]
            )
        ),
        "first_consumed": consumed[0] if consumed else {},
        "first_produced": produced[0] if produced else {},
        "topics": [{"name": topic.name, "partitions": topic.partitions} for topic in topics],
        "ignored": _ignored(service, contract),
        "deletions": deletions,
        "deletes": deletes,
        "deletes_text_keys": any(deletion["key_class"] == _TEXT_KEY for deletion in deletes),
        "consumer_imports": _consumer_imports(consumed, names),
        "has_typed_keys": bool(names.keys),
        "consumer_models": import_order(
            [*consumed_classes, *(str(one["key_class"]) for one in consumed if one["is_keyed"])]
        ),
        "producer_models": import_order(
            [
                *produced_classes,
                *(str(one["key_class"]) for one in deletes if one["key_class"] != _TEXT_KEY),
            ]
        ),
        "producer_imports": _imports(_PRODUCER_PAGE + _DELETING * bool(deletes), names),
        "fakes_imports": _imports(_FAKES_PAGE, names),
        **_exports(service, names),
    }


def _typing_names(*counts: int) -> list[str]:
    """What unions of these many types need of the module typing."""
    names = {0: "Never", 1: "TypeAlias"}
    return sorted({"TypeAlias", *(names.get(count, "Union") for count in counts)})


def _event_view(event: Event, contract: Contract, names: Names) -> Mapping[str, object]:
    constant = names.constants[event.topic, event.name]
    model, key_class = names.classes[event.name], names.keys.get(event.topic, "")
    doc = getattr(contract.types.get(event.name), "doc", "") or ""
    return {
        "class": model,
        "constant": constant,
        "handler": f"on_{snake(model)}",
        "name": event.name,
        "topic": event.topic,
        "key": key_class or _key_text(contract.topic(event.topic)),
        "key_class": key_class,
        "is_keyed": bool(key_class),
        "message": _message(key_class),
        "received": f"KeyedReceived[{model}, {key_class}]" if key_class else f"Received[{model}]",
        "batched": "KeyedBatched" if key_class else "Batched",
        "doc": prose(doc),
    }


def _key_text(topic: Topic) -> str:
    match topic.key:
        case FieldKey(path=path):
            return ".".join(path)
        case _:
            return "none"


def _handlers(consumed: Iterable[Mapping[str, object]], names: Names) -> list[Mapping[str, object]]:
    """The method of each event, also where it comes on several topics, with keys of their own."""
    methods: dict[object, list[Mapping[str, object]]] = {}
    for view in consumed:
        methods.setdefault(view["handler"], []).append(view)
    handlers: list[Mapping[str, object]] = []
    for method, views in methods.items():
        message = " | ".join(dict.fromkeys(str(view["message"]) for view in views))
        received = " | ".join(dict.fromkeys(str(view["received"]) for view in views))
        head = f"{'async ' * names.is_async}def {method}"
        signature = function_head(head, f"self, event: {views[-1]['class']}, message: {message}", 4)
        handlers.append(
            {**views[-1], "message": message, "received": received, "signature": signature}
        )
    return handlers


def _message(key_class: str) -> str:
    return f"KeyedMessage[{key_class}]" if key_class else "Message"


def snake(name: str) -> str:
    """The name of a class as the name of a function: `OrderPlaced` is `order_placed`."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", words).lower()


def _topics(service: Service, contract: Contract) -> list[Topic]:
    used = {event.topic for event in (*service.produces, *service.consumes)}
    return [topic for topic in contract.topics if topic.name in used]


def _ignored(service: Service, contract: Contract) -> list[Mapping[str, object]]:
    """Events of the consumed topics that this service does not consume."""
    consumed = {(event.topic, event.name) for event in service.consumes}
    subscribed = {topic for topic, _ in consumed}
    rest = [
        {
            "topic": topic.name,
            "events": sorted(
                event.name for event in topic.events if (topic.name, event.name) not in consumed
            ),
        }
        for topic in contract.topics
        if topic.name in subscribed
    ]
    return [entry for entry in rest if entry["events"]]


_TEXT_KEY = "str | int | UUID"


def _deletions(
    events: Iterable[Event], contract: Contract, names: Names, prefix: str
) -> list[Mapping[str, object]]:
    """A method for each compacted topic, where a message without a value deletes its key."""
    used = {event.topic for event in events}
    methods: dict[str, Mapping[str, object]] = {}
    for topic in contract.topics:
        if topic.name in used and "compact" in topic.cleanup_policy:
            stem = method = prefix + re.sub(r"\W", "_", topic.name).lower()
            number = 2
            while method in methods:
                method = f"{stem}_{number}"
                number += 1
            if topic.key is not None or prefix.startswith("on_"):
                key_class = names.keys.get(topic.name, "")
                methods[method] = {
                    "method": method,
                    "topic": topic.name,
                    "key_class": key_class or _TEXT_KEY,
                    "key": "typed_key" if key_class else "key",
                    "message": _message(key_class),
                }
    return list(methods.values())


_CONSUMER_PAGE = (
    ("EventConsumer", "consuming.consumer"),
    ("Inbox", "storage.inbox"),
    ("Policy", "policy"),
    ("Route", "messages.reading"),
    ("Settings", "kafka.settings"),
)
_PRODUCER_PAGE = (
    ("EventOutbox", "storage.outbox"),
    ("EventProducer", "producing.producer"),
    ("Settings", "kafka.settings"),
)
_DELETING = (
    ("Delivery", "producing.delivery"),
    ("ExtraHeaders", "messages.message"),
    ("Message", "messages.message"),
)
_FAKES_PAGE = (("Samples", "fakes.samples"), ("ServiceFakes", "fakes.service"))


def _consumer_imports(
    consumed: Iterable[Mapping[str, object]], names: Names
) -> list[Mapping[str, str]]:
    """What the page of the consumer needs: other names where keys have a schema."""
    wanted = list(_CONSUMER_PAGE)
    for kind in {bool(one["is_keyed"]) for one in consumed}:
        prefix = "Keyed" * kind
        wanted.append((f"{prefix}Message", "messages.message"))
        wanted += [(f"{prefix}{name}", "consuming.batching") for name in ("Batched", "Received")]
    return _imports(wanted, names)


def _imports(wanted: Iterable[tuple[str, str]], names: Names) -> list[Mapping[str, str]]:
    """What a page imports from the runtime, a line for each module."""
    modules: dict[str, list[str]] = {}
    for name, module in wanted:
        modules.setdefault(names.module(module), []).append(name)
    return [
        {"module": module, "names": ", ".join(import_order(modules[module]))}
        for module in sorted(modules)
    ]


def _exports(service: Service, names: Names) -> Mapping[str, object]:
    reads_keys = any(event.topic in names.keys for event in service.consumes)
    left_out = set() if reads_keys else {"KeyedMessage"}
    if not service.consumes:
        left_out |= _CONSUMING
    if not service.produces:
        left_out |= _PRODUCING
    modules: dict[str, list[str]] = {"models": list(names.models)}
    for name, module in EXPORTED:
        if name not in left_out:
            place = names.module(module.removeprefix("_runtime."))
            modules.setdefault(place, []).append(name)
    if service.consumes:
        modules["consumer"] = ["BatchConsumer", "BatchHandler", "Consumer", "Handler"]
        modules["_runtime.consuming.batching"] = ["KeyedReceived"] * reads_keys + ["Received"]
    if service.produces:
        modules["producer"] = ["Outbox", "Producer"]
    return {
        "imports": [
            {"module": module, "names": import_order(modules[module])} for module in sorted(modules)
        ],
        "exports": sorted(name for members in modules.values() for name in members),
    }
