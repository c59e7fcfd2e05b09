"""Watchlists follow an instrument to its new symbol: it stands on each list once."""

from datetime import date
from typing import Any

import pytest

from etftrader.core.errors import Conflict
from marketdata.models import CorporateAction, Instrument, OptionContract
from marketdata.services import corporate_actions
from portfolios.models import Watchlist, WatchlistItem
from portfolios.services import watchlists
from portfolios.tests.factories import actor, make_clock, make_instrument, make_user

pytestmark = pytest.mark.django_db
DAY = date(2020, 6, 30)


@pytest.fixture
def fund() -> Instrument:
    make_clock(DAY)
    return make_instrument("AAA")


def listing(name: str = "Mine", email: str = "owner@example.com") -> Watchlist:
    user = make_user(email)
    return watchlists.create(user=user, name=name, by=actor(user))


def put(row: Watchlist, symbol: str, **fields: Any) -> WatchlistItem:
    by = actor(row.user)
    return watchlists.add(watchlist_id=row.pk, symbol=symbol, by=by, **fields)


def rename(fund: Instrument, symbol: str, day: date = DAY) -> None:
    CorporateAction.objects.create(
        instrument=fund, kind="symbol_change", ex_date=day, new_symbol=symbol, source="manual"
    )
    assert corporate_actions.apply_due(session_date=day)["counts"] == {"applied": 1, "failed": 0}


def on(row: Watchlist) -> list[tuple[str, str]]:
    return list(row.items.order_by("order").values_list("symbol", "note"))


def test_every_list_has_the_new_symbol_and_takes_no_second_one(fund: Instrument) -> None:
    make_instrument("BBB")
    mine, other = listing(), listing("Theirs", "other@example.com")
    for row in (mine, other):
        put(row, "AAA", note="core")
        put(row, "BBB")
    versions = dict(Watchlist.objects.values_list("pk", "version"))

    rename(fund, "NEW")

    for row in (mine, other):
        assert on(row) == [("NEW", "core"), ("BBB", "")]
        row.refresh_from_db()
        assert row.version == versions[row.pk] + 1
        for symbol in ("NEW", "AAA"):
            with pytest.raises(Conflict, match="NEW is on this list already"):
                put(row, symbol)


def test_a_list_that_waited_for_the_new_symbol_has_it_once(fund: Instrument) -> None:
    row = listing()
    put(row, "NEW", note="spotted")
    make_instrument("BBB")
    put(row, "BBB")
    kept = put(row, "AAA", note="core")

    rename(fund, "NEW")

    assert on(row) == [("NEW", "core; spotted"), ("BBB", "")]
    assert row.items.get(symbol="NEW").pk == kept.pk
    assert watchlists.attach() == 0


def test_options_on_it_follow_and_other_lists_are_left_alone(fund: Instrument) -> None:
    make_instrument("BBB")
    contract = make_instrument("AAA201016C00100000", kind="option")
    OptionContract.objects.create(
        instrument=contract, underlying=fund, root="AAA",
        expiry=date(2020, 10, 16), strike=100, right="call",
    )  # fmt: skip
    mine, other = listing(), listing("Else")
    put(mine, contract.symbol)
    put(other, "BBB")
    version = Watchlist.objects.get(pk=other.pk).version

    rename(fund, "NEW")

    assert on(mine) == [("NEW201016C00100000", "")]
    assert on(other) == [("BBB", "")]
    assert Watchlist.objects.get(pk=other.pk).version == version


def test_there_and_back_again_is_one_row(fund: Instrument) -> None:
    row = listing()
    put(row, "AAA")

    rename(fund, "NEW")
    fund.refresh_from_db()
    rename(fund, "AAA", date(2020, 7, 1))

    assert on(row) == [("AAA", "")]
