"""The notification service: tells customers what became of their orders.

Start it with KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL set:

    python services/notifications.py
"""

import json
import os
import sqlite3
from dataclasses import asdict
from uuid import UUID

from notification_service import (
    CancellationCause,
    Consumer,
    Customer,
    Handler,
    Message,
    OrderCancelled,
    OrderCompleted,
    SqliteInbox,
    settings,
)

TABLES = "CREATE TABLE IF NOT EXISTS notifications (order_id TEXT, email TEXT, text TEXT)"


class Notifications(Handler):
    """Writes one message to a customer for each order that is done; a real one would mail it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        database.execute(TABLES)

    def on_order_completed(self, order: OrderCompleted, message: Message) -> None:
        """The good news."""
        text = f"your order is on its way: {order.total} {order.currency}"
        self._notify(order.order_id, order.customer, text)

    def on_order_cancelled(self, order: OrderCancelled, message: Message) -> None:
        """The other news."""
        is_sold_out = order.cause is CancellationCause.OUT_OF_STOCK
        text = "we are sold out, sorry" if is_sold_out else "your order is cancelled, as you asked"
        self._notify(order.order_id, order.customer, text)

    def _notify(self, order_id: UUID, customer: Customer, text: str) -> None:
        row = (str(order_id), customer.email, f"Dear {customer.name}, {text}.")
        self.database.execute("INSERT INTO notifications VALUES (?, ?, ?)", row)


def main() -> None:
    """Notify customers until told to stop."""
    database = sqlite3.connect(os.environ.get("DATABASE", "notifications.db"), isolation_level=None)
    handler = Notifications(database)
    with Consumer(settings(), handler, inbox=SqliteInbox(database)) as consumer:
        consumer.run()
        print(json.dumps(asdict(consumer.statistics)))


if __name__ == "__main__":
    main()
