"""Trailing stops on the real closes of June 2016."""

from datetime import date
from decimal import Decimal

import pytest

from etftrader.core.errors import BadInput, VersionMismatch
from marketdata.models import Instrument, QuarantinedPrice
from marketdata.services import price_gate
from portfolios.models import Position
from risk.models import Alert, StopEvent, StopLossLevel
from risk.services import stop_loss
from risk.tests import factories

pytestmark = pytest.mark.django_db

VOTE, BREXIT, MONDAY = date(2016, 6, 23), date(2016, 6, 24), date(2016, 6, 27)


def levels(portfolio):
    rows = StopLossLevel.objects.filter(portfolio=portfolio).select_related("instrument")
    return {each.instrument.symbol: each for each in rows}


def test_three_stops_fire_on_the_day_after_the_vote():
    factories.load_bundle(BREXIT)
    portfolio = factories.make_rotation()

    for day in (factories.START, VOTE, BREXIT):
        stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=day)

    found = levels(portfolio)
    # product.md 2.5: close and stop
    for symbol, close, stop in (
        ("VGK", 44.48, 45.504),
        ("EWG", 23.49, 24.102),
        ("EWU", 29.14, 29.79),
    ):
        level = found[symbol]
        assert level.state == "triggered"
        assert float(level.close) == pytest.approx(close)
        assert float(level.stop_price) == pytest.approx(stop, abs=5e-4)
        assert (level.regime, level.vix, level.triggered_on) == ("high", 25.76, BREXIT)
    assert {s for s, each in found.items() if each.state == "triggered"} == {"VGK", "EWG", "EWU"}
    near = {s for s, each in found.items() if 0 < each.distance <= 0.05}
    assert near == {"XLK", "EWJ", "EEM"}
    assert StopEvent.objects.filter(kind="triggered").count() == 3


def test_a_fired_stop_is_one_critical_alert_however_often_it_is_evaluated():
    factories.load_bundle(BREXIT)
    portfolio = factories.make_rotation()

    for _ in range(3):
        stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    fired = Alert.objects.get(portfolio=portfolio, key="stop:VGK")
    assert (fired.severity, fired.state, fired.count) == ("critical", "open", 1)
    assert StopEvent.objects.filter(instrument__symbol="VGK", kind="triggered").count() == 1


def test_no_stop_fires_on_a_close_in_doubt_before_a_person_has_decided():
    factories.load_bundle(BREXIT)
    portfolio = factories.make_rotation()
    for day in (factories.START, VOTE):
        stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=day)
    doubt = QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="VGK"), symbol="VGK", dataset="daily_bars",
        session_date=BREXIT, source="csv", raw={"close": "50.0"}, value="50.0",
        reason="sources_differ",
    )  # fmt: skip

    counts = stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    held = levels(portfolio)["VGK"]
    assert (held.state, held.reason, held.session_date) == ("armed", "price_suspect", VOTE)
    assert counts["not_evaluated"] == 1
    said = Alert.objects.get(portfolio=portfolio, key="stop:VGK:not_evaluated")
    assert said.detail == "The close is in doubt for 2016-06-24 (price_suspect)."
    assert not StopEvent.objects.filter(instrument__symbol="VGK").exists()

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    fired = levels(portfolio)["VGK"]
    assert (fired.state, fired.reason, fired.triggered_on) == ("triggered", "", BREXIT)
    said.refresh_from_db()
    assert said.state == "resolved"


def test_a_later_close_lets_no_stop_pass_one_nobody_has_decided_about():
    factories.load_bundle(MONDAY)
    known, fresh = factories.make_rotation(), factories.make_rotation()
    for day in (factories.START, VOTE):
        stop_loss.evaluate(portfolio_ids=[known.pk], session_date=day)
    doubt = QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="VGK"), symbol="VGK", dataset="daily_bars",
        session_date=BREXIT, source="csv", raw={"close": "50.0"}, value="50.0",
        reason="sources_differ",
    )  # fmt: skip

    # one stop walks on from the vote, the other for the first time, from its opening day
    stop_loss.evaluate(portfolio_ids=[known.pk, fresh.pk], session_date=MONDAY)

    for portfolio in (known, fresh):
        waits = levels(portfolio)["VGK"]
        assert (waits.state, waits.reason, waits.session_date) == ("armed", "price_suspect", VOTE)
        said = Alert.objects.get(portfolio=portfolio, key="stop:VGK:not_evaluated")
        assert said.detail == "The close is in doubt for 2016-06-24 (price_suspect)."
        assert levels(portfolio)["SPY"].session_date == MONDAY
    assert not StopEvent.objects.filter(instrument__symbol="VGK").exists()

    price_gate.reject(doubt_id=doubt.pk, by=factories.HOUSE)
    stop_loss.evaluate(portfolio_ids=[known.pk, fresh.pk], session_date=MONDAY)

    for portfolio in (known, fresh):
        fired = levels(portfolio)["VGK"]
        assert (fired.state, fired.reason, fired.triggered_on) == ("triggered", "", BREXIT)


