"""Last prices in the live store: one round trip a batch, whole or nothing for readers."""

import numpy as np
import pytest

from etftrader.core import livestate
from marketdata import live

SYMBOLS = tuple(f"S{number:04d}" for number in range(1_000))


def commands():
    """Commands the store has run, but for the question itself; each was a round trip."""
    told = livestate.client().info("commandstats")
    return {
        name.removeprefix("cmdstat_"): row["calls"]
        for name, row in told.items()
        if not name.startswith("cmdstat_info")
    }


@pytest.fixture
def prices():
    return np.random.default_rng(1).uniform(1, 500, len(SYMBOLS))


@pytest.fixture
def board(fresh_redis, prices):
    return live.PriceBoard(SYMBOLS, prices)


def test_readers_see_every_batch_in_order(board, prices):
    expected = prices.copy()
    rng = np.random.default_rng(2)
    for number in range(60):
        size = int(rng.integers(1, 600))
        places = rng.permutation(len(SYMBOLS))[:size]
        told = rng.uniform(1, 500, size)
        assert board.send(places, told, number)
        expected[places] = told

        found = live.last_prices()
        assert found.symbols == SYMBOLS
        assert found.prices.tobytes() == expected.tobytes()
        assert found.as_of == number


@pytest.fixture
def own_store(own_redis, settings):
    """A store nobody else asks anything: a store counts the commands of all its databases."""
    settings.LIVE_URL = own_redis.url
    livestate.client.cache_clear()
    yield
    livestate.client.cache_clear()


def test_a_batch_is_one_command_whatever_its_size_and_so_is_a_reading(own_store, prices):
    board = live.PriceBoard(SYMBOLS, prices)
    board.send(np.arange(5), prices[:5], 0)  # the first one carries the whole
    for number, size in enumerate([1, 10, 100, 1_000], 1):
        before = commands()
        board.send(np.arange(size), prices[:size], number)
        sent = commands()
        assert live.last_prices().as_of == number
        read = commands()

        assert sum(sent.values()) - sum(before.values()) == 1
        assert sum(read.values()) - sum(sent.values()) == 1


def test_what_the_store_holds_does_not_grow_without_end(board, prices):
    sizes = []
    for number in range(400):
        board.send(np.arange(50), prices[:50], number)
        sizes.append(livestate.client().strlen(live.PRICES_KEY))

    assert max(sizes) < 8 * 10 * len(SYMBOLS)
    assert min(sizes[-200:]) < max(sizes[-200:])  # it was begun anew


def test_a_store_that_lost_the_string_is_given_the_whole(board, prices):
    board.send(np.arange(3), prices[:3], 1)
    livestate.client().flushdb()

    assert board.send(np.array([7]), np.array([77.0]), 2)

    assert live.last_prices().prices[7] == 77.0
    assert live.last_prices().prices[999] == prices[999]


def test_a_universe_that_changes_keeps_what_stays_to_the_last_bit(board, prices):
    stay = [*SYMBOLS[100:900], "ZNEW"]
    board.keep(stay)
    board.publish(["ZNEW"], np.array([5.0]), 1)

    found = live.last_prices()

    assert found.symbols == tuple(stay)
    assert found.prices[:-1].tobytes() == prices[100:900].tobytes()
    assert found.prices[-1] == 5.0


def test_a_symbol_that_is_not_held_joins_with_its_first_price(board):
    board.publish(["ANEW"], np.array([5.0]), 1)

    found = live.last_prices()

    assert found.symbols[0] == "ANEW"
    assert (found.prices[0], len(found.symbols)) == (5.0, 1_001)


def test_what_the_store_missed_while_it_was_away_comes_with_its_return(
    own_redis, monkeypatch, prices
):
    client = livestate.LiveClient.from_url(own_redis.urls["REDIS_URL"], socket_timeout=1)
    monkeypatch.setattr(livestate, "client", lambda: client)
    monkeypatch.setattr(livestate, "REST_S", 0.0)
    monkeypatch.setattr(livestate, "ANSWER_S", 0.0)
    board = live.PriceBoard(SYMBOLS, prices)
    assert board.send(np.array([1]), np.array([1.5]), 1)
    own_redis.kill()

    assert not board.send(np.array([2]), np.array([2.5]), 2)
    assert live.last_prices() is None

    own_redis.start()
    assert board.send(np.array([3]), np.array([3.5]), 3)
    assert live.last_prices().prices[:4].tolist() == [prices[0], 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text[:-3],
        lambda text: b"X" + text[1:],
        lambda text: text + b"B" + bytes(24),
        lambda text: b"",
        lambda text: text[:9] + b"\xff" * 16 + text[25:],
    ],
)
def test_a_string_that_is_not_ours_is_no_price(board, prices, spoil):
    board.send(np.arange(len(SYMBOLS)), prices, 1)
    board.send(np.arange(3), prices[:3], 2)
    text = livestate.client().get(live.PRICES_KEY)
    assert live.read_prices(text) is not None

    assert live.read_prices(spoil(text)) is None


def test_a_universe_has_an_end(fresh_redis):
    with pytest.raises(ValueError, match="65536"):
        live.PriceBoard([f"S{number}" for number in range(65_537)])


def test_who_joins_brings_the_price_that_is_known_and_the_others_keep_theirs(fresh_redis):
    board = live.PriceBoard(("AAA", "BBB"), np.array([1.0, 2.0]))
    board.keep(("AAA", "CCC", "DDD"))

    board.know(live.LastPrices(("AAA", "CCC", "ZZZ"), np.array([9.0, 3.0, 4.0]), 0))

    assert board.symbols == ("AAA", "CCC", "DDD")
    assert board.prices[:2].tolist() == [1.0, 3.0]
    assert np.isnan(board.prices[2])
