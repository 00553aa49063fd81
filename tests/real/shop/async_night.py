"""The programs of night.py on the packages for asyncio, with the same arguments."""

import asyncio
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


async def place(count: int) -> None:
    """Send the orders; leaving the producer raises unless all have arrived."""
    async with order.Producer(order.settings()) as producer:
        for number in range(count):
            await producer.send(make_order(number))


class Inventory(inventory.Handler):
    """Reserves every order: one row, and one event in the outbox, in the inbox's transaction."""

    def __init__(
        self,
        database: "psycopg.AsyncConnection[tuple[object, ...]]",
        outbox: inventory.Outbox,
    ) -> None:
        self.database = database
        self.outbox = outbox

    async def on_order_placed(
        self, event: inventory.OrderPlaced, message: inventory.Message
    ) -> None:
        """The effect that is counted."""
        pieces = sum(line.quantity for line in event.lines)
        await self.database.execute(
            "INSERT INTO reserved VALUES (%s, %s)", (str(event.order_id), pieces)
        )
        reserved = inventory.StockReserved(
            order_id=event.order_id, reserved_at=datetime.now(UTC), lines=event.lines
        )
        await self.outbox.send(reserved, caused_by=message)

    async def on_order_cancelled(
        self, event: inventory.OrderCancelled, message: inventory.Message
    ) -> None:
        """Nobody cancels at night."""


class Orders(order.Handler):
    """Completes every order that is reserved."""

    def __init__(self, database: "psycopg.AsyncConnection[tuple[object, ...]]") -> None:
        self.database = database

    async def on_stock_reserved(self, event: order.StockReserved, message: order.Message) -> None:
        """The effect that is counted."""
        await self.database.execute("INSERT INTO completed VALUES (%s)", (str(event.order_id),))

    async def on_stock_rejected(self, event: order.StockRejected, message: order.Message) -> None:
        """The shelves are never empty."""
        raise order.RejectMessage("nothing was sold out")


class Announcements(order.Handler):
    """Announces every order that is reserved."""

    def __init__(self, producer: order.Producer) -> None:
        self.producer = producer

    async def on_stock_reserved(self, event: order.StockReserved, message: order.Message) -> None:
        """The outcome that is counted."""
        await self.producer.send(complete_order(event), caused_by=message)

    async def on_stock_rejected(self, event: order.StockRejected, message: order.Message) -> None:
        """The shelves are never empty."""
        raise order.RejectMessage("nothing was sold out")


async def reserve() -> None:
    """Handle orders until told to stop."""
    async with await connect() as database, inventory.Producer(inventory.settings()) as producer:
        handler = Inventory(database, inventory.Outbox(producer, database))
        inbox = inventory.PostgresInbox(database)
        async with inventory.Consumer(inventory.settings(), handler, inbox=inbox) as consumer:
            await consumer.run()
            print(consumer.statistics, flush=True)


async def relay() -> None:
    """Send from the outbox until told to stop; what did not arrive is sent again."""
    async with await connect() as database, inventory.Producer(inventory.settings()) as producer:
        outbox = inventory.Outbox(producer, database)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, outbox.stop)
        await outbox.run()


async def complete() -> None:
    """Handle reservations until told to stop."""
    async with await connect() as database:
        inbox = order.PostgresInbox(database)
        async with order.Consumer(order.settings(), Orders(database), inbox=inbox) as consumer:
            await consumer.run()
            print(consumer.statistics, flush=True)


async def announce(transactional_id: str) -> None:
    """Handle reservations in a group of its own until told to stop."""
    async with order.Producer(order.settings(), transactional_id=transactional_id) as producer:
        handler = Announcements(producer)
        async with order.Consumer(
            order.settings(), handler, exactly_once=producer, group="announcements"
        ) as consumer:
            await consumer.run()
            print(consumer.statistics, flush=True)


async def connect() -> "psycopg.AsyncConnection[tuple[object, ...]]":
    """The database of the night."""
    return await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    match sys.argv[1:]:
        case ["place", count]:
            asyncio.run(place(int(count)))
        case ["announce", transactional_id]:
            asyncio.run(announce(transactional_id))
        case [name]:
            asyncio.run({"reserve": reserve, "relay": relay, "complete": complete}[name]())
