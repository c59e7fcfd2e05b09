"""What the processes of storms and kills run: many small traders on one database."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import connections

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, LimitBreached
from etftrader.core.idempotency import Answer
from marketdata.selectors import sessions
from portfolios.models import User
from portfolios.services import ledger
from trading import live
from trading.models import Order
from trading.services import execution, orders
from trading.tests import world


def say(text: str) -> None:
    """Print a measured figure beside its goal."""
    sys.stdout.write(f"\n{text}\n")


def meet(name: str, count: int) -> None:
    """Wait until everybody of all processes is here: the barrier of one round."""
    store = barrier()
    if store.incr(name) == count:
        store.rpush(f"{name}:go", *(["go"] * count))
    while store.blpop([f"{name}:go"], timeout=30) is None:
        continue


@lru_cache(maxsize=1)
def barrier() -> redis.Redis:
    """A client of its own: the product's gives up long before a crowd has gathered."""
    return redis.Redis.from_url(settings.LIVE_URL, socket_timeout=120)


def trader(email: str) -> Actor:
    """The owner of the books under test."""
    return Actor.of_user(User.objects.get(email=email))


def sell_one_of_seven(*, process: int, thread: int, portfolios: list[str], crowd: int) -> list[str]:
    """Sell one share in each round's portfolio, all together, everybody under an own key."""
    by = trader("owner@example.com")
    moment = sessions.moment()
    states = []
    for number, portfolio in enumerate(portfolios):
        meet(f"storm:round:{number}", crowd)
        order = orders.submit(
            portfolio_id=UUID(portfolio),
            ticket=world.sell("1", client_order_id=f"{process}-{thread}"),
            by=by,
            moment=moment,
        )
        states.append(order.state)
    return states


def mixed(
    *, process: int, thread: int, portfolios: list[str], operations: int, seed: int
) -> dict[str, int]:
    """Buy, sell, pay in, pay out, cancel; a quarter of the keys is shared with everybody."""
    by = trader("owner@example.com")
    moment = sessions.moment()
    dice = random.Random(f"{seed}-{process}-{thread}")
    told: dict[str, int] = {}
    for number in range(operations):
        shared = dice.random() < 0.25
        key = f"shared-{number}" if shared else f"own-{process}-{thread}-{number}"
        # what a shared key does must not depend on who comes first
        turn = random.Random(f"{seed}-{key}") if shared else dice
        portfolio = UUID(portfolios[turn.randrange(len(portfolios))])
        word = _one(turn, key, portfolio, by, moment)
        told[word] = told.get(word, 0) + 1
    return told


def _one(dice: random.Random, key: str, portfolio: UUID, by: Actor, moment: Any) -> str:
    kind = dice.choices(("buy", "sell", "pay in", "pay out"), (5, 5, 2, 1))[0]
    amount = dice.randint(1, 9)
    symbol = dice.choice(("AAA", "BBB"))
    pays = kind in ("pay in", "pay out")

    @cache
    def ready() -> orders.Ready:
        ticket = (world.buy if kind == "buy" else world.sell)(
            str(amount), symbol, client_order_id=key
        )
        return orders.gather(portfolio_id=portfolio, ticket=ticket, by=by, moment=moment)

    def effect() -> Answer:
        if pays:
            booking = ledger.book_flow(
                portfolio_id=portfolio,
                amount=Decimal(amount if kind == "pay in" else -amount),
                session_date=world.TODAY,
                source=f"test:{key}",
                by=by,
            )
            return Answer(201, {"seq": booking.seq})
        order = orders.submit(
            portfolio_id=portfolio, ticket=ready().ticket, by=by, moment=moment, ready=ready()
        )
        return Answer(422 if order.state == "rejected" else 201, {"order": str(order.pk)})

    assert by.user_id is not None
    try:
        answer = idempotency.once(
            user_id=by.user_id,
            operation="storm",
            key=key,
            print_of=idempotency.fingerprint(kind, {"p": str(portfolio), "n": amount, "s": symbol}),
            effect=effect,
            before=None if pays else ready,
        )
    except (Conflict, LimitBreached) as refusal:
        return refusal.code
    return "replayed" if answer.replayed else str(answer.status)


def lives(
    *, emit: Callable[[Any], None], portfolio: str, kills: int, within: float, seed: int
) -> None:
    """Fork a trading process, kill it with -9 at a random moment, again and again.

    Each life reports what it sent and what was acknowledged to it.
    """
    dice = random.Random(seed)
    by, moment = trader("owner@example.com"), sessions.moment()
    for life in range(kills):
        connections.close_all()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _trade_until_killed(writer, life, UUID(portfolio), by, moment)
        os.close(writer)
        with os.fdopen(reader) as lines:
            first = lines.readline()
            time.sleep(dice.uniform(0, within))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            emit([json.loads(line) for line in [first, *lines] if line.endswith("\n")])


def _trade_until_killed(writer: int, life: int, portfolio: UUID, by: Actor, moment: Any) -> None:
    number = 0
    try:
        while True:
            key = f"life-{life}-{number}"
            os.write(writer, (json.dumps({"sent": key}) + "\n").encode())
            answer = place(key, portfolio, by, moment)
            told = {"acknowledged": key, "order": answer.body["order"]}
            os.write(writer, (json.dumps(told) + "\n").encode())
            number += 1
    finally:
        os._exit(1)


def place(key: str, portfolio: UUID, by: Actor, moment: Any) -> Answer:
    """Buy one share of AAA under a key: the same answer however often it is asked."""

    def effect() -> Answer:
        order: Order = orders.submit(
            portfolio_id=portfolio,
            ticket=world.buy("1", client_order_id=key),
            by=by,
            moment=moment,
        )
        return Answer(201, {"order": str(order.pk), "state": order.state})

    assert by.user_id is not None
    return idempotency.once(
        user_id=by.user_id,
        operation="kill",
        key=key,
        print_of=idempotency.fingerprint("kill", {"key": key}),
        effect=effect,
    )


def filling(*, emit: Callable[[Any], None], kills: int, within: float, seed: int) -> None:
    """Fork a process that fills what waits, kill it with -9 amid its first fills, again and again.

    It says when it is within the transaction of a fill.
    """
    dice = random.Random(seed)
    for life in range(kills):
        connections.close_all()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _fill_until_killed(writer)
        os.close(writer)
        with os.fdopen(reader) as lines:
            lines.readline()
            time.sleep(dice.uniform(0, within))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            emit([life])


def _fill_until_killed(writer: int) -> None:
    publish = live.publish_trade

    def told(*trade: Any) -> None:
        publish(*trade)
        os.write(writer, b"\n")

    try:
        live.publish_trade = told
        execution.fill_waiting(moment=sessions.moment())
    finally:
        os._exit(0)
