"""The orders of the night, in the words of whichever order_service is there."""

import random
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

import order_service as order


def make_order(number: int) -> order.OrderPlaced:
    """The order of a number, always the same."""
    chance = random.Random(number)
    lines = [
        order.OrderLine(sku=sku, quantity=chance.randint(1, 3), unit_price=Decimal("9.90"))
        for sku in chance.sample(("lamp", "chair", "desk", "mug"), chance.randint(1, 3))
    ]
    return order.OrderPlaced(
        order_id=uuid5(NAMESPACE_OID, str(number)),
        placed_at=datetime.fromtimestamp(1_700_000_000 + number, UTC),
        customer=make_customer(number % 1000),
        lines=lines,
        total=sum((line.quantity * line.unit_price for line in lines), Decimal(0)),
        channel=order.Channel.WEB,
        payment=order.InvoicePayment(due=date(2030, 1, 1)),
    )


def make_customer(number: int) -> order.Customer:
    """The customer of a number, always the same."""
    return order.Customer(
        customer_id=uuid5(NAMESPACE_OID, f"customer {number}"),
        name="Ada",
        email="ada@example.org",
    )


def complete_order(event: order.StockReserved) -> order.OrderCompleted:
    """What is announced of an order whose stock is reserved."""
    return order.OrderCompleted(
        order_id=event.order_id,
        completed_at=event.reserved_at,
        customer=make_customer(0),
        total=Decimal("9.90"),
    )
