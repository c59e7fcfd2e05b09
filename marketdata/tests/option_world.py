"""SPY at its bundled closes with its smile, and the real Time Warner chain, for options' tests."""

import csv
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from etftrader.core.actor import system
from etftrader.core.clock import now
from marketdata.choices import InstrumentKind, PriceBasis, Source
from marketdata.models import DailyBar, Instrument, ReplayClock, TreasuryYield
from marketdata.providers.base import BarRow, OptionChain, OptionRow
from marketdata.providers.bundled import BundledProvider
from marketdata.selectors import calendar
from marketdata.services import bar_store

BY = system("tests")
DAY, NEXT = date(2016, 6, 22), date(2016, 6, 23)
TWX_DAY = date(2014, 6, 5)
FIRST = date(2016, 1, 4)


def instrument(symbol="SPY", kind=InstrumentKind.ETF, **fields):
    given = {"name": symbol, "price_basis": PriceBasis.CLOSE} | fields
    return Instrument.objects.create(symbol=symbol, kind=kind, **given)


def clock_at(day=DAY):
    ReplayClock.objects.update_or_create(
        pk=1,
        defaults={
            "start": day,
            "session_date": day,
            "as_of": calendar.close_time(day),
            "moved_at": now(),
        },
    )


def bars(of, closes):
    """Closes by session, in the table of record and in the packed series."""
    rows = [
        BarRow(
            symbol=of.symbol,
            session_date=day,
            open=None,
            high=None,
            low=None,
            close=close,
            adj_close=None,
            volume=None,
            source=Source.BUNDLED.value,
            price_basis=of.price_basis,
        )
        for day, close in closes
    ]
    bar_store.upsert(rows, {of.symbol: of})
    bar_store.pack_series(of, rows)
    return DailyBar.objects.filter(instrument=of).count()


def spy(until=DAY, **fields):
    """SPY with its real closes of 2016 and the curve, up to a session."""
    given = {"assumed_dividend_yield": 0.02} | fields
    of = instrument(**given)
    source = BundledProvider(until=until)
    rows = list(source.bars(["SPY"], FIRST, until))
    bars(of, [(row.session_date, row.close) for row in rows])
    yields(source.yields(FIRST, until))
    return of


def yields(rows):
    TreasuryYield.objects.bulk_create(
        TreasuryYield(
            session_date=row.session_date,
            tenor=row.tenor,
            percent=row.percent,
            source=row.source,
        )
        for row in rows
    )


def twx():
    """Time Warner on the day of its chain: close, a dividend yield, the real curve."""
    of = instrument("TWX", InstrumentKind.STOCK, assumed_dividend_yield=0.018)
    bars(of, [(TWX_DAY, 70.88)])
    yields(BundledProvider(until=TWX_DAY).yields(TWX_DAY, TWX_DAY))
    return of


def twx_chains(folder):
    """The file's chains by expiry, as a provider would give them."""
    chains = {}
    with (folder / "data" / "option_chain_twx_20140605_bidask.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            day = date.fromisoformat(row["expiration"])
            chains.setdefault(day, []).append(_row(row, day))
    return [OptionChain("TWX", day, 70.88, tuple(rows)) for day, rows in chains.items()]


def _row(row, day):
    strike = Decimal(row["strike"])
    return option(
        f"TWX{day:%y%m%d}{row['right']}{int(strike * 1000):08d}",
        underlying="TWX",
        expiration=day,
        right=row["right"],
        strike=float(strike),
        bid=float(row["bid"]) if row["bid"] else None,
        ask=float(row["ask"]) if row["ask"] else None,
    )


def option(contract, **fields):
    given = {
        "underlying": "SPY",
        "expiration": date(2016, 8, 19),
        "right": "C",
        "strike": 212.0,
        "bid": 4.7,
        "ask": 4.9,
        "last": None,
        "volume": None,
        "open_interest": None,
        "implied_volatility": None,
        "last_trade_at": None,
        "currency": "USD",
        "source": "yfinance",
    } | fields
    return OptionRow(contract=contract, **given)


def chain(*rows, **fields):
    given = {"underlying": "SPY", "expiration": date(2016, 8, 19), "underlying_price": 208.1}
    return OptionChain(**(given | fields), rows=rows)


def at_four(day):
    return datetime(day.year, day.month, day.day, 16, tzinfo=ZoneInfo("America/New_York"))
