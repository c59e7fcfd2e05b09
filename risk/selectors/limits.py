"""Limits in force: defaults from the constants, overruled by dated rows; and what they say."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Max, Q

from risk.choices import Family, LimitState, Measure, Unit
from risk.constants import (
    DAILY_LOSS_LIMIT,
    GROSS_LIMIT,
    HORIZON_DAYS,
    POSITION_WEIGHT_LIMIT,
    STEP_DOWN,
    VAR_CONFIDENCE,
    VAR_LIMIT,
    WATCH,
)
from risk.models import LimitBreach, RiskLimit

LABELS = {
    Measure.VAR: "VaR 95% 1d",
    Measure.GROSS: "Gross exposure",
    Measure.POSITION_WEIGHT: "Largest position",
    Measure.DAILY_LOSS: "Daily loss",
}
_DEFAULTS = {
    Measure.VAR: (VAR_LIMIT, True),
    Measure.GROSS: (GROSS_LIMIT, True),
    Measure.POSITION_WEIGHT: (POSITION_WEIGHT_LIMIT, False),
    Measure.DAILY_LOSS: (DAILY_LOSS_LIMIT, False),
}


@dataclass(frozen=True, slots=True)
class LimitInForce:
    """One limit as it binds now; version 0 and no id for a default."""

    measure: str
    family: str
    value: Decimal
    unit: str
    watch: float  # of the limit
    hard: bool
    limit_id: UUID | None = None
    version: int = 0
    confidence: float | None = None
    horizon_days: int | None = None
    reason: str = "default"
    author: str = ""
    valid_from: datetime | None = None

    @property
    def label(self) -> str:
        """How pages call it."""
        return LABELS[Measure(self.measure)]

    def dollars(self, equity: float) -> float | None:
        """The limit in dollars; None where a fraction has no positive equity to be taken of."""
        if self.unit == Unit.CURRENCY:
            return float(self.value)
        return float(self.value) * equity if equity > 0 else None


@dataclass(frozen=True, slots=True)
class LimitStanding:
    """What was observed against a limit; None where it could not be."""

    limit: LimitInForce
    observed: float | None  # in the unit of the limit
    used: float | None  # of the limit
    state: str
    reason: str = ""
    symbol: str = ""  # of the largest position


def in_force(*, portfolio_id: UUID, as_of: datetime | None = None) -> list[LimitInForce]:
    """The limits that bind a portfolio now, or bound it at a moment of the market clock."""
    return in_force_many(portfolio_ids=[portfolio_id], as_of=as_of)[portfolio_id]


def in_force_many(
    *, portfolio_ids: Iterable[UUID], as_of: datetime | None = None
) -> dict[UUID, list[LimitInForce]]:
    """The limits of many portfolios, one per measure, in one query."""
    asked = list(portfolio_ids)
    rows: dict[UUID, dict[str, RiskLimit]] = defaultdict(dict)
    binding = Q(closed_at__isnull=True)
    if as_of is not None:
        binding = Q(binds_as_of__lte=as_of) & (binding | Q(ended_as_of__gt=as_of))
    # of rows that a replay's rewind made overlap, the newest counts
    current = RiskLimit.objects.filter(binding, portfolio_id__in=asked).order_by("valid_from", "pk")
    for row in current:
        rows[row.portfolio_id][row.measure] = row
    return {
        each: [
            of_row(rows[each][measure]) if measure in rows[each] else default(measure)
            for measure in _DEFAULTS
        ]
        for each in asked
    }


def default(measure: str) -> LimitInForce:
    """The limit every portfolio starts with."""
    value, hard = _DEFAULTS[Measure(measure)]
    is_var = measure == Measure.VAR
    return LimitInForce(
        measure=str(measure),
        family=str(Family.MODEL if is_var else Family.NONE),
        value=value,
        unit=str(Unit.FRACTION),
        watch=WATCH,
        hard=hard,
        confidence=VAR_CONFIDENCE if is_var else None,
        horizon_days=HORIZON_DAYS if is_var else None,
    )


def of_row(row: RiskLimit) -> LimitInForce:
    """A stored limit."""
    return LimitInForce(
        measure=row.measure,
        family=row.family,
        value=row.value,
        unit=row.unit,
        watch=row.watch,
        hard=row.hard,
        limit_id=row.pk,
        version=row.version,
        confidence=row.confidence,
        horizon_days=row.horizon_days,
        reason=row.reason,
        author=row.author_label,
        valid_from=row.valid_from,
    )


def state_of(
    observed: float | None, limit: LimitInForce, *, equity: float = 0.0, before: str = ""
) -> LimitStanding:
    """Compare an observation in dollars with a limit.

    Parameters
    ----------
    observed : float or None
        Dollars; None or not finite is the state `unknown`.
    limit : LimitInForce
        A fraction is taken of `equity`.
    equity : float
        Dollars.
    before : str
        A state to leave only with some room: a live figure then does not flicker.

    Returns
    -------
    LimitStanding
        Breach above the limit, watch from its watch level on, in the unit of the limit.
    """
    ceiling = limit.dollars(equity)
    if observed is None or not math.isfinite(observed) or ceiling is None or ceiling <= 0:
        reason = "not_computed" if ceiling else "non_positive_equity"
        return LimitStanding(limit, None, None, str(LimitState.UNKNOWN), reason)
    used = observed / ceiling
    breach = used > (1.0 - STEP_DOWN if before == LimitState.BREACH else 1.0)
    room = STEP_DOWN if before in (LimitState.BREACH, LimitState.WATCH) else 0.0
    state = LimitState.BREACH if breach else LimitState.WITHIN
    if not breach and used >= limit.watch - room:
        state = LimitState.WATCH
    shown = observed if limit.unit == Unit.CURRENCY else observed / equity
    return LimitStanding(limit, shown, used, str(state))


def standings(
    *,
    limits: Sequence[LimitInForce],
    equity: float,
    value_at_risk: float | None,
    exposures: Mapping[str, float],
    day_pnl: float | None,
    opening_equity: float | None,
    before: Mapping[str, str] | None = None,
) -> list[LimitStanding]:
    """Every limit against one set of figures in dollars.

    `exposures` are delta dollars by underlying; a loss of the day counts on the equity the day
    began with. `before` gives the states a live evaluation leaves only with some room.
    """
    largest = max(exposures, key=lambda symbol: abs(exposures[symbol]), default="")
    loss = None if day_pnl is None else max(0.0, -day_pnl)
    observed = {
        Measure.VAR: (value_at_risk, equity),
        Measure.GROSS: (sum(abs(each) for each in exposures.values()), equity),
        Measure.POSITION_WEIGHT: (abs(exposures[largest]) if largest else 0.0, equity),
        Measure.DAILY_LOSS: (loss, opening_equity or 0.0),
    }
    found = []
    for limit in limits:
        amount, base = observed[Measure(limit.measure)]
        was = (before or {}).get(limit.measure, "")
        standing = state_of(amount, limit, equity=base, before=was)
        if limit.measure == Measure.POSITION_WEIGHT:
            standing = LimitStanding(
                limit, standing.observed, standing.used, standing.state, standing.reason, largest
            )
        found.append(standing)
    return found


def last_states(*, portfolio_ids: Iterable[UUID]) -> dict[UUID, dict[str, str]]:
    """The last recorded state per portfolio and measure; absent means within."""
    asked = LimitBreach.objects.filter(portfolio_id__in=list(portfolio_ids)).order_by()
    newest = asked.values("portfolio_id", "measure").annotate(last=Max("pk")).values("last")
    # a state changes often, a book has four measures: only the newest line of each is read
    rows = LimitBreach.objects.filter(pk__in=newest)
    found: dict[UUID, dict[str, str]] = defaultdict(dict)
    for portfolio_id, measure, state in rows.values_list("portfolio_id", "measure", "to_state"):
        found[portfolio_id][measure] = state
    return found


def history(*, portfolio_id: UUID, by: datetime | None = None) -> list[RiskLimit]:
    """Every limit row of a portfolio, newest first: who changed what, when and why.

    With `by` those that bound by that moment of the market clock.
    """
    rows = RiskLimit.objects.filter(portfolio_id=portfolio_id)
    if by is not None:
        rows = rows.filter(binds_as_of__lte=by)
    found = list(rows.order_by("-valid_from", "pk"))
    for row in found:
        if by is not None and row.ended_as_of is not None and row.ended_as_of > by:
            row.closed_at = None  # it still bound then; never to be saved
    return found
