"""What refuses a trade before any figure: states, symbols, quantities, prices, matrices."""

import math
from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from marketdata.choices import PriceClass
from portfolios.choices import PortfolioState, PortfolioStatus
from portfolios.models import Portfolio
from risk.constants import COLLAR, FRACTION_LOT, MAX_QUANTITY, PRICE_MAX_AGE_S
from risk.services import pretrade_inputs as gate_inputs
from risk.services.pretrade_inputs import GateInputs, ProposedTrade


def screen(
    portfolio: Portfolio, inputs: GateInputs, proposed: Sequence[ProposedTrade], book: Any
) -> set[str]:
    """What refuses before any figure: state, symbols, quantities, prices, matrices."""
    codes: set[str] = set()
    if portfolio.status != PortfolioStatus.ACTIVE or portfolio.state == PortfolioState.HALTED:
        codes.add("PORTFOLIO_HALTED")
    if gate_inputs.PRICES in inputs.failures:
        codes.add("NO_PRICE")
    if inputs.daily is None or {gate_inputs.COVARIANCE, gate_inputs.LIVE} & set(inputs.failures):
        codes.add("VAR_UNAVAILABLE")
    for each in proposed:
        codes |= screen_leg(portfolio, inputs, each)
    for line in book.lines:
        codes |= _screen_held(inputs, line.symbol)
    return codes


def screen_leg(portfolio: Portfolio, inputs: GateInputs, trade: ProposedTrade) -> set[str]:
    """What refuses one trade before any figure, as codes."""
    codes: set[str] = set()
    quantity = trade.quantity
    if not quantity.is_finite() or not 0 < quantity <= MAX_QUANTITY:
        codes.add("QTY_RANGE")
    elif quantity != quantity.quantize(
        Decimal(1) if portfolio.whole_shares else FRACTION_LOT, rounding=ROUND_FLOOR
    ):
        codes.add("LOT_SIZE")
    instrument = inputs.instruments.get(trade.symbol)
    if instrument is None:
        return codes | {"NO_PRICE" if gate_inputs.PRICES in inputs.failures else "SYMBOL_UNKNOWN"}
    contract = inputs.terms.get(trade.symbol)
    # after the close of its last day a contract is settled, and no longer traded
    over = contract is not None and (
        contract.expiry < inputs.moment.current or contract.expiry <= inputs.moment.session_date
    )
    if over or not gate_inputs.is_tradable(instrument):
        return codes | {"SYMBOL_INACTIVE"}
    codes |= _price_codes(inputs, trade.symbol)
    codes |= _matrix_codes(inputs, trade.symbol)
    if contract is not None and inputs.delta(trade.symbol) is None:
        codes.add("VAR_UNAVAILABLE")
    mark = inputs.price(trade.symbol)
    if trade.price is not None and mark is not None and mark > 0:
        given = float(trade.price)
        if not math.isfinite(given) or given <= 0:
            codes.add("NO_PRICE")
        elif abs(given / float(mark) - 1.0) > COLLAR:
            codes.add("PRICE_COLLAR")
    return codes


def _screen_held(inputs: GateInputs, symbol: str) -> set[str]:
    """A held name that cannot be measured makes the VaR unknown.

    A private one is left out, and so is an option without a delta; the document names both.
    """
    instrument = inputs.instruments.get(symbol)
    if instrument is None:
        # bought between the gathering and the lock: gather again
        return {"CONFLICT"}
    if not gate_inputs.is_covered(instrument):
        return set()
    contract = inputs.terms.get(symbol)
    # what has expired keeps its value until it is settled, and an option may be worth nothing
    if contract is not None and contract.expiry < inputs.moment.current:
        return set() if inputs.price(symbol) is not None else {"NO_PRICE"}
    codes = _price_codes(inputs, symbol, may_be_zero=contract is not None)
    if contract is not None and inputs.delta(symbol) is None:
        return codes
    return codes | _matrix_codes(inputs, symbol)


def _price_codes(inputs: GateInputs, symbol: str, *, may_be_zero: bool = False) -> set[str]:
    mark = inputs.marks.get(symbol)
    if mark is None or mark.price is None or not mark.price.is_finite() or mark.price < 0:
        return {"NO_PRICE"}
    if mark.price == 0 and not may_be_zero:
        return {"NO_PRICE"}
    rate = inputs.rate(symbol)
    if rate.value is None:
        return {"NO_PRICE"}
    classes = {mark.price_class, rate.price_class}
    if PriceClass.SUSPECT in classes:
        return {"PRICE_SUSPECT"}
    if mark.reason or rate.reason or PriceClass.STALE in classes:
        return {"PRICE_STALE"}
    age = gate_inputs.age_s(mark, inputs.moment.as_of)
    if age is None or (inputs.session_running and age > PRICE_MAX_AGE_S):
        return {"PRICE_STALE"}
    return set()


def _matrix_codes(inputs: GateInputs, symbol: str) -> set[str]:
    names = {inputs.column(symbol), *(name for name, _ in inputs.rate_legs(symbol))}
    known = inputs.daily is not None and names <= set(inputs.daily.labels)
    if inputs.live is not None:
        known = known and names <= set(inputs.live.labels)
    return set() if known else {"VAR_UNAVAILABLE"}
