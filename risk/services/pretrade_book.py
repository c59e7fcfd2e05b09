"""The book a verdict walks through: each leg judged by the kernel, then taken in."""

import math
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portfolios.constants import REGULATION_T_INITIAL
from portfolios.models import Portfolio
from risk.calculations import pretrade as kernel
from risk.calculations import var as var_kernel
from risk.calculations.historical import historical
from risk.calculations.trade_bounds import Book, PathGate, Trade
from risk.choices import Measure
from risk.constants import FRACTION_LOT, OPTION_SHARE, VAR_CONFIDENCE
from risk.selectors.covariance import Matrix
from risk.selectors.limits import LimitInForce
from risk.services.pretrade_inputs import CostEstimate, GateInputs, ProposedTrade, is_covered
from risk.services.pretrade_legs import Leg
from risk.services.pretrade_options import Foreign, Scenarios

SIDES = {"buy": 1, "sell": -1}
SOLVENCY = {kernel.INSUFFICIENT_CASH, kernel.OVERSELL, kernel.MARGIN}


class State:
    """Cash, units and prices of one book, moving leg by leg; all figures in its currency.

    Prices stay in each instrument's own; `multipliers` hold its exchange rate too.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        inputs: GateInputs,
        limits: Mapping[str, LimitInForce],
        costs: CostEstimate | Mapping[str, CostEstimate],
    ) -> None:
        self.allow_short = portfolio.allow_short
        self.lot = 1.0 if portfolio.whole_shares else float(FRACTION_LOT)
        self.inputs = inputs
        self.costs = costs
        self.cash = self.receivables = 0.0
        self.unearned = 0.0  # what waits below the mark would gain: no equity a margin rests on
        self.units: dict[str, float] = {}
        self.prices: dict[str, float] = {}
        self.multipliers: dict[str, float] = {}  # units a contract x exchange rate
        self.rates: dict[str, float] = {}
        self.deltas: dict[str, float] = {}  # delta dollars of a contract, of options
        self.measured: set[str] = set()  # what the matrices must know
        self.scenarios: Scenarios | None = None  # of an option book
        self.matrices: list[tuple[str, Matrix]] = []
        self.limits = limits
        self.hard = {m: limits[m].hard for m in (Measure.GROSS, Measure.POSITION_WEIGHT)}
        self.watch = {Measure(m): each.watch for m, each in limits.items()}
        self.var_hard = limits[Measure.VAR].hard
        self.var_limit = self.gross_limit = self.weight_limit = 0.0

    @classmethod
    def of(
        cls,
        portfolio: Portfolio,
        book: Any,
        inputs: GateInputs,
        limits: Mapping[str, LimitInForce],
        costs: CostEstimate | Mapping[str, CostEstimate],
    ) -> "State":
        """The book as it stands. Raises ValueError and LookupError when a price is missing."""
        state = cls(portfolio, inputs, limits, costs)
        state.cash, state.receivables = float(book.cash), float(book.receivables)
        for line in book.lines:
            state.units[line.symbol] = float(line.quantity)
        for symbol, instrument in inputs.instruments.items():
            mark = inputs.price(symbol)
            if symbol in state.units and mark is None:
                raise ValueError(f"{symbol} has no price")
            rate = inputs.rate(symbol).value
            if rate is None:
                if symbol in state.units:
                    raise ValueError(f"{symbol} has no exchange rate")
                continue
            if mark is not None:
                state.prices[symbol] = float(mark)
            state.rates[symbol] = float(rate)
            state.multipliers[symbol] = float(instrument.multiplier) * float(rate)
            delta = inputs.delta(symbol)
            if delta is not None:
                state.deltas[symbol] = delta * state.multipliers[symbol]
            if is_covered(instrument) and (symbol not in inputs.terms or delta is not None):
                state.measured.add(symbol)
        assert inputs.daily is not None
        state.matrices = [("daily_ewma", inputs.daily)]
        if inputs.live is not None:
            state.matrices.append(("live_hybrid", inputs.live))
        # limits given as shares of equity are taken before the trade
        equity = max(state.equity, 0.0)
        state.var_limit = limits[Measure.VAR].dollars(equity) or 0.0
        state.gross_limit = limits[Measure.GROSS].dollars(equity) or 0.0
        state.weight_limit = limits[Measure.POSITION_WEIGHT].dollars(equity) or 0.0
        return state

    def before(self, proposed: Sequence[ProposedTrade]) -> "State":
        """The book as it is, to compare with later; chooses how both are measured."""
        if self._is_of_options(self.units) or self._is_of_options(self._after(proposed)):
            self.scenarios = self._drawn()
        twin = copy(self)
        twin.units = dict(self.units)
        twin.prices = dict(self.prices)
        return twin

    def exposure(self, symbol: str) -> float:
        """Signed dollars of one name."""
        units = self.units.get(symbol, 0.0)
        return units * self.prices[symbol] * self.multipliers[symbol] if units else 0.0

    def exposures(self) -> dict[str, float]:
        """Signed dollars of every name held."""
        return {symbol: self.exposure(symbol) for symbol, units in self.units.items() if units}

    def delta_exposure(self, symbol: str) -> float:
        """Signed delta dollars of one name; of an option without a delta, nothing."""
        if symbol not in self.inputs.terms:
            return self.exposure(symbol)
        return self.units.get(symbol, 0.0) * self.deltas.get(symbol, 0.0)

    def by_column(self) -> dict[str, float]:
        """Signed delta dollars by underlying, of everything held."""
        found: dict[str, float] = {}
        for symbol, units in self.units.items():
            if units:
                name = self.inputs.column(symbol)
                found[name] = found.get(name, 0.0) + self.delta_exposure(symbol)
        return found

    def in_column(self, symbol: str) -> float:
        """Signed delta dollars in a name together with the options on it."""
        return self.by_column().get(self.inputs.column(symbol), 0.0)

    @property
    def equity(self) -> float:
        """Cash, receivables and exposures, without what no trade has earned yet.

        An order that waits for a better price counts as done at it; the gain is not the book's.
        """
        together = self.cash + self.receivables + math.fsum(self.exposures().values())
        return together - self.unearned

    @property
    def gross(self) -> float:
        """Sum of absolute exposures."""
        return math.fsum(abs(each) for each in self.exposures().values())

    @property
    def net(self) -> float:
        """Sum of signed exposures."""
        return math.fsum(self.exposures().values())

    @property
    def delta_gross(self) -> float:
        """Sum of absolute delta dollars by underlying: what the limit counts."""
        return math.fsum(abs(each) for each in self.by_column().values())

    @property
    def delta_net(self) -> float:
        """Sum of signed delta dollars."""
        return math.fsum(self.by_column().values())

    def columns(self, symbol: str) -> dict[str, float]:
        """What one name adds to the exposure vector: its delta dollars, and its exchange rates'."""
        found = {self.inputs.column(symbol): self.delta_exposure(symbol)}
        for name, sign in self.inputs.rate_legs(symbol):
            found[name] = found.get(name, 0.0) + sign * self.exposure(symbol)
        return found

    def vector(self, matrix: Matrix) -> NDArray[np.float64]:
        """Delta dollars on a matrix's axis; privately valued things are not on it.

        A foreign holding adds its value to its exchange rate.

        Raises LookupError when the matrix does not know a name that is held.
        """
        place = {symbol: row for row, symbol in enumerate(matrix.labels)}
        vector = np.zeros(len(matrix.labels))
        for symbol, units in self.units.items():
            if units and symbol in self.measured:
                for name, amount in self.columns(symbol).items():
                    vector[place[name]] += amount
        return vector

    def parametric_by(self, matrix: Matrix) -> float:
        """VaR of the delta dollars by one matrix."""
        return var_kernel.parametric(self.vector(matrix), matrix.values).total

    def var_by(self, matrix: Matrix) -> float:
        """VaR of the book by one matrix; of an option book with every option valued again."""
        if self.scenarios is None:
            return self.parametric_by(matrix)
        gains = self._gains(self.scenarios, matrix)
        return PathGate("", gains, gains).loss(VAR_CONFIDENCE)

    @property
    def shortfall(self) -> float:
        """Expected shortfall under the matrix whose VaR is the larger."""
        if self.scenarios is None:
            return shortfall(self.var)
        gains = self._gains(self.scenarios, dict(self.matrices)[self.gating])
        return max(historical(gains, VAR_CONFIDENCE).expected_shortfall or 0.0, 0.0)

    @property
    def var(self) -> float:
        """The larger VaR of the gate's matrices."""
        return max(self.var_by(matrix) for _, matrix in self.matrices)

    @property
    def gating(self) -> str:
        """The name of the matrix whose VaR is the larger."""
        return max(self.matrices, key=lambda each: self.var_by(each[1]))[0]

    def quote(self, trade: ProposedTrade) -> None:
        """Judge at the price a trade brings, where it brings one."""
        if trade.price is not None:
            self.prices[trade.symbol] = float(trade.price)

    def apply(self, trade: ProposedTrade) -> None:
        """Take a working order in as done."""
        self._take(trade.symbol, SIDES[trade.side], float(trade.quantity), self._price(trade))

    def leg(self, trade: ProposedTrade) -> Leg:
        """Judge one trade against the book as it is now, and take it in."""
        side, quantity, price = SIDES[trade.side], float(trade.quantity), self._price(trade)
        symbol = trade.symbol
        held = self.units.get(symbol, 0.0)
        estimate = self._costs(symbol)
        delta = self._exposed(trade)
        order = estimate.trade(
            side, quantity, price, self.multipliers[symbol], self.lot, delta, self.prices[symbol]
        )
        exposed = self.in_column(symbol)
        book = Book(self.cash, held, self.equity, self.gross, self.allow_short, exposed)
        verdict = kernel.check(order, book, self._gates(symbol, order), self._kernel_limits())
        largest, binding = self._within_gross(order, exposed, verdict)
        if self.var_hard or verdict.binding != kernel.VAR_LIMIT:
            binding = binding or verdict.binding
        leg = Leg(
            symbol=symbol,
            side=trade.side,
            quantity=quantity,
            price=price,
            cost=order.cost(quantity),
            held=held,
            solvency=tuple(r for r in verdict.reasons if r in SOLVENCY),
            reducing=held * side < 0.0 and quantity <= abs(held),
            largest=largest,
            binding=binding,
            verdict=verdict,
        )
        self._take(symbol, side, quantity, price)
        return leg

    def _after(self, proposed: Sequence[ProposedTrade]) -> dict[str, float]:
        units = dict(self.units)
        for each in proposed:
            change = SIDES[each.side] * float(each.quantity)
            units[each.symbol] = units.get(each.symbol, 0.0) + change
        return units

    def _drawn(self) -> Scenarios:
        """What everything gains on shared paths: full revaluation, quant.md 6.10."""
        options = self.inputs.terms
        dollars = {
            symbol: self.multipliers[symbol] * (1.0 if symbol in options else price)
            for symbol, price in self.prices.items()
        }
        spots = {
            symbol: mark.greeks.spot
            for symbol, mark in self.inputs.marks.items()
            if symbol in options and mark.greeks is not None
        }
        legs = {symbol: self.inputs.rate_legs(symbol) for symbol in self.prices}
        foreign = {
            symbol: Foreign(self.prices[symbol] * self.multipliers[symbol], each)
            for symbol, each in legs.items()
            if each
        }
        return Scenarios(self.inputs.models, spots, dollars, foreign)

    def _gates(self, symbol: str, order: Trade) -> kernel.Gates:
        if self.scenarios is not None:
            return [
                PathGate(
                    name, self._gains(self.scenarios, matrix), self.scenarios.unit(matrix, symbol)
                )
                for name, matrix in self.matrices
            ]
        column, beside = self.inputs.column(symbol), self._beside(symbol, order)
        return [
            kernel.gate(
                name,
                self.vector(matrix),
                matrix.values,
                matrix.labels.index(column),
                [(matrix.labels.index(each), weight) for each, weight in beside],
            )
            for name, matrix in self.matrices
        ]

    def _gains(self, scenarios: Scenarios, matrix: Matrix) -> NDArray[np.float64]:
        held = {s: units for s, units in self.units.items() if units and s in self.measured}
        return scenarios.gains(matrix, {s: held[s] for s in held if not self._is_over(s)})

    def _is_over(self, symbol: str) -> bool:
        """Whether an option has ended, and waits for its settlement."""
        return symbol in self.inputs.terms and not (
            symbol in self.inputs.models or self.deltas.get(symbol)
        )

    def _is_of_options(self, units: Mapping[str, float]) -> bool:
        """Options above a share of the gross delta exposure, or any one short (quant.md 6.10)."""
        options = [s for s, held in units.items() if held and s in self.inputs.terms]
        if any(units[s] < 0.0 for s in options):
            return True
        by_options = math.fsum(abs(units[s] * self.deltas.get(s, 0.0)) for s in options)
        others = math.fsum(
            abs(held * self.prices[s] * self.multipliers[s])
            for s, held in units.items()
            if held and s not in self.inputs.terms
        )
        return by_options > OPTION_SHARE * (by_options + others)

    def _kernel_limits(self) -> kernel.Limits:
        weight = self.limits[Measure.POSITION_WEIGHT]
        equity = self.equity
        share = self.weight_limit / equity if equity > 0 else 0.0
        return kernel.Limits(
            value_at_risk=self.var_limit if self.var_hard else math.inf,
            position_weight=share,
            weight_is_hard=weight.hard,
            margin_fraction=float(REGULATION_T_INITIAL) if self.allow_short else 0.0,
        )

    def _within_gross(
        self, order: Trade, exposure: float, verdict: kernel.Verdict
    ) -> tuple[float, str | None]:
        """The kernel's largest size, cut where the gross limit ends it."""
        largest, unit = verdict.largest_quantity, abs(order.exposure(1.0))
        if not self.hard[Measure.GROSS] or unit == 0.0:
            return largest, None
        turned = 2.0 * abs(exposure) if exposure * order.direction < 0.0 else 0.0
        room = max(self.gross_limit - self.delta_gross, 0.0) + turned
        lots = math.floor(room / unit / self.lot + 1e-9)
        if lots * self.lot >= largest:
            return largest, None
        return max(lots, 0) * self.lot, "NOTIONAL_MAX"

    def _take(self, symbol: str, side: int, quantity: float, price: float) -> None:
        cost = self._costs(symbol).trade(side, quantity, price, self.multipliers[symbol], 1.0)
        self.cash -= side * cost.value(quantity) + cost.cost(quantity)
        worth = quantity * self.prices[symbol] * self.multipliers[symbol]
        self.unearned += max(side * (worth - cost.value(quantity)), 0.0)
        self.units[symbol] = self.units.get(symbol, 0.0) + side * quantity

    def _price(self, trade: ProposedTrade) -> float:
        mark = float(trade.price) if trade.price is not None else self.prices[trade.symbol]
        if trade.pays is None:
            return mark
        return float(trade.pays) if trade.side == "buy" else min(float(trade.pays), mark)

    def _exposed(self, trade: ProposedTrade) -> float | None:
        """Delta dollars of a unit where they are not what it pays; None where they are."""
        if trade.symbol in self.inputs.terms:
            return self.deltas.get(trade.symbol)
        if trade.pays is None:
            return None
        return self.prices[trade.symbol] * self.multipliers[trade.symbol]

    def _beside(self, symbol: str, order: Trade) -> list[tuple[str, float]]:
        """Exchange rates that a dollar of exposure in a name comes with, signed."""
        unit = order.exposure(1.0)
        share = self.prices[symbol] * self.multipliers[symbol] / unit if unit else 0.0
        return [(name, sign * share) for name, sign in self.inputs.rate_legs(symbol)]

    def _costs(self, symbol: str) -> CostEstimate:
        if isinstance(self.costs, CostEstimate):
            return self.costs.times(self.rates[symbol])
        if symbol not in self.costs:
            return CostEstimate()
        return self.costs[symbol].times(self.rates[symbol])


def shortfall(value_at_risk: float) -> float:
    """Expected shortfall of a normal book with this VaR."""
    sigma = value_at_risk / var_kernel.quantile(VAR_CONFIDENCE)
    return var_kernel.expected_shortfall(sigma).expected_shortfall
