"""What whoever runs a service is told: why a message is given up, and how many wait."""

# ruff: noqa: F811

from __future__ import annotations

from types import ModuleType

import pytest
from desk import answer_service, ask_service, desk_folders  # noqa: F401
from test_python_runtime import Desk


@pytest.mark.parametrize(
    ("action", "told"), [("SKIP", " skipped: "), ("DEAD_LETTER", "becomes a dead letter")]
)
def test_each_message_that_is_given_up_is_told_with_the_stack(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture, action: str, told: str
) -> None:
    policy = answer_service.Policy(attempts=1, on_failure=answer_service.Action[action])
    desk = Desk(answer_service, failures=3, policy=policy)
    for number in range(3):
        desk.ask(number)
    desk.consumer.drain()
    lines = [record for record in caplog.records if told in record.getMessage()]
    assert len(lines) == 3 and all("in on_asked" in (each.exc_text or "") for each in lines)


def test_bytes_that_are_no_event_have_no_stack(
    answer_service: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(answer_service)
    desk.fake.deliver_bytes("questions", b"junk")
    desk.consumer.drain()
    assert "becomes a dead letter (no-magic-byte)" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_was_received_and_waits_for_its_handler_is_in_the_backlog(
    answer_service: ModuleType,
) -> None:
    desk = Desk(answer_service)
    waiting: list[int] = []
    desk.handler.hook = lambda event: waiting.append(desk.consumer.health().backlog)
    for _ in range(4):
        desk.ask(1)
    desk.consumer.drain()
    # The first one is in hand, and nothing is known of it yet.
    assert waiting[0] == 3
