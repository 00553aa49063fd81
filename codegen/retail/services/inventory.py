"""The inventory service: reserves stock for orders, or says that there is not enough.

Start it with KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL set:

    python services/inventory.py --pieces 150
"""

import argparse
import json
import os
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime

from inventory_service import (
    Consumer,
    Handler,
    Message,
    OrderCancelled,
    OrderPlaced,
    Producer,
    RejectionReason,
    SqliteInbox,
    StockRejected,
    StockReserved,
    settings,
)

TABLES = """
CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, pieces INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS reserved (order_id TEXT, sku TEXT, pieces INTEGER NOT NULL);
"""


class Inventory(Handler):
    """The stock of one warehouse. An order gets all of its lines or none."""

    def __init__(self, database: sqlite3.Connection, producer: Producer) -> None:
        self.database = database
        self.producer = producer
        database.executescript(TABLES)

    def put(self, sku: str, pieces: int) -> None:
        """Put pieces on the shelf."""
        self.database.execute(
            "INSERT INTO stock VALUES (?, ?) ON CONFLICT DO UPDATE SET pieces = pieces + ?",
            (sku, pieces, pieces),
        )

    def on_order_placed(self, order: OrderPlaced, message: Message) -> None:
        """Set the articles aside, or say what is missing."""
        missing = [line.sku for line in order.lines if self._pieces(line.sku) < line.quantity]
        now = datetime.now(UTC)
        if missing:
            rejected = StockRejected(
                order_id=order.order_id,
                rejected_at=now,
                reason=RejectionReason.OUT_OF_STOCK,
                missing_skus=missing,
            )
            self.producer.send(rejected, caused_by=message)
            return
        for line in order.lines:
            self.put(line.sku, -line.quantity)
            self.database.execute(
                "INSERT INTO reserved VALUES (?, ?, ?)",
                (str(order.order_id), line.sku, line.quantity),
            )
        reserved = StockReserved(order_id=order.order_id, reserved_at=now, lines=order.lines)
        self.producer.send(reserved, caused_by=message)

    def on_order_cancelled(self, order: OrderCancelled, message: Message) -> None:
        """Put back what was set aside for the order."""
        key = (str(order.order_id),)
        rows = self.database.execute("SELECT sku, pieces FROM reserved WHERE order_id = ?", key)
        for sku, pieces in rows.fetchall():
            self.put(sku, pieces)
        self.database.execute("DELETE FROM reserved WHERE order_id = ?", key)

    def _pieces(self, sku: str) -> int:
        row = self.database.execute("SELECT pieces FROM stock WHERE sku = ?", (sku,)).fetchone()
        return row[0] if row else 0


def main() -> None:
    """Fill the shelves and handle orders until told to stop."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pieces", type=int, default=0, metavar="N", help="fill shelves first")
    pieces = arguments.parse_args().pieces
    database = sqlite3.connect(os.environ.get("DATABASE", "inventory.db"), isolation_level=None)
    with Producer(settings()) as producer:
        inventory = Inventory(database, producer)
        for sku in ("lamp", "chair", "desk", "mug"):
            inventory.put(sku, pieces)
        with Consumer(settings(), inventory, inbox=SqliteInbox(database)) as consumer:
            consumer.run()
            print(json.dumps(asdict(consumer.statistics)))


if __name__ == "__main__":
    main()
