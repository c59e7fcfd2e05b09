"""The live revaluation: every open book at once on each bar, one book after a trade."""

import logging
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from django.db import transaction

from marketdata import live as market
from marketdata.live import MarketState
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio
from portfolios.selectors import holdings
from risk import live
from risk.choices import LimitState
from risk.live import PortfolioRisk
from risk.selectors import limits as limit_rows
from risk.selectors.figures import Figures, messages
from risk.selectors.limits import LimitInForce, LimitStanding
from risk.services import limits, monitor_books
from risk.services.monitor_shelf import Shelf

logger = logging.getLogger(__name__)


class _Memory:
    """What this process remembers between bars of one session; all of it can be read again."""

    def __init__(self) -> None:
        self.session: date | None = None
        self.round = 0
        self.shelf = Shelf()
        self.states: dict[UUID, dict[str, str]] = {}
        self.unknown: set[tuple[UUID, str]] = set()
        self.records: dict[UUID, PortfolioRisk] = {}
        self.away = False


_memory = _Memory()


def forget() -> None:
    """Start from the database again, such as when history starts over."""
    _memory.__init__()  # type: ignore[misc]


def revalue(*, state: MarketState, moment: Moment) -> dict[UUID, PortfolioRisk]:
    """Value and measure every open portfolio that holds something, publish, and watch limits.

    Books are read again only when their ledger number moved. A changed limit state is kept and
    alerted, marked simulated; an unchanged one writes nothing. Without the live store the figures
    are computed and the alerts kept all the same; that it is away is logged once.
    """
    _session(state.session_date, moment.round)
    open_books = dict(Portfolio.objects.open().values_list("pk", "ledger_seq"))
    _memory.shelf.refresh(open_books, moment)
    held = [pk for pk in open_books if _memory.shelf.books[pk].lines]
    if not held:
        return {}
    figures = monitor_books.live_figures(_memory.shelf, held, state, moment)
    in_force = limit_rows.in_force_many(portfolio_ids=held)
    _remember_states(held)
    return _tell(figures, in_force)


def revalue_one(*, portfolio_id: UUID, moment: Moment) -> PortfolioRisk | None:
    """One book now: by the live state where a session plays, else by the closes.

    After a trade, and between sessions. None for a portfolio that is closed or not there.
    """
    return _revalue_some([portfolio_id], moment).get(portfolio_id)


def revalue_holders(*, instrument_ids: Iterable[UUID], moment: Moment) -> dict[UUID, PortfolioRisk]:
    """Every open book that holds one of these names, or an option on it, each once, all at once."""
    found = {pk for key in instrument_ids for pk in holdings.holders(instrument_id=key)}
    return _revalue_some(found, moment)


def _revalue_some(portfolio_ids: Iterable[UUID], moment: Moment) -> dict[UUID, PortfolioRisk]:
    heads = Portfolio.objects.open().filter(pk__in=list(portfolio_ids))
    open_books = dict(heads.values_list("pk", "ledger_seq"))
    if not open_books:
        return {}
    asked = list(open_books)
    state = market.load() if moment.running else None
    if state is not None and state.session_date != moment.playing:
        state = None
    shelf = Shelf()
    shelf.refresh(open_books, moment)
    if state is not None:
        figures = monitor_books.live_figures(shelf, asked, state, moment)
    else:
        figures = monitor_books.closing_figures(shelf, asked, moment)
    # the process of the stream draws today's line; here its stored copy is the newest there is
    _begin_again(asked, moment)
    return _tell(figures, limit_rows.in_force_many(portfolio_ids=asked))


def after_close(*, portfolio_ids: Iterable[UUID], moment: Moment) -> int:
    """Publish the figures of the close for books that hold something, all at once.

    The answer counts them. While a session plays nothing is done: its bars are newer. Within a
    transaction nobody is told before it stands.
    """
    if moment.in_session:
        return 0
    heads = Portfolio.objects.open().filter(pk__in=list(portfolio_ids))
    open_books = dict(heads.values_list("pk", "ledger_seq"))
    shelf = Shelf()
    shelf.refresh(open_books, moment)
    held = [pk for pk in open_books if shelf.books[pk].lines]
    _begin_again(held, moment)
    in_force = limit_rows.in_force_many(portfolio_ids=held)
    noted = _noted(monitor_books.closing_figures(shelf, held, moment), in_force)
    transaction.on_commit(lambda: _shown(noted), robust=True)
    return len(held)


