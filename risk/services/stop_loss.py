"""Trailing stops of every position: stepped over the real closes, with their events and alerts."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from uuid import UUID

import numpy as np
from django.db import transaction

from etftrader.core import audit, clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, VersionMismatch
from etftrader.core.money import to_money
from marketdata.choices import InstrumentKind, PriceClass, Pricing
from marketdata.selectors import calendar, prices, suspects
from portfolios.models import Position
from portfolios.selectors import own_costs
from portfolios.selectors.price_tape import PriceTape
from portfolios.services import locking
from risk.calculations import stop_loss as kernel
from risk.choices import AlertKind, Severity, StopEventKind, StopState
from risk.constants import VIX_MAX_AGE, VIX_SYMBOL
from risk.models import StopEvent, StopLossLevel, StopLossRule
from risk.services import alerts, stop_news, stop_units, stop_walk
from risk.services.stop_units import Steps
from risk.services.stop_walk import History, Walk

NOT_EVALUATED, NO_PRICE = ":not_evaluated", "no_price"
Raised = set[tuple[UUID, str]]  # conditions that are open
MODES = (kernel.TABLE, kernel.VOL_SCALED)


def evaluate(*, portfolio_ids: Iterable[UUID], session_date: date) -> dict[str, int]:
    """Bring every position's stop up to a close; keep events, raise and resolve alerts.

    A new or reopened position is walked from its opening on, a known one from where it stood; the
    same close twice changes nothing. A stop triggers on real closes only. Where a close is missing
    the stop is not evaluated and says so in an alert; one in doubt ends the walk before it. Each
    portfolio is a transaction of its own.
    """
    asked = sorted(portfolio_ids)
    positions = _positions(asked)
    rules = {each.portfolio_id: each for each in StopLossRule.objects.filter(portfolio__in=asked)}
    levels: dict[UUID, dict[UUID, StopLossLevel]] = defaultdict(dict)
    for level in StopLossLevel.objects.filter(portfolio__in=asked).select_related("instrument"):
        levels[level.portfolio_id][level.instrument_id] = level
    splits = stop_units.splits(
        instruments=[each.instrument for each in positions],
        levels=[level for mine in levels.values() for level in mine.values()],
        session_date=session_date,
    )
    history = _history(positions, levels, session_date, splits)
    counts = {"evaluated": 0, "triggered": 0, "near": 0, "not_evaluated": 0}
    held: dict[UUID, list[Position]] = defaultdict(list)
    for position in positions:
        held[position.portfolio_id].append(position)
    raised = alerts.open_keys(portfolio_ids=asked)
    for portfolio_id in asked:
        rule = rules.get(portfolio_id) or StopLossRule(portfolio_id=portfolio_id)
        if not levels[portfolio_id] and not (rule.enabled and held[portfolio_id]):
            continue
        before = stop_news.shown(levels[portfolio_id].values())
        with transaction.atomic():
            _drop_closed(
                portfolio_id, held[portfolio_id], levels[portfolio_id], session_date, raised
            )
            for position in held[portfolio_id] if rule.enabled else ():
                known = levels[portfolio_id].get(position.instrument_id)
                steps = splits.get(position.instrument_id, ())
                if known is not None and steps:
                    known = stop_units.restated(known, steps, session_date)
                state = _evaluate_one(position, known, rule, history, session_date, raised, steps)
                counts["evaluated"] += 1
                counts[state] = counts.get(state, 0) + 1
            stop_news.tell(portfolio_id, before)
            jobs.hold()
    return counts


@transaction.atomic
def set_rule(
    *,
    portfolio_id: UUID,
    enabled: bool,
    mode: str,
    ratchet: bool,
    if_match_version: int | None,
    by: Actor,
) -> StopLossRule:
    """How a portfolio's stops work. Locks the portfolio, writes an audit line.

    Raises BadInput for an unknown mode and VersionMismatch; version 0 stands for the defaults.
    """
    if mode not in MODES:
        raise BadInput(f"The mode is {' or '.join(MODES)}.", attr="mode")
    locking.lock_portfolios(portfolio_id)
    rule = StopLossRule.objects.filter(portfolio_id=portfolio_id).first()
    version = rule.version if rule else 0
    if if_match_version is not None and if_match_version != version:
        raise VersionMismatch("The rule was changed since it was read.", version=version)
    before = {"enabled": rule.enabled, "mode": rule.mode, "ratchet": rule.ratchet} if rule else None
    rule = rule or StopLossRule(portfolio_id=portfolio_id)
    rule.enabled, rule.mode, rule.ratchet = enabled, mode, ratchet
    rule.version = version + 1
    rule.save()
    audit.record(
        by=by,
        action="stop_loss.change",
        object_type="stop_loss_rule",
        object_id=rule.pk,
        chain=portfolio_id,
        before=before,
        after={"enabled": enabled, "mode": mode, "ratchet": ratchet},
    )
    return rule


def _positions(portfolio_ids: Sequence[UUID]) -> list[Position]:
    rows = Position.objects.open().filter(portfolio_id__in=portfolio_ids)
    rows = rows.filter(instrument__pricing=Pricing.AUTO)
    # an option has no closes of its own to trail, and ends by itself
    untrailed = (InstrumentKind.INDEX, InstrumentKind.OPTION)
    rows = rows.exclude(instrument__kind__in=untrailed).select_related("instrument", "portfolio")
    return list(rows.order_by("portfolio_id", "instrument__symbol"))


def _history(
    positions: Sequence[Position],
    levels: dict[UUID, dict[UUID, StopLossLevel]],
    session_date: date,
    splits: Mapping[UUID, Steps],
) -> History:
    """Closes of every held name since the earliest day any stop still needs."""
    starts = [
        _from(each, levels[each.portfolio_id].get(each.instrument_id), session_date)
        for each in positions
    ]
    # a few sessions more, so that the VIX and the jump test have a day before
    start = calendar.previous(min(starts, default=session_date), VIX_MAX_AGE + 1)
    symbols = {each.instrument.symbol for each in positions} | {VIX_SYMBOL}
    panel = prices.panel(symbols=symbols, until=session_date, start=start)
    since = {
        each.instrument.symbol: stop_units.later(splits[each.instrument_id], session_date)
        for each in positions
        if each.instrument_id in splits
    }
    columns = {
        symbol: [
            float(x) * since.get(symbol, 1.0) if np.isfinite(x) else None
            for x in panel.close[:, place]
        ]
        for place, symbol in enumerate(panel.symbols)
    }
    vix = stop_walk.carried(columns[VIX_SYMBOL])
    days: list[date] = panel.sessions.tolist()
    return History(days, columns, vix, _undecided(positions, days, session_date))


def _undecided(
    positions: Sequence[Position], days: Sequence[date], session_date: date
) -> dict[str, frozenset[date]]:
    """Sessions whose close is in doubt, by symbol: as the record of each session marks it."""
    held = {each.instrument_id: each.instrument for each in positions}
    waiting = suspects.waiting(held, until=session_date)
    if not waiting or not days:
        return {}
    tape = PriceTape([held[key] for key in waiting], days[0], days[-1])
    found: dict[str, set[date]] = defaultdict(set)
    for day in days:
        for each in tape.at(day).values():
            if each.price_class == PriceClass.SUSPECT:
                found[each.symbol].add(day)
    return {symbol: frozenset(mine) for symbol, mine in found.items()}


def _from(position: Position, level: StopLossLevel | None, session_date: date) -> date:
    """The first close a stop still has to take."""
    if level is not None and _continues(position, level, session_date):
        return calendar.next(level.session_date)
    return position.opened_on or session_date


def _continues(position: Position, level: StopLossLevel, session_date: date) -> bool:
    """Whether the stored stop belongs to this holding and not to an earlier or a later one."""
    same = level.opened_on == (position.opened_on or level.opened_on)
    return same and level.side == _side(position) and level.session_date <= session_date


def _side(position: Position) -> str:
    return kernel.LONG if position.quantity > 0 else kernel.SHORT


def _evaluate_one(
    position: Position,
    level: StopLossLevel | None,
    rule: StopLossRule,
    history: History,
    session_date: date,
    raised: Raised,
    steps: Steps = (),
) -> str:
    known = level is not None and _continues(position, level, session_date)
    start = _from(position, level if known else None, session_date)
    entry = _entry(position) * stop_units.later(steps, session_date)
    walk = stop_walk.resume(level) if known and level else stop_walk.begin(_side(position), entry)
    if level is not None and not known:
        _resolve(position, "", session_date, raised)
        _resolve(position, NOT_EVALUATED, session_date, raised)
    stop_walk.over(walk, position.instrument.symbol, rule, history, start)
    if walk.stop.stop_price is None:
        _not_evaluated(position, session_date, walk.waits_for)
        return str(StopState.NOT_EVALUATED)
    if walk.day is None or walk.day < session_date:
        walk.reason = suspects.PRICE_SUSPECT if walk.waits_for else NO_PRICE
        _not_evaluated(position, session_date, walk.waits_for)
    else:
        _resolve(position, NOT_EVALUATED, session_date, raised)
    _keep(position, level, walk, entry, session_date)
    for kind, day, stop, vix in walk.happened:
        _keep_event(position, kind, day, stop, vix)
    _tell(position, walk, session_date, raised)
    return str(StopState.NOT_EVALUATED) if walk.reason else walk.state


def _entry(position: Position) -> float:
    """Average cost of what is held, per unit, in the currency of its closes."""
    return float(own_costs.average(position))


def _keep(
    position: Position, level: StopLossLevel | None, walk: Walk, entry: float, session_date: date
) -> None:
    stop = walk.stop
    assert stop.stop_price is not None
    assert stop.regime is not None
    facts = {
        "side": stop.side,
        "opened_on": position.opened_on or session_date,
        "entry": to_money(entry),
        "extreme": to_money(stop.extreme),
        "stop_price": to_money(stop.stop_price),
        "stop_fraction": stop.regime.distance,
        "close": None if stop.close is None else to_money(stop.close),
        "distance": stop.distance,
        "vix": walk.vix,
        "regime": stop.regime.name,
        "state": walk.state,
        "reason": walk.reason,
        "session_date": walk.day or session_date,
        "triggered_on": walk.triggered_on,
    }
    StopLossLevel.objects.update_or_create(
        portfolio_id=position.portfolio_id, instrument_id=position.instrument_id, defaults=facts
    )


def _keep_event(
    position: Position,
    kind: StopEventKind,
    day: date,
    stop: kernel.TrailingStop,
    vix: float | None,
) -> None:
    assert stop.close is not None
    assert stop.stop_price is not None
    assert stop.regime is not None
    StopEvent.objects.get_or_create(
        portfolio_id=position.portfolio_id,
        instrument_id=position.instrument_id,
        session_date=day,
        kind=kind,
        defaults={
            "close": to_money(stop.close),
            "stop_price": to_money(stop.stop_price),
            "vix": vix,
            "regime": stop.regime.name,
            "recorded_at": clock.now(),
        },
    )


def _tell(position: Position, walk: Walk, session_date: date, raised: Raised) -> None:
    """One alert per change of state: raised when this walk changed it, resolved when armed."""
    symbol = position.instrument.symbol
    as_of = calendar.close_time(session_date)
    if walk.state == StopState.ARMED:
        _resolve(position, "", session_date, raised)
        return
    if not walk.happened:
        return
    stop, triggered = walk.stop, walk.state == StopState.TRIGGERED
    assert stop.close is not None
    assert stop.stop_price is not None
    assert stop.regime is not None
    passed = "fell through its stop" if stop.side == kernel.LONG else "rose through its stop"
    alerts.raise_once(
        portfolio_id=position.portfolio_id,
        kind=AlertKind.STOP,
        key=f"stop:{symbol}",
        severity=Severity.CRITICAL if triggered else Severity.WARNING,
        title=f"{symbol} {passed if triggered else 'is close to its stop'}",
        detail=f"Close {stop.close:,.2f}, stop {stop.stop_price:,.3f} "
        f"({stop.regime.distance:.0%} trailing, VIX {stop.regime.name}).",
        measured=stop.close,
        threshold=stop.stop_price,
        unit="price",
        symbol=symbol,
        as_of=as_of,
        session_date=session_date,
    )


def _not_evaluated(position: Position, session_date: date, waits_for: date | None) -> None:
    symbol = position.instrument.symbol
    if waits_for is None:
        why = f"There is no close for {session_date} ({NO_PRICE})."
    else:
        why = f"The close is in doubt for {waits_for} ({suspects.PRICE_SUSPECT})."
    alerts.raise_once(
        portfolio_id=position.portfolio_id,
        kind=AlertKind.STOP,
        key=f"stop:{symbol}{NOT_EVALUATED}",
        severity=Severity.WARNING,
        title=f"The stop of {symbol} was not evaluated",
        detail=why,
        symbol=symbol,
        as_of=calendar.close_time(session_date),
        session_date=session_date,
    )


def _drop_closed(
    portfolio_id: UUID,
    held: Sequence[Position],
    levels: dict[UUID, StopLossLevel],
    session_date: date,
    raised: Raised,
) -> None:
    """A position that is gone has no stop and no stop alert."""
    kept = {each.instrument_id for each in held}
    for instrument_id in [each for each in levels if each not in kept]:
        level = levels.pop(instrument_id)
        _resolve(level, "", session_date, raised)
        _resolve(level, NOT_EVALUATED, session_date, raised)
        level.delete()


def _resolve(
    stop: Position | StopLossLevel, suffix: str, session_date: date, raised: Raised
) -> None:
    """End one condition of a name, where it is open."""
    key = f"stop:{stop.instrument.symbol}{suffix}"
    if (stop.portfolio_id, key) in raised:
        as_of = calendar.close_time(session_date)
        alerts.resolve(portfolio_id=stop.portfolio_id, key=key, as_of=as_of)
