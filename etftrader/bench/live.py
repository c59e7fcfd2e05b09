"""Last prices through the live store: ticks on their way in, 500 prices on their way out.

Peers: one SET a tick, SETs in pipelines of 500, GET and MGET. Ours: marketdata.live.PriceBoard,
one string with a vector and blocks of records. The store is a throw-away server of its own.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side

UNIVERSE, BATCH, READ, FEW = 5_000, 5_000, 500, 100
EACH_GOAL, PIPELINE_GOAL, GET_GOAL, MGET_GOAL = 400, 100, 400, 8
SIZES = (500, 5_000)


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Ticks in, prices out, then what a batch costs as the universe grows."""
    client, live = _start()
    symbols = [f"S{number:04d}" for number in range(UNIVERSE)]
    board = live.PriceBoard(symbols)
    rng = np.random.default_rng(10)
    prices = np.round(rng.uniform(10.0, 500.0, BATCH), 4)
    places = rng.permutation(UNIVERSE)[:BATCH]
    yield from _tick_cases(client, live, board, symbols, places, prices)
    small = live.PriceBoard(symbols[:READ])
    small.send(np.arange(READ), prices[:READ], 1)
    yield from _read_cases(client, live, symbols[:READ], prices[:READ])
    yield _growth(live, symbols, prices)


def _start() -> tuple[Any, Any]:
    import atexit

    import django

    folder = tempfile.TemporaryDirectory(prefix="etf-bench-")
    atexit.register(folder.cleanup)
    from etftrader.testing import services

    server = services.start_redis()
    atexit.register(server.stop)
    os.environ.update(server.urls)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "etftrader.settings")
    os.environ.setdefault("ETF_EMBEDDED", "1")
    os.environ.setdefault("ETF_VAR", folder.name)
    os.environ.setdefault("SECRET_KEY", "bench-" + "s" * 50)
    django.setup()
    from django.conf import settings

    from etftrader.core import livestate
    from marketdata import live

    settings.LIVE_URL = server.urls["REDIS_URL"]  # an item before this one has read the settings
    livestate.client.cache_clear()
    return livestate.client(), live


def _tick_cases(
    client: Any,
    live: Any,
    board: Any,
    symbols: list[str],
    places: NDArray[np.int64],
    prices: NDArray[np.float64],
) -> Iterator[Case]:
    """The same board, told its whole universe at once and in batches of 500."""

    def each() -> None:
        for place in range(FEW):
            client.set(f"bench:{symbols[place]}", float(prices[place]))

    def pipeline() -> None:
        with client.pipeline(transaction=False) as pipe:
            for place in range(READ):
                pipe.set(f"bench:{symbols[place]}", float(prices[place]))
            pipe.execute()

    def agree() -> float:
        board.send(places, prices, 1)
        board.send(places[:READ], 2 * prices[:READ], 2)
        found = live.last_prices().prices
        expected = np.empty(UNIVERSE)
        expected[places] = prices
        expected[places[:READ]] *= 2
        return float(np.abs(found - expected).max())

    whole = partial(board.send, places, prices, 1)
    part = partial(board.send, places[:READ], prices[:READ], 1)
    for words, ours, count in (
        (f"a batch of {BATCH:,}", whole, BATCH),
        (f"a batch of {READ} of {UNIVERSE:,}", part, READ),
    ):
        yield Case(
            f"{words}, one SET a tick",
            Side(each, FEW),
            Side(ours, count),
            EACH_GOAL,
            agree,
            0.0,
        )
        yield Case(
            f"{words}, pipelines of {READ}",
            Side(pipeline, READ),
            Side(ours, count),
            PIPELINE_GOAL,
            agree,
            0.0,
        )


def _read_cases(
    client: Any, live: Any, symbols: list[str], prices: NDArray[np.float64]
) -> Iterator[Case]:
    keys = [f"bench:{symbol}" for symbol in symbols]
    client.mset(dict(zip(keys, prices.tolist(), strict=True)))

    def one_by_one() -> list[float]:
        return [float(client.get(key)) for key in keys]

    def together() -> list[float]:
        return [float(text) for text in client.mget(keys)]

    def ours() -> NDArray[np.float64]:
        return live.last_prices().prices

    def apart(peer: Callable[[], list[float]]) -> float:
        return float(np.abs(np.array(peer()) - ours()).max())

    for name, peer, goal in (("GET each", one_by_one, GET_GOAL), ("MGET", together, MGET_GOAL)):
        yield Case(
            f"{READ} last prices, {name}",
            Side(peer, READ),
            Side(ours, READ),
            goal,
            partial(apart, peer),
            0.0,
        )


def _growth(live: Any, symbols: list[str], prices: NDArray[np.float64]) -> Growth:
    """A batch of 100 costs the same in a small universe and in a large one."""
    sides = []
    for size in SIZES:
        board = live.PriceBoard(symbols[:size])
        board.send(np.arange(size), prices[:size], 1)
        sides.append(Side(partial(board.send, np.arange(100), prices[:100], 2)))
    return Growth(f"a batch of 100, {SIZES[0]} to {SIZES[1]:,} symbols", SIZES, sides, 2.0)