def test_a_stop_whose_opening_day_is_undecided_is_not_evaluated_at_all():
    factories.load_bundle(MONDAY)
    portfolio = factories.make_portfolio()
    factories.hold(portfolio, "VGK", 100, BREXIT)
    QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="VGK"), symbol="VGK", dataset="daily_bars",
        session_date=BREXIT, source="csv", raw={"close": "50.0"}, value="50.0",
        reason="sources_differ",
    )  # fmt: skip

    counts = stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=MONDAY)

    assert counts["not_evaluated"] == 1
    assert not StopLossLevel.objects.exists()


def test_walking_all_closes_at_once_gives_what_the_days_gave():
    factories.load_bundle(BREXIT)
    daily, at_once = factories.make_rotation(), factories.make_rotation()
    for day in (factories.START, VOTE, BREXIT):
        stop_loss.evaluate(portfolio_ids=[daily.pk], session_date=day)

    stop_loss.evaluate(portfolio_ids=[at_once.pk], session_date=BREXIT)

    one, other = levels(daily), levels(at_once)
    for symbol, level in one.items():
        assert (level.stop_price, level.extreme, level.state) == (
            other[symbol].stop_price,
            other[symbol].extreme,
            other[symbol].state,
        )


def test_a_sold_position_has_no_stop_and_no_alert():
    factories.load_bundle(BREXIT)
    portfolio = factories.make_rotation()
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)
    factories.hold(portfolio, "VGK", -factories.ROTATION["VGK"], BREXIT)

    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    assert "VGK" not in levels(portfolio)
    assert Alert.objects.get(portfolio=portfolio, key="stop:VGK").state == "resolved"


def test_a_reopened_position_begins_anew():
    factories.load_bundle(date(2016, 6, 27))
    portfolio = factories.make_rotation()
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)
    factories.hold(portfolio, "VGK", -factories.ROTATION["VGK"], BREXIT)
    factories.hold(portfolio, "VGK", 100, date(2016, 6, 27))

    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=date(2016, 6, 27))

    level = levels(portfolio)["VGK"]
    bought = Position.objects.get(portfolio=portfolio, instrument__symbol="VGK")
    assert level.state == "armed"
    assert level.opened_on == bought.opened_on == date(2016, 6, 27)
    assert level.extreme == level.entry
    assert Alert.objects.get(portfolio=portfolio, key="stop:VGK").state == "resolved"


def test_a_missing_close_is_said_aloud_and_triggers_nothing():
    factories.load_bundle(VOTE)
    portfolio = factories.make_portfolio()
    factories.hold(portfolio, "VGK", 100)

    # the prices of the 24th are not loaded
    counts = stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    assert (counts["not_evaluated"], counts["triggered"]) == (1, 0)
    assert levels(portfolio)["VGK"].reason == "no_price"
    alert = Alert.objects.get(portfolio=portfolio)
    assert (alert.key, alert.severity) == ("stop:VGK:not_evaluated", "warning")

    factories.advance(BREXIT)
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_a_short_trails_from_below():
    factories.load_bundle(BREXIT)
    portfolio = factories.make_portfolio(allow_short=True)
    factories.hold(portfolio, "EEM", -100, date(2016, 6, 1))

    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=BREXIT)

    level = levels(portfolio)["EEM"]
    assert level.side == "short"
    assert level.stop_price > level.close
    assert level.extreme <= level.entry


def test_a_rule_needs_the_version_that_was_read():
    factories.load_bundle()
    portfolio = factories.make_portfolio()
    given = {"portfolio_id": portfolio.pk, "enabled": False, "mode": "table", "ratchet": True}
    stop_loss.set_rule(**given, if_match_version=0, by=factories.HOUSE)

    with pytest.raises(VersionMismatch):
        stop_loss.set_rule(**given, if_match_version=0, by=factories.HOUSE)
    with pytest.raises(BadInput):
        stop_loss.set_rule(**(given | {"mode": "guess"}), if_match_version=1, by=factories.HOUSE)

    factories.hold(portfolio, "SPY", Decimal(10))
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=factories.START)
    assert not StopLossLevel.objects.exists()
