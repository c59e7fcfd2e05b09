"""Positions exported and imported are the same; 1,000 portfolios with ETF_ROUND_TRIPS=1000."""

import os
import random
from decimal import Decimal

import pytest

from portfolios.models import ImportBatch, Position
from portfolios.services import csv_export, csv_import, ledger, tags
from portfolios.services.booking import Opening
from portfolios.tests.factories import MONDAY, TUESDAY, WEDNESDAY, make_instrument, make_portfolio
from portfolios.tests.factories import make_user as owner
from portfolios.tests.services.importing import bring, verdicts

pytestmark = pytest.mark.django_db
TRIPS = int(os.environ.get("ETF_ROUND_TRIPS", "30"))
CHUNK = 10
SYMBOLS = ("SPY", "NFLX", "BRK-B", "QQQ", "TLT")
OPTIONS = ("SPY160819C00212000", "SPY160916P00191000")
WORDS = ("Core", "#strategy:hedge", "a.b-c d", "-x", "Überhang")


@pytest.fixture
def market(monkeypatch):
    monkeypatch.setattr(csv_import, "FILES_A_DAY", 1_000_000)
    return [make_instrument(symbol) for symbol in SYMBOLS]


def amount(rng, places, most):
    return Decimal(rng.randrange(1, most * 10**places)) / 10**places


def fill(rng, portfolio, market):
    """Lots, in both directions, some sold again in part; averages that no price can say."""
    openings = []
    for instrument in rng.sample(market, rng.randrange(len(market) + 1)):
        sign = rng.choice([1, 1, -1])
        for _ in range(rng.randrange(1, 5)):
            # a lot against the others leaves a part of a cost behind that has been divided
            side = sign if rng.random() < 0.8 else -sign
            units = side * amount(rng, rng.choice([0, 2, 6]), 500)
            price = amount(rng, rng.choice([2, 4, 6]), 900)
            day = rng.choice([MONDAY, TUESDAY, WEDNESDAY])
            source = f"t:{len(openings)}"
            openings.append(Opening(instrument, units, price, day, source))
    ledger.book_openings(portfolio_id=portfolio.pk, openings=openings)
    for row in Position.objects.open().filter(portfolio=portfolio):
        for word in rng.sample(WORDS, rng.randrange(3)):
            [(kind, name)] = tags.parse(word)
            tag = tags.find_or_make(user=owner(), kind=kind, name=name)
            tags.assign(position=row, tags=[tag])


def holdings(portfolio):
    rows = Position.objects.open().filter(portfolio=portfolio).select_related("instrument")
    return {
        row.instrument.symbol: (
            row.quantity,
            row.cost_basis,
            row.opened_on,
            frozenset(row.tagged.values_list("tag__kind", "tag__name")),
        )
        for row in rows
    }


@pytest.mark.parametrize("chunk", range(0, TRIPS, CHUNK))
def test_what_is_exported_comes_back_as_it_was(market, chunk):
    for seed in range(chunk, min(chunk + CHUNK, TRIPS)):
        rng = random.Random(seed)
        one = make_portfolio(name=f"one {seed}")
        other = make_portfolio(name=f"other {seed}")
        fill(rng, one, market)
        data = csv_export.positions_file(portfolio_id=one.pk)

        there = bring(other, data)
        assert there.result["booked"] == len(holdings(one)), seed
        assert holdings(other) == holdings(one), seed
        assert csv_export.positions_file(portfolio_id=other.pk) == data, seed

        back = bring(one, data)
        assert set(verdicts(back)) <= {"unchanged"}, seed
        assert back.result["booked"] == 0
        again = bring(other, data)
        assert set(verdicts(again)) <= {"duplicate"}, seed
        ImportBatch.objects.all().delete()


def test_options_and_what_a_spreadsheet_would_run_come_back_too(market):
    one, other = make_portfolio(name="one"), make_portfolio(name="other")
    lines = [f"{symbol},{n},1.0001,2016-06-21,-x" for n, symbol in enumerate(OPTIONS, start=3)]
    bring(one, "ticker,quantity,entry_price,entry_date,tags\n" + "\n".join(lines))

    data = csv_export.positions_file(portfolio_id=one.pk)
    bring(other, data)

    assert b"'-x" in data
    assert holdings(other) == holdings(one)
    assert set(holdings(one)) == set(OPTIONS)
