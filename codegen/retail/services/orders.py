"""The order service: takes orders, follows them through the warehouse, says when they are done.

Start it with KAFKA_BOOTSTRAP_SERVERS and SCHEMA_REGISTRY_URL set:

    python services/orders.py --place 200
"""

import argparse
import json
import os
import random
import sqlite3
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from order_service import (
    CancellationCause,
    CardPayment,
    Channel,
    Consumer,
    Customer,
    Handler,
    InvoicePayment,
    Message,
    OrderCancelled,
    OrderCompleted,
    OrderLine,
    OrderPlaced,
    Producer,
    SqliteInbox,
    StockRejected,
    StockReserved,
    settings,
)

TABLES = """
CREATE TABLE IF NOT EXISTS orders (
  order_id TEXT PRIMARY KEY, customer_id TEXT, name TEXT, email TEXT, total TEXT,
  status TEXT DEFAULT 'placed'
)
"""


class Orders(Handler):
    """Every order and what became of it. An answer that comes late changes nothing."""

    def __init__(self, database: sqlite3.Connection, producer: Producer) -> None:
        self.database = database
        self.producer = producer
        database.execute(TABLES)

    def place(self, order: OrderPlaced) -> None:
        """Take an order."""
        customer = order.customer
        row = (str(order.order_id), str(customer.customer_id), customer.name, customer.email)
        self.database.execute(
            "INSERT INTO orders (order_id, customer_id, name, email, total) VALUES (?, ?, ?, ?, ?)",
            (*row, str(order.total)),
        )
        self.producer.send(order)

    def cancel(
        self, order_id: UUID, cause: CancellationCause, caused_by: Message | None = None
    ) -> None:
        """Cancel an order that is not done yet."""
        if not self._finish(order_id, "cancelled"):
            return
        customer, _ = self._find(order_id)
        cancelled = OrderCancelled(
            order_id=order_id,
            cancelled_at=datetime.now(UTC),
            customer=customer,
            cause=cause,
        )
        self.producer.send(cancelled, caused_by=caused_by)

    def on_stock_reserved(self, stock: StockReserved, message: Message) -> None:
        """The warehouse has it all: the order is complete."""
        if not self._finish(stock.order_id, "completed"):
            return
        customer, total = self._find(stock.order_id)
        completed = OrderCompleted(
            order_id=stock.order_id,
            completed_at=datetime.now(UTC),
            customer=customer,
            total=total,
        )
        self.producer.send(completed, caused_by=message)

    def on_stock_rejected(self, stock: StockRejected, message: Message) -> None:
        """The warehouse has not enough: the order is off."""
        self.cancel(stock.order_id, CancellationCause.OUT_OF_STOCK, message)

    def _finish(self, order_id: UUID, status: str) -> bool:
        cursor = self.database.execute(
            "UPDATE orders SET status = ? WHERE order_id = ? AND status = 'placed'",
            (status, str(order_id)),
        )
        return cursor.rowcount == 1

    def _find(self, order_id: UUID) -> tuple[Customer, Decimal]:
        customer_id, name, email, total = self.database.execute(
            "SELECT customer_id, name, email, total FROM orders WHERE order_id = ?",
            (str(order_id),),
        ).fetchone()
        customer = Customer(customer_id=UUID(customer_id), name=name, email=email)
        return customer, Decimal(total)


ARTICLES = {"lamp": "39.90", "chair": "129.00", "desk": "349.00", "mug": "8.50"}
NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Leslie")


def make_order(chance: random.Random) -> OrderPlaced:
    """An order as a shop would send it."""
    name = chance.choice(NAMES)
    lines = [
        OrderLine(sku=sku, quantity=chance.randint(1, 3), unit_price=Decimal(ARTICLES[sku]))
        for sku in chance.sample(sorted(ARTICLES), chance.randint(1, 3))
    ]
    card = CardPayment(network="VISA", last_digits=f"{chance.randrange(10_000):04}")
    invoice = InvoicePayment(due=date.today() + timedelta(days=14))
    return OrderPlaced(
        order_id=uuid4(),
        placed_at=datetime.now(UTC),
        customer=Customer(customer_id=uuid4(), name=name, email=f"{name.lower()}@example.org"),
        lines=lines,
        total=sum((line.quantity * line.unit_price for line in lines), Decimal(0)),
        channel=chance.choice((Channel.WEB, Channel.APP, Channel.STORE)),
        payment=chance.choice((card, invoice)),
    )


def main() -> None:
    """Place some orders, let every tenth customer think again, and handle what comes back."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--place", type=int, default=0, metavar="N", help="place N orders first")
    count = arguments.parse_args().place
    database = sqlite3.connect(os.environ.get("DATABASE", "orders.db"), isolation_level=None)
    with Producer(settings()) as producer:
        orders = Orders(database, producer)
        with Consumer(settings(), orders, inbox=SqliteInbox(database)) as consumer:
            chance = random.Random()
            for number in range(1, count + 1):
                order = make_order(chance)
                orders.place(order)
                if number % 10 == 0:
                    orders.cancel(order.order_id, CancellationCause.CUSTOMER)
            consumer.run()
            print(json.dumps(asdict(consumer.statistics)))


if __name__ == "__main__":
    main()
