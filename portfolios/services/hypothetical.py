"""A past for a book that has none: its opening holdings at earlier closes, in no figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotEnoughData
from etftrader.core.money import to_money
from marketdata.calculations import exchange
from marketdata.choices import InstrumentKind, Pricing
from marketdata.selectors import prices
from portfolios.calculations import hypothetical as kernel
from portfolios.choices import Quality, SnapshotKind
from portfolios.models import PortfolioSnapshot, PositionSnapshot
from portfolios.selectors import snapshots
from portfolios.selectors.exchange_tape import ExchangeTape
from portfolios.services import locking

MADE_UP = "hypothetical"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Made:
    """What a backfill wrote."""

    sessions: int
    first: date | None
    held_still: tuple[str, ...]  # symbols without closes, at their opening value throughout


@transaction.atomic
def backfill(*, portfolio_id: UUID, start: date, by: Actor) -> Made:
    """Write HYPOTHETICAL snapshots from a day up to the first real one; those there are replaced.

    Each holds what the first real snapshot holds. Locks the portfolio, writes an audit line.
    Raises NotEnoughData for a book without a snapshot or closes, BadInput for a start that is not
    before it.
    """
    locking.lock_portfolios(portfolio_id)
    opening = (
        PortfolioSnapshot.objects.filter(portfolio_id=portfolio_id, kind=SnapshotKind.ACTUAL)
        .order_by("session_date")
        .first()
    )
    if opening is None:
        raise NotEnoughData("The book has no snapshot yet: there is nothing to carry back.")
    if start >= opening.session_date:
        told = f"The book begins on {opening.session_date}: name an earlier day."
        raise BadInput(told, attr="from")
    lines = snapshots.lines(snapshot=opening)
    priced = [each for each in lines if _has_closes(each)]
    if not priced:
        raise NotEnoughData("Nothing in the book has closes to be carried back on.")
    panel = prices.panel(
        symbols=[each.instrument.symbol for each in priced], until=opening.session_date, start=start
    )
    order = [panel.symbols.index(each.instrument.symbol) for each in priced]
    moving = sum((each.exposure for each in priced if each.exposure is not None), Decimal(0))
    # splits since then have changed the units of the series, not those of the snapshot
    closes = panel.close[:, order]
    closes = closes * (np.array([float(each.price or "nan") for each in priced]) / closes[-1])
    own, rates = closes, _rates(opening, priced, panel.sessions.tolist())
    closes = own * rates
    past = kernel.values(
        np.array([float(each.quantity * each.instrument.multiplier) for each in priced]),
        closes,
        fixed=float(opening.nav - moving),
        opening_nav=float(opening.nav),
    )
    days = panel.sessions.tolist()
    places = [at for at in range(past.first, len(days)) if days[at] < opening.session_date]
    still = tuple(each.instrument.symbol for each in lines if not _has_closes(each))
    PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, kind=SnapshotKind.HYPOTHETICAL
    ).delete()
    rows = [_row(opening, past, days, at, still) for at in places]
    for later, earlier in zip(rows[1:], rows, strict=False):
        later.daily_pnl = later.nav - earlier.nav
        later.daily_return = float(later.nav / earlier.nav) - 1.0 if earlier.nav > 0 else None
    PortfolioSnapshot.objects.bulk_create(rows, batch_size=BATCH)
    PositionSnapshot.objects.bulk_create(
        [
            PositionSnapshot(
                snapshot=row,
                instrument=each.instrument,
                quantity=each.quantity,
                cost_basis=each.cost_basis,
                price=to_money(float(own[at, place])),
                exchange_rate=_kept(rates[at, place], each),
                price_session=row.session_date,
                exposure=to_money(float(past.exposures[at, place])),
                reason=MADE_UP,
            )
            for at, row in zip(places, rows, strict=True)
            for place, each in enumerate(priced)
        ],
        batch_size=BATCH,
    )
    made = Made(len(rows), rows[0].session_date if rows else None, still)
    audit.record(
        by=by,
        action="snapshot.hypothetical",
        object_type="portfolio",
        object_id=portfolio_id,
        chain=portfolio_id,
        after={"sessions": made.sessions, "from": str(made.first), "held_still": list(still)},
    )
    return made


def _rates(
    opening: PortfolioSnapshot, priced: Sequence[PositionSnapshot], days: Sequence[date]
) -> NDArray[np.float64]:
    """The book's money for one unit of what each is priced in, shape (t, n); NaN if unknown."""
    base = opening.portfolio.base_currency
    found = np.ones((len(days), len(priced)))
    foreign = [place for place, each in enumerate(priced) if each.instrument.currency != base]
    if not foreign:
        return found
    currencies = {base, *(priced[place].instrument.currency for place in foreign)}
    tape = ExchangeTape(currencies, days[0], days[-1])
    for row, day in enumerate(days):
        known = tape.at(day)
        for place in foreign:
            rate = known.between(priced[place].instrument.currency, base).value
            found[row, place] = np.nan if rate is None else float(rate)
    return found


def _kept(rate: float, line: PositionSnapshot) -> Decimal | None:
    return None if line.exchange_rate is None else Decimal(str(rate)).quantize(exchange.RATE)


def _has_closes(line: PositionSnapshot) -> bool:
    thing = line.instrument
    return thing.pricing == Pricing.AUTO and thing.kind != InstrumentKind.OPTION


def _row(
    opening: PortfolioSnapshot,
    past: kernel.Past,
    days: list[date],
    at: int,
    still: tuple[str, ...],
) -> PortfolioSnapshot:
    signed = past.exposures[at]
    long, short = float(signed[signed > 0].sum()), float(signed[signed < 0].sum())
    warnings = [
        {"code": "held_still", "symbol": each, "detail": "stands at its opening value"}
        for each in still
    ]
    return PortfolioSnapshot(
        portfolio_id=opening.portfolio_id,
        session_date=days[at],
        kind=SnapshotKind.HYPOTHETICAL,
        nav=to_money(float(past.nav[at])),
        cash=opening.cash,
        long_exposure=to_money(long),
        short_exposure=to_money(short),
        gross_exposure=to_money(long - short),
        net_exposure=to_money(long + short),
        twr_index=float(past.index[at]),
        position_count=int(signed.size),
        quality=Quality.FALLBACK,
        warnings=warnings,
        ledger_seq=0,
        ledger_hash="",
        risk_reason=MADE_UP,
        taken_at=clock.now(),
    )
