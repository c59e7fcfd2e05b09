"""One listed option: its terms, its quote, its Greeks with their units, what it pays."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse

from etftrader.core.actor import Actor
from etftrader.core.formats import eastern, show
from etftrader.core.pages import render_page
from etftrader.selectors import quote as selector
from etftrader.selectors.quote import Priced
from etftrader.views import quote_acts as acts
from etftrader.views import quote_blocks as blocks
from etftrader.views.quote_chain import figure, words
from marketdata.choices import OptionRight, Source
from marketdata.models import Instrument
from marketdata.selectors import contracts, option_chain
from marketdata.selectors.option_chain import FALLBACK, Side
from marketdata.selectors.sessions import Moment
from portfolios.views.as_of import kept, shown_moment

PAGE = "etftrader/quote_contract.html"
# name, label, unit
GREEKS = (
    ("delta", "Delta", "$ a share, per $1 of the underlying"),
    ("gamma", "Gamma", "change of delta, per $1"),
    ("theta", "Theta", "$ a share, per calendar day"),
    ("vega", "Vega", "$ a share, per volatility point"),
    ("rho", "Rho", "$ a share, per point of the rate"),
)
MODELS = {"bsm": "Black-Scholes-Merton", "lr201": "binomial tree, 201 steps"}
REACH = Decimal("0.25")  # of the strike, to both sides, at least
STEPS = 40


def page(request: HttpRequest, instrument: Instrument) -> HttpResponse:
    """What exactly is this contract, and what is it worth at its end?"""
    actor, moment, same = Actor.of(request), shown_moment(request), kept(request)
    contract = contracts.find(instrument.symbol, actor)
    side = option_chain.one(contract=contract, moment=moment)
    underlying = contract.underlying
    own, spot = selector.priced(wanted=[instrument, underlying], moment=moment)
    mine: list[selector.Mine] = []
    if not same:
        mine = selector.mine(actor=actor, instrument=instrument, mark=own.mark, moment=moment)
    context: dict[str, Any] = {
        "instrument": instrument,
        "contract": contract,
        "underlying": underlying,
        "moment": moment,
        "symbols": underlying.symbol,
        "expired": contract.expiry < moment.current,
        "tag": _tag(side),
        "head": _head(side, spot, moment),
        "terms": _terms(side, moment),
        "greeks": _greeks(side),
        "payoff": _payoff(side, spot),
        "mine": blocks.mine_table(instrument, mine, own),
        "chain_url": acts.address(
            "quote_options", underlying.symbol, {"expiry": str(contract.expiry), **same}
        ),
        "underlying_url": acts.address("quote", underlying.symbol, same),
    }
    return render_page(request, PAGE, context)


def title(side: Side) -> str:
    """The contract in words: SPY 212 call, 15 Jul 2016."""
    contract = side.contract
    strike = show(contract.strike, "qty")
    return f"{contract.underlying.symbol} {strike} {contract.right}, {eastern(contract.expiry)}"


def _tag(side: Side) -> dict[str, Any]:
    text = (side.quality or "missing").upper()
    quote = side.quote
    return {
        "title": title(side),
        "text": text,
        "kind": {"STALE": "watch", "FALLBACK": "watch", "MISSING": "bad"}.get(text, "plain"),
        "why": "made from the close and a smile, not heard"
        if side.quality == FALLBACK
        else words(side.quote_reason),
        "simulated": bool(quote and quote.source == Source.SIM),
        "as_of": quote.as_of if quote else None,
        "age": timedelta(seconds=side.age_seconds) if side.age_seconds is not None else None,
        "source": blocks.source_words([quote.source]) if quote else "",
    }


def _head(side: Side, spot: Priced, moment: Moment) -> list[dict[str, Any]]:
    quote, reason = side.quote, words(side.quote_reason)
    symbol = side.contract.underlying.symbol
    return [
        {"label": "Bid", "value": quote and quote.bid, "fmt": "price", "reason": reason},
        {"label": "Ask", "value": quote and quote.ask, "fmt": "price", "reason": reason},
        {"label": "Mid", "value": figure(side, "mid"), "fmt": "price", "reason": reason,
         "sub": _contract_value(side)},
        {"label": "Implied volatility", "term": "volatility", "value": figure(side, "iv"),
         "fmt": "pct1", "reason": words(side.volatility_reason),
         "sub": quote.get_vol_source_display().lower() if quote and quote.vol_source else ""},
        {"label": "Open interest", "value": figure(side, "open_interest"), "fmt": "int",
         "reason": "its source does not send it"},
        {"label": symbol, "value": spot.mark.price, "fmt": "price",
         "live": f"quotes:{symbol}.price",
         "max_age": blocks.MAX_AGE if moment.in_session else "",
         "reason": blocks.why(spot.mark.reason or "no_price"), "sub": _moneyness(side, spot)},
    ]  # fmt: skip


def _contract_value(side: Side) -> str:
    mid = figure(side, "mid")
    size = side.contract.instrument.multiplier
    return "" if mid is None else f"{show(mid * size, 'money2')} a contract"


def _moneyness(side: Side, spot: Priced) -> str:
    price = spot.mark.price
    if price is None:
        return ""
    away = price - side.contract.strike
    if side.contract.right == OptionRight.PUT:
        away = -away
    return "in the money" if away > 0 else "out of the money" if away < 0 else "at the money"


def _terms(side: Side, moment: Moment) -> dict[str, Any]:
    contract = side.contract
    left = (contract.expiry - moment.current).days
    until = f"{left} day{'' if left == 1 else 's'} left" if left >= 0 else "expired"
    settled = "at the open" if contract.am_settled else "at 16:00 ET"
    told = (
        ("Right", f"to {'buy' if contract.right == OptionRight.CALL else 'sell'} at the strike"),
        ("Underlying", contract.underlying.symbol),
        ("Strike", f"{show(contract.strike, 'price')} {contract.instrument.currency}"),
        ("Expiry", f"{eastern(contract.expiry)}, {settled}, {until}"),
        ("Exercise", contract.get_style_display()),
        ("Settlement", contract.get_settlement_display()),
        ("Contract size", f"{show(contract.instrument.multiplier, 'qty')} shares"),
        ("Terms", "changed by a corporate action" if contract.adjusted else "standard"),
    )
    return {
        "id": "terms-table",
        "caption": "Terms of the contract",
        "columns": [{"key": "label", "label": "Term"}, {"key": "value", "label": "Value"}],
        "rows": [{"label": label, "value": value} for label, value in told],
    }


def _greeks(side: Side) -> dict[str, Any]:
    figures = side.greeks
    reason = words(side.greeks_reason)
    size = float(side.contract.instrument.multiplier)
    rows = []
    for name, label, unit in GREEKS:
        value = getattr(figures, name) if figures else None
        rows.append(
            {
                "label": label,
                "value": value,
                "value_reason": reason,
                "contract": None if value is None else value * size,
                "contract_reason": reason,
                "unit": unit,
            }
        )
    if figures is not None:
        model = MODELS.get(figures.model, figures.model)
        flags = [words(each.removeprefix("fallback:")) for each in figures.flags]
        late = "older than its quote" if side.greeks_late else ""
        told = [f"at the close of {eastern(figures.session_date)}", late, model, *flags]
        note = ", ".join(each for each in told if each)
    else:
        note = reason
    return {
        "note": note,
        "id": "greeks-table",
        "caption": "Sensitivities, a share and a contract",
        "columns": [
            {"key": "label", "label": "Greek"},
            {"key": "value", "label": "A share", "fmt": "greek"},
            {"key": "contract", "label": "A contract", "fmt": "price"},
            {"key": "unit", "label": "Unit", "priority": "p3"},
        ],
        "rows": rows,
    }


def _payoff(side: Side, spot: Priced) -> dict[str, Any]:
    """One contract bought at the middle and held to its end: gain by the underlying's price."""
    contract = side.contract
    drawn: dict[str, Any] = {
        "id": "payoff",
        "title": f"Gain of one {title(side)}, at expiry",
        "x_fmt": "price:0",
        "x_label": contract.underlying.symbol,
        "fmt": "signed:money0",
        "zero": True,
        "empty": "No gain can be drawn: bid and ask are not both known.",
    }
    paid = figure(side, "mid")
    if paid is None:
        return drawn | {"sub": "bid and ask are not both known", "x": [], "series": [], "marks": []}
    strike, size = contract.strike, contract.instrument.multiplier
    sign = 1 if contract.right == OptionRight.CALL else -1
    even = strike + sign * paid
    price = spot.mark.price
    far = max(REACH * strike, *(abs(each - strike) for each in (price or strike, even)))
    start, end = max(strike - far * Decimal("1.2"), Decimal(0)), strike + far * Decimal("1.2")
    step = (end - start) / STEPS
    xs = sorted({*(start + step * place for place in range(STEPS + 1)), strike})
    gains = [(max(sign * (x - strike), Decimal(0)) - paid) * size for x in xs]
    marks = [
        {"x": strike, "label": f"Strike {show(strike, 'price')}"},
        {"x": even, "label": f"Break even {show(even, 'price')}"},
    ]
    if price is not None:
        marks.append({"x": price, "label": f"Now {show(price, 'price')}"})
    return drawn | {
        "sub": "one contract, bought at the middle",
        "conclusion": f"One contract costs {show(paid * size, 'money2')}, can lose no more than "
        f"that, and is even at {show(even, 'price')}.",
        "x": xs,
        "series": [{"name": "At expiry", "values": gains}],
        "marks": marks,
    }
