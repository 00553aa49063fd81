"""The options that a consumer's client runs with: what its promises rest on, and what is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .option_names import OF_PRODUCERS
from .settings import Settings

_DEFAULTS: Final[dict[str, object]] = {
    # A group that is new has missed nothing yet.
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": 1000,
}


def consumer_options(
    settings: Settings,
    service: str,
    group: str,
    *,
    defaults: Mapping[str, object],
    fixed: Mapping[str, object],
) -> dict[str, object]:
    """Kafka's options of a service's consumer, by librdkafka's names.

    `defaults` and `fixed` are those of the client: the service may change the former only.
    """
    given = {**_DEFAULTS, **defaults, "client.id": service, **settings.options}
    options = {**given, **fixed, "group.id": group}
    return {name: value for name, value in options.items() if name not in OF_PRODUCERS}