def _session(session: date, round_: int) -> None:
    if (_memory.session, _memory.round) != (session, round_):
        away = _memory.away
        forget()
        _memory.session, _memory.round, _memory.away = session, round_, away


def _begin_again(portfolio_ids: Sequence[UUID], moment: Moment) -> None:
    """Read again what another process may have written of these books."""
    _session(moment.current, moment.round)
    for portfolio_id in portfolio_ids:
        _memory.records.pop(portfolio_id, None)
        _memory.states.pop(portfolio_id, None)
    _remember_states(portfolio_ids)


def _remember_states(portfolio_ids: Sequence[UUID]) -> None:
    unknown = [each for each in portfolio_ids if each not in _memory.states]
    if unknown:
        found = limit_rows.last_states(portfolio_ids=unknown)
        _memory.states.update({each: dict(found.get(each, {})) for each in unknown})


def _tell(
    found: Sequence[Figures], in_force: dict[UUID, list[LimitInForce]]
) -> dict[UUID, PortfolioRisk]:
    """Compare with the limits, keep what changed, publish."""
    return _shown(_noted(found, in_force))


def _noted(
    found: Sequence[Figures], in_force: dict[UUID, list[LimitInForce]]
) -> list[tuple[PortfolioRisk, bool]]:
    """Compare with the limits and keep what changed; each record with whether a state did."""
    noted = []
    # each may lock its portfolio: in the order of their ids, as everybody does
    for figures in sorted(found, key=lambda each: each.portfolio_id):
        portfolio_id = figures.portfolio_id
        bounds = in_force[portfolio_id]
        standings = limits.standings(
            limits=bounds,
            equity=figures.nav,
            value_at_risk=figures.value_at_risk,
            exposures=figures.deltas,
            day_pnl=figures.day_pnl,
            opening_equity=figures.opening_nav,
            before=_memory.states[portfolio_id],
        )
        changed = _note(figures, standings)
        noted.append((messages(figures, bounds, standings), changed))
    return noted


def _shown(noted: Sequence[tuple[PortfolioRisk, bool]]) -> dict[UUID, PortfolioRisk]:
    """Publish; the live store may be away."""
    records: dict[UUID, PortfolioRisk] = {}
    reachable = True
    for record, changed in noted:
        portfolio_id = record.portfolio_id
        earlier = _memory.records.get(portfolio_id)
        if earlier is None and reachable:
            earlier = live.load(portfolio_id)
        records[portfolio_id] = _memory.records[portfolio_id] = record.extended(earlier)
        # one failed attempt a bar is enough: every further one would wait for its time-out
        reachable = reachable and _publish(record, changed)
    _reached(reachable)
    return records


def _note(figures: Figures, standings: Sequence[LimitStanding]) -> bool:
    """Keep changed limit states; the answer says whether something changed."""
    portfolio_id = figures.portfolio_id
    before = _memory.states[portfolio_id]
    unknown = {
        (portfolio_id, each.limit.measure) for each in standings if each.state == LimitState.UNKNOWN
    }
    was_unknown = {each for each in _memory.unknown if each[0] == portfolio_id}
    moved = any(
        each.state not in (LimitState.UNKNOWN, before.get(each.limit.measure, LimitState.WITHIN))
        for each in standings
    )
    if not moved and unknown == was_unknown:
        return False
    _memory.unknown = (_memory.unknown - was_unknown) | unknown
    _memory.states[portfolio_id] = limits.note_states(
        portfolio_id=portfolio_id,
        standings=standings,
        before=before,
        as_of=figures.as_of,
        session_date=figures.session_date,
        simulated=figures.simulated,
        reason=figures.reason,
    )
    return True


def _publish(record: PortfolioRisk, changed: bool) -> bool:
    if not live.save(record):
        return False
    live.publish_risk(record.portfolio_id, record.risk)
    live.publish_value(record.portfolio_id, record.value)
    if changed:
        live.publish_limits(record.portfolio_id, record.limits, record.risk["as_of"])
    return True


def _reached(reachable: bool) -> None:
    if reachable == _memory.away:
        _memory.away = not reachable
        if reachable:
            logger.info("live store is back")
        else:
            logger.warning("live store is away, figures are not pushed")
