"""Option books at the gate: what each thing held gains on paths drawn from a matrix."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.exchange import Leg
from marketdata.calculations.options import time_to_expiry
from marketdata.choices import OptionRight
from marketdata.selectors import greeks, option_marks
from marketdata.selectors.sessions import Moment
from risk.calculations import full_revaluation
from risk.constants import GATE_PATHS
from risk.selectors.covariance import Matrix

Gains = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Model:
    """What a living option is valued with again at other spots; fractions a year, years."""

    underlying: str  # its column in the matrices
    strike: float
    rate: float
    dividend_yield: float
    volatility: float
    years: float
    is_call: bool


@dataclass(frozen=True, slots=True)
class Foreign:
    """One unit of something in another currency: its value in the book's, and its rates' legs."""

    worth: float
    legs: tuple[Leg, ...]


def models(*, options: Mapping[UUID, str], moment: Moment) -> dict[str, Model]:
    """Models of options by symbol, from the newest Greeks; what has none or is over is absent."""
    if not options:
        return {}
    living = option_marks.alive(option_marks.of_instruments(options), moment.as_of)
    rows = greeks.latest(
        contract_ids=[each.pk for each in living.values()], until=moment.session_date
    )
    found = {}
    for key, contract in living.items():
        row = rows.get(contract.pk)
        if row is None or row.iv is None or row.rate is None or row.dividend_yield is None:
            continue
        found[options[key]] = Model(
            underlying=contract.underlying.symbol,
            strike=float(contract.strike),
            rate=row.rate,
            dividend_yield=row.dividend_yield,
            volatility=row.iv,
            years=time_to_expiry(moment.as_of, contract.expiry, am_settled=contract.am_settled),
            is_call=contract.right == OptionRight.CALL,
        )
    return found


class Scenarios:
    """Gains of one unit of each thing, on the same paths for every book and both sides of a trade.

    Parameters
    ----------
    known : mapping of symbol to Model
        The living options.
    spots : mapping of symbol to float
        The price of each option's underlying, currency a share.
    units : mapping of symbol to float
        The book's money for one unit of everything that is no option; for a share of a contract
        what one unit of its currency buys.
    foreign : mapping of symbol to Foreign, optional
        What is priced in other currencies: its value moves with its exchange rates too.
    """

    def __init__(
        self,
        known: Mapping[str, Model],
        spots: Mapping[str, float],
        units: Mapping[str, float],
        foreign: Mapping[str, Foreign] = MappingProxyType({}),
    ) -> None:
        self.models, self.spots, self.units, self.foreign = known, spots, units, foreign
        self._found: dict[tuple[int, str], dict[str, Gains]] = {}

    def gains(self, matrix: Matrix, held: Mapping[str, float]) -> Gains:
        """Dollars gained by units of several things, shape (GATE_PATHS,).

        Raises ValueError for a name the matrix does not know and for an option without a model.
        """
        total = np.zeros(GATE_PATHS)
        for symbol, units in held.items():
            total += units * self.unit(matrix, symbol)
        return total

    def unit(self, matrix: Matrix, symbol: str) -> Gains:
        """Dollars gained by one unit held long; an option that is over gains nothing."""
        model = self.models.get(symbol)
        if model is None and symbol in self.spots:
            raise ValueError(f"{symbol} has no model to value it again with")
        column = model.underlying if model is not None else symbol
        key = (id(matrix), column)
        if key not in self._found:
            self._found[key] = self._of_column(matrix, column)
        own = self._found[key][symbol]
        return self._converted(matrix, own, self.foreign[symbol]) if symbol in self.foreign else own

    def _converted(self, matrix: Matrix, own: Gains, of: Foreign) -> Gains:
        """Gains at today's rates, and what the rates of each path do to the value of then."""
        rows = [matrix.labels.index(name) for name, _ in of.legs]
        returns = full_revaluation.draws(matrix.values, GATE_PATHS, rows=rows)
        signs = np.array([float(sign) for _, sign in of.legs])
        moved: Gains = own + np.expm1(signs @ returns) * (of.worth + own)
        return moved

    def _of_column(self, matrix: Matrix, name: str) -> dict[str, Gains]:
        """Everything on one underlying at once: its options are priced in one pass."""
        row = matrix.labels.index(name)
        [returns] = full_revaluation.draws(matrix.values, GATE_PATHS, rows=[row])
        found = {}
        if name in self.units:
            found[name] = full_revaluation.share_gains(returns, self.units[name])
        chosen = [s for s, model in self.models.items() if model.underlying == name]
        if chosen:
            terms = _columns((self.models[s] for s in chosen), [self.spots[s] for s in chosen])
            rows = full_revaluation.option_gains(returns, *terms)
            found |= {s: self.units[s] * row for s, row in zip(chosen, rows, strict=True)}
        return found


def _columns(chosen: Iterable[Model], spots: list[float]) -> list[Gains]:
    rows = [
        (spot, m.strike, m.rate, m.dividend_yield, m.volatility, m.years, float(m.is_call))
        for spot, m in zip(spots, chosen, strict=True)
    ]
    return list(np.array(rows).T)
