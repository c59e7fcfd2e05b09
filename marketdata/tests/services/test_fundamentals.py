"""Fund and company data through the real package: dated, from its source, null where unsaid."""

from datetime import date
from typing import Any

import pytest

from etftrader.core.records import AuditEvent, JobRun
from etftrader.testing.yahoo_server import Reply, YahooServer, quote, summary
from marketdata.models import DataRefresh, Fundamental, Instrument
from marketdata.providers.base import FundRow
from marketdata.services import fundamentals
from marketdata.tasks import sync_fundamentals
from marketdata.tests.api.people import V1, client
from marketdata.tests.option_world import clock_at

pytestmark = pytest.mark.django_db
DAY, NEXT = date(2020, 6, 30), date(2020, 7, 1)


def make(symbol: str, kind: str = "etf", **fields: Any) -> Instrument:
    return Instrument.objects.create(
        symbol=symbol, name=symbol, kind=kind, price_basis="close", **fields
    )


def company(sector: str) -> Reply:
    """A company's page: no fund data, a sector, and nothing else."""
    page = {
        "quoteType": {"quoteType": "EQUITY", "longName": "A company", "exchange": "NMS"},
        "summaryProfile": {"sector": sector, "industry": "Software"},
    }
    return Reply.json({"quoteSummary": {"result": [page], "error": None}})


def outcomes(symbols: list[str], day: date = DAY) -> list[tuple[str, str]]:
    found = fundamentals.sync(session_date=day, symbols=symbols)
    return [(each.item, each.status) for each in found]


def test_what_a_source_says_is_kept_with_its_day(yahoo: YahooServer) -> None:
    spy = make("SPY")

    assert outcomes(["SPY", "NOPE", "spy"]) == [("SPY", "ok"), ("NOPE", "failed")]
    outcomes(["SPY"])
    outcomes(["SPY"], NEXT)

    rows = Fundamental.objects.filter(instrument=spy).order_by("as_of")
    assert [(row.as_of, row.source) for row in rows] == [(DAY, "yfinance"), (NEXT, "yfinance")]
    assert (rows[0].expense_ratio, rows[0].dividend_yield) == (0.000945, 0.0178)
    assert rows[0].duration is None
    assert rows[0].top_holdings == [{"symbol": "AAPL", "name": "Apple", "weight": 0.058}]
    newest = DataRefresh.objects.filter(dataset="fund_data").order_by("pk").first()
    assert newest is not None
    assert (newest.status, newest.missing) == ("degraded", ["NOPE"])


def test_one_symbol_that_fails_leaves_the_others_whole(yahoo: YahooServer) -> None:
    make("AAA")
    make("SPY")

    assert outcomes(["AAA", "SPY"]) == [("AAA", "failed"), ("SPY", "ok")]
    assert Fundamental.objects.count() == 1


def test_another_sector_becomes_the_instruments_and_is_audited_once(yahoo: YahooServer) -> None:
    spy = make("SPY", kind="stock", sector="Unknown")
    yahoo.say("quoteSummary", company("Technology"))
    share = quote("SPY") | {"quoteType": "EQUITY"}
    yahoo.say("v7/finance/quote", Reply.json({"quoteResponse": {"result": [share]}}))

    assert outcomes(["SPY"]) == [("SPY", "ok")]

    spy.refresh_from_db()
    assert (spy.sector, spy.version) == ("Technology", 2)
    line = AuditEvent.objects.get(action="instrument.sector_changed")
    assert (line.before["sector"], line.after["sector"]) == ("Unknown", "Technology")
    row = Fundamental.objects.get()
    assert (row.pe, row.aum, row.expense_ratio, row.sector_weights) == (None, None, None, {})


def test_what_a_person_changed_meanwhile_stays(yahoo: YahooServer) -> None:
    spy = make("SPY", kind="stock", sector="Unknown")
    Instrument.objects.filter(pk=spy.pk).update(sector="Energy", version=5)
    told = yahoo_told("Technology")

    fundamentals.keep(instrument=spy, told=told, as_of=DAY)

    assert Instrument.objects.get().sector == "Energy"
    assert not AuditEvent.objects.exists()


def yahoo_told(sector: str) -> Any:
    nothing = dict.fromkeys(FundRow.__dataclass_fields__)
    return FundRow(
        **nothing
        | {
            "symbol": "SPY",
            "sector": sector,
            "source": "yfinance",
            "sector_weights": {},
            "asset_classes": {},
            "top_holdings": (),
        }
    )


def test_without_a_source_nothing_is_asked_and_the_api_says_why(settings: Any) -> None:
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at()
    make("SPY", sector="Broad")

    assert outcomes(["SPY"]) == [("SPY", "skipped")]

    told = client("reader").get(f"{V1}/instruments/spy/fundamentals").json()
    assert (told["as_of"], told["expense_ratio"], told["sector"]) == (None, None, "Broad")
    assert set(told["reasons"].values()) == {"no_source"}
    assert "expense_ratio" in told["reasons"]
    assert "sector" not in told["reasons"]


def test_the_api_tells_a_day_and_asks_again_by_a_job(yahoo: YahooServer, settings: Any) -> None:
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at(DAY)
    make("SPY")
    operator, reader = client("operator", "Operator"), client("reader")
    url = f"{V1}/instruments/SPY/fundamentals"
    assert reader.get(url).json()["reasons"]["aum"] == "not_fetched"
    assert reader.post(url, {}, format="json").status_code == 403

    asked = operator.post(url, {}, format="json")

    assert asked.status_code == 202
    run = JobRun.objects.get()
    assert (run.job, run.inputs) == ("marketdata.sync_fundamentals", {"symbols": ["SPY"]})
    assert operator.post(url, {}, format="json").json()["id"] == str(run.pk)
    told = sync_fundamentals(session_date=str(DAY), symbols=["SPY"], run_id=str(run.pk))
    assert told == {"items": [{"item": "SPY", "status": "ok", "reason": ""}]}
    body = reader.get(url).json()
    assert (body["as_of"], body["source"], body["category"]) == (
        str(DAY), "yfinance", "Large Blend",
    )  # fmt: skip
    assert body["aum"] == "270000000000.00"
    assert body["reasons"] == {"duration": "not_stated", "sector": "not_stated"}
    assert reader.get(f"{url}?as_of=2020-06-29").json()["as_of"] is None
    assert reader.get(f"{url}?as_of=2020-07-01").status_code == 400


def test_garbage_of_a_source_is_a_failure(yahoo: YahooServer) -> None:
    make("SPY")
    page = summary("SPY") | {"quoteType": {}}
    yahoo.say("quoteSummary", Reply.json({"quoteSummary": {"result": [page], "error": None}}))

    assert outcomes(["SPY"]) == [("SPY", "failed")]
    assert not Fundamental.objects.exists()
