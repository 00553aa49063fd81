"""The retail services with their effects in PostgreSQL, one process each.

    python night.py place N      send N orders
    python night.py reserve      the inventory service: reserve each order, tell it by the outbox
    python night.py relay        send what is in the outbox
    python night.py complete     the order service: complete what is reserved
    python night.py announce ID  tell of it, exactly once, with this transactional id

Kafka, the registry and the database are named by the environment, as everywhere.
"""

import logging
import os
import signal
import sys
from datetime import UTC, datetime

import inventory_service as inventory
import order_service as order
import psycopg
from orders import complete_order, make_order

TABLES = """
CREATE TABLE IF NOT EXISTS reserved (order_id TEXT NOT NULL, pieces INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS completed (order_id TEXT NOT NULL);
"""


def place(count: int) -> None:
    """Send the orders; leaving the producer raises unless all have arrived."""
    with order.Producer(order.settings()) as producer:
        for number in range(count):
            producer.send(make_order(number))


class Inventory(inventory.Handler):
    """Reserves every order: one row, and one event in the outbox, in the inbox's transaction."""

    def __init__(
        self,
        database: "psycopg.Connection[tuple[object, ...]]",
        outbox: inventory.Outbox,
    ) -> None:
        self.database = database
        self.outbox = outbox

    def on_order_placed(self, event: inventory.OrderPlaced, message: inventory.Message) -> None:
        """The effect that is counted."""
        pieces = sum(line.quantity for line in event.lines)
        self.database.execute("INSERT INTO reserved VALUES (%s, %s)", (str(event.order_id), pieces))
        reserved = inventory.StockReserved(
            order_id=event.order_id, reserved_at=datetime.now(UTC), lines=event.lines
        )
        self.outbox.send(reserved, caused_by=message)

    def on_order_cancelled(
        self, event: inventory.OrderCancelled, message: inventory.Message
    ) -> None:
        """Nobody cancels at night."""


class Orders(order.Handler):
    """Completes every order that is reserved."""

    def __init__(self, database: "psycopg.Connection[tuple[object, ...]]") -> None:
        self.database = database

    def on_stock_reserved(self, event: order.StockReserved, message: order.Message) -> None:
        """The effect that is counted."""
        self.database.execute("INSERT INTO completed VALUES (%s)", (str(event.order_id),))

    def on_stock_rejected(self, event: order.StockRejected, message: order.Message) -> None:
        """The shelves are never empty."""
        raise order.RejectMessage("nothing was sold out")


class Announcements(order.Handler):
    """Announces every order that is reserved."""

    def __init__(self, producer: order.Producer) -> None:
        self.producer = producer

    def on_stock_reserved(self, event: order.StockReserved, message: order.Message) -> None:
        """The outcome that is counted."""
        self.producer.send(complete_order(event), caused_by=message)

    def on_stock_rejected(self, event: order.StockRejected, message: order.Message) -> None:
        """The shelves are never empty."""
        raise order.RejectMessage("nothing was sold out")


def reserve() -> None:
    """Handle orders until told to stop."""
    with connect() as database, inventory.Producer(inventory.settings()) as producer:
        handler = Inventory(database, inventory.Outbox(producer, database))
        inbox = inventory.PostgresInbox(database)
        with inventory.Consumer(inventory.settings(), handler, inbox=inbox) as consumer:
            consumer.run()
            print(consumer.statistics, flush=True)


def relay() -> None:
    """Send from the outbox until told to stop; what did not arrive is sent again."""
    with connect() as database, inventory.Producer(inventory.settings()) as producer:
        outbox = inventory.Outbox(producer, database)
        signal.signal(signal.SIGTERM, lambda *_: outbox.stop())
        outbox.run()


def complete() -> None:
    """Handle reservations until told to stop."""
    with connect() as database:
        inbox = order.PostgresInbox(database)
        with order.Consumer(order.settings(), Orders(database), inbox=inbox) as consumer:
            consumer.run()
            print(consumer.statistics, flush=True)


def announce(transactional_id: str) -> None:
    """Handle reservations in a group of its own until told to stop.

    Where Kafka's client ends the producer, as it may when a coordinator is lost, a new one goes on.
    """
    try:
        announce_once(transactional_id)
    except order.ProducerFenced:
        raise
    except order.ProducerEnded as error:
        logging.warning("a new producer goes on: %s", error)
        announce(transactional_id)


def announce_once(transactional_id: str) -> None:
    """The same with one producer. Raises ProducerEnded."""
    with order.Producer(order.settings(), transactional_id=transactional_id) as producer:
        handler = Announcements(producer)
        with order.Consumer(
            order.settings(), handler, exactly_once=producer, group="announcements"
        ) as consumer:
            consumer.run()
            print(consumer.statistics, flush=True)


def connect() -> "psycopg.Connection[tuple[object, ...]]":
    """The database of the night."""
    return psycopg.connect(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    match sys.argv[1:]:
        case ["place", count]:
            place(int(count))
        case ["announce", transactional_id]:
            announce(transactional_id)
        case [name]:
            {"reserve": reserve, "relay": relay, "complete": complete}[name]()
