"""What Yahoo says about a fund or a company, in fractions, within the bounds of quant.md 13."""

from collections.abc import Mapping
from typing import Any

from marketdata.providers import yahoo_session
from marketdata.providers.base import FundRow, ProviderFailed
from marketdata.providers.yahoo_options import positive

KINDS = {"ETF": "etf", "EQUITY": "stock", "INDEX": "index", "MUTUALFUND": "fund"}
WITH_FUND_DATA = {"ETF", "MUTUALFUND"}
EXPENSE_MAX, YIELD_MAX = 0.03, 0.25
EARNINGS_RANGE = (3.0, 100.0)


def fund(symbol: str, session: Any) -> FundRow:
    """Return what is known about one symbol. Raises ProviderFailed."""
    try:
        ticker = yahoo_session.ticker(symbol, session)
        info = ticker.info
        if not isinstance(info, Mapping) or not info.get("quoteType"):
            raise ProviderFailed("the answer describes nothing", code="empty_answer")
        data = ticker.funds_data if info["quoteType"] in WITH_FUND_DATA else None
        return _row(symbol, info, data)
    except yahoo_session.errors() as error:
        raise yahoo_session.raised(symbol, error) from error


def _row(symbol: str, info: Mapping[str, Any], data: Any) -> FundRow:
    operations = _column(data, "fund_operations", symbol)
    equity = _column(data, "equity_holdings", symbol)
    overview = data.fund_overview if data is not None else {}
    return FundRow(
        symbol=symbol,
        name=_words(info.get("longName") or info.get("shortName")),
        kind=KINDS.get(str(info["quoteType"])),
        currency=_words(info.get("currency")),
        exchange=_words(info.get("exchange")),
        sector=_words(info.get("sector")),
        industry=_words(info.get("industry")),
        category=_words(overview.get("categoryName") or info.get("category")),
        family=_words(overview.get("family") or info.get("fundFamily")),
        expense_ratio=_expense(operations, info),
        dividend_yield=_within(
            info.get("yield", info.get("trailingAnnualDividendYield")), YIELD_MAX
        ),
        price_to_earnings=_earnings(info.get("trailingPE") or equity.get("Price/Earnings")),
        price_to_book=_multiple(info.get("priceToBook") or equity.get("Price/Book")),
        total_assets=positive(info.get("totalAssets") or operations.get("Total Net Assets")),
        nav_price=positive(info.get("navPrice")),
        turnover=positive(operations.get("Annual Holdings Turnover")),
        bond_duration=positive(_column(data, "bond_holdings", symbol).get("Duration")),
        source=yahoo_session.NAME,
        sector_weights=_weights(data.sector_weightings if data is not None else {}),
        asset_classes=_weights(data.asset_classes if data is not None else {}),
        top_holdings=_holdings(data),
    )


def _column(data: Any, name: str, symbol: str) -> dict[str, Any]:
    return {} if data is None else getattr(data, name)[symbol].to_dict()


def _expense(operations: Mapping[str, Any], info: Mapping[str, Any]) -> float | None:
    """The annual report states a fraction; the quote page states percent."""
    reported = _within(operations.get("Annual Report Expense Ratio"), EXPENSE_MAX)
    if reported is not None:
        return reported
    percent = positive(info.get("netExpenseRatio"))
    return percent / 100 if percent is not None and percent / 100 <= EXPENSE_MAX else None


def _within(value: object, most: float) -> float | None:
    """A fraction within its bound; a percentage is seen by exceeding it."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    number = positive(value)
    if number is None:
        return None
    for reading in (number, number / 100):
        if reading <= most:
            return reading
    return None


def _earnings(value: object) -> float | None:
    number = _multiple(value)
    low, high = EARNINGS_RANGE
    return number if number is not None and low <= number <= high else None


def _multiple(value: object) -> float | None:
    """Fund pages state the inverse of a multiple: below one, it is turned over."""
    number = positive(value)
    return 1 / number if number is not None and number < 1 else number


def _weights(told: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in told.items() if positive(value) is not None}


def _holdings(data: Any) -> tuple[tuple[str, str, float], ...]:
    if data is None:
        return ()
    told = data.top_holdings.reset_index().to_dict("records")
    return tuple(
        (str(each["Symbol"]), str(each["Name"]), float(each["Holding Percent"])) for each in told
    )


def _words(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value.strip() else None
