"""`settings()` of a generated package: where values come from, what is refused, what is kept."""

# ruff: noqa: F811

from __future__ import annotations

import importlib
import logging
from types import ModuleType
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from desk import answer_service, ask_service, desk_folders  # noqa: F401

from codegen.targets.python.runtime.errors import SettingsError
from codegen.targets.python.runtime.kafka.aiokafka_options import consumer_arguments

ENVIRONMENT = {
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "SCHEMA_REGISTRY_URL": "http://registry:8081/apis/ccompat/v7/",
}


def test_the_environment_is_read(ask_service: ModuleType) -> None:
    more = {"KAFKA_SASL_MECHANISM": "PLAIN", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "HOME": "/x"}
    made = ask_service.settings(environment={**ENVIRONMENT, **more})
    assert made.bootstrap_servers == "kafka:9092"
    assert made.registry.urls == ("http://registry:8081/apis/ccompat/v7",)
    assert made.options == {"sasl.mechanism": "PLAIN", "security.protocol": "SASL_SSL"}


def test_code_goes_before_the_environment(ask_service: ModuleType) -> None:
    made = ask_service.settings(
        bootstrap_servers="other:1",
        registry_url="https://a:1, https://b:2",
        options={"linger.ms": 50},
        environment={**ENVIRONMENT, "KAFKA_LINGER_MS": "1"},
    )
    assert made.bootstrap_servers == "other:1"
    assert made.registry.urls == ("https://a:1", "https://b:2")
    assert made.options == {"linger.ms": 50}


def test_all_that_is_missing_is_told_at_once(ask_service: ModuleType) -> None:
    with pytest.raises(ask_service.SettingsError) as caught:
        ask_service.settings(environment={})
    assert "KAFKA_BOOTSTRAP_SERVERS" in str(caught.value)
    assert "SCHEMA_REGISTRY_URL" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"registry_url": "registry:8081"}, "http://HOST"),
        ({"registry_url": "ftp://registry"}, "http://HOST"),
        ({"registry_url": "http://me:s3cret@registry:port"}, "http://HOST"),
        ({"registry_url": "http://registry/?a=b"}, "http://HOST"),
        ({"bootstrap_servers": "k1:9092, https://me:s3cret@k2:9092"}, "brokers are HOST:PORT"),
        ({"registry_username": "me", "registry_bearer_token": "s3cret"}, "not both"),
        ({"registry_timeout": 0}, "SCHEMA_REGISTRY_TIMEOUT"),
        ({"options": {"enable.auto.commit": "false"}}, "commits after the handler"),
        ({"options": {"enable.auto.offset.store": True}}, "commits after the handler"),
    ],
)
def test_what_cannot_be_used_is_refused(
    ask_service: ModuleType, given: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ask_service.SettingsError, match=expected) as caught:
        ask_service.settings(**given, environment=ENVIRONMENT)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ack": "all"}, 'these options: No such configuration property: "ack"; see KAFKA_'),
        ({"linger.ms": "soon"}, "Invalid value for configuration property "),
    ],
)
def test_an_option_that_librdkafka_does_not_take_is_told_in_its_words(
    ask_service: ModuleType, options: dict[str, Any], told: str
) -> None:
    made = ask_service.settings(options=options, environment=ENVIRONMENT)
    with pytest.raises(ask_service.SettingsError, match=told) as caught:
        ask_service.Producer(made)
    assert "KafkaError" not in str(caught.value)


def test_where_to_begin_is_said_to_aiokafka_in_librdkafkas_words() -> None:
    def read(text: str) -> object:
        return consumer_arguments({"auto.offset.reset": text})["auto_offset_reset"]

    assert [read(text) for text in ("smallest", "earliest")] == ["earliest"] * 2
    assert [read(text) for text in ("largest", "end", "latest")] == ["latest"] * 3
    assert read("error") == "none"
    with pytest.raises(
        SettingsError, match=r"auto\.offset\.reset \(neither earliest nor latest nor"
    ):
        read("latst")


def test_a_timeout_that_is_no_number_is_refused(ask_service: ModuleType) -> None:
    with pytest.raises(ask_service.SettingsError, match="'soon'"):
        ask_service.settings(environment={**ENVIRONMENT, "SCHEMA_REGISTRY_TIMEOUT": "soon"})


def test_secrets_are_never_printed(ask_service: ModuleType) -> None:
    made = ask_service.settings(
        registry_url="https://me:s3cret%21@registry",
        options={"sasl.password": "hidden"},
        environment=ENVIRONMENT,
    )
    assert (made.registry.username, made.registry.password) == ("me", "s3cret!")
    assert made.registry.urls == ("https://registry",)
    assert "s3cret" not in repr(made) and "hidden" not in repr(made)


def test_what_orchestrators_set_is_no_option(ask_service: ModuleType) -> None:
    foreign = {
        "KAFKA_PORT": "tcp://10.0.0.1:9092",
        "KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
        "KAFKA_SERVICE_HOST": "10.0.0.1",
        "KAFKA_HEAP_OPTS": "-Xmx1g",
    }
    assert ask_service.settings(environment={**ENVIRONMENT, **foreign}).options == {}


@pytest.mark.parametrize("kind", ["Producer"])
def test_an_option_that_librdkafka_does_not_know_is_named(
    ask_service: ModuleType, kind: str
) -> None:
    made = ask_service.settings(environment={**ENVIRONMENT, "KAFKA_LINGRE_MS": "5"})
    with pytest.raises(ask_service.SettingsError, match=r"lingre\.ms"):
        getattr(ask_service, kind)(made)


def test_options_of_the_other_client_are_left_out(answer_service: ModuleType) -> None:
    """librdkafka would write a warning for each of them."""
    names = importlib.import_module("answer_service._runtime.kafka.option_names")
    modules = [
        importlib.import_module(f"answer_service._runtime.kafka.{kind}_options")
        for kind in ("producer", "consumer")
    ]
    given = {"linger.ms": 5, "session.timeout.ms": 45_000, "message.max.bytes": 1_000_000}
    made = answer_service.settings(options=given, environment=ENVIRONMENT)
    produced = modules[0].producer_options(made, "answer-service", None)
    consumed = modules[1].consumer_options(made, "answer-service", "group", defaults={}, fixed={})
    assert not names.OF_CONSUMERS & produced.keys() and not names.OF_PRODUCERS & consumed.keys()
    assert produced["message.max.bytes"] == consumed["message.max.bytes"] == 1_000_000
    for kind, options in ((Producer, produced), (Consumer, consumed)):
        warnings: list[str] = []
        logger = logging.getLogger(f"test.{kind.__name__}")
        logger.addFilter(lambda record, kept=warnings: kept.append(record.getMessage()) or False)
        client = kind({**options, "bootstrap.servers": "127.0.0.1:1"}, logger=logger)
        client.poll(0)
        assert not [text for text in warnings if "CONFWARN" in text]
