"""A stop on its way over real closes: where it stands, and what happened at which close."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from risk.calculations import stop_loss as kernel
from risk.choices import StopEventKind, StopState
from risk.constants import STOP_NEAR, STOP_REARM, VIX_MAX_AGE
from risk.models import StopLossLevel, StopLossRule


@dataclass(frozen=True, slots=True)
class History:
    """Closes by label and the VIX beside them, on one axis of sessions."""

    sessions: list[date]
    closes: dict[str, list[float | None]]
    vix: list[float | None]
    # sessions of a name whose close nobody has decided about
    undecided: Mapping[str, frozenset[date]] = field(default_factory=dict)


@dataclass(slots=True)
class Walk:
    """One stop while it walks over closes, and what happened on the way."""

    stop: kernel.TrailingStop
    state: str
    day: date | None  # of the last close taken
    vix: float | None
    triggered_on: date | None
    happened: list[tuple[StopEventKind, date, kernel.TrailingStop, float | None]]
    reason: str = ""
    waits_for: date | None = None  # the undecided session at which it ended


def begin(side: str, entry: float) -> Walk:
    """A stop at the opening of a position."""
    return Walk(kernel.opened(side, entry), StopState.ARMED, None, None, None, [])


def resume(level: StopLossLevel) -> Walk:
    """A stop from where its row left it."""
    stop = kernel.TrailingStop(
        side=level.side,
        extreme=float(level.extreme),
        stop_price=float(level.stop_price),
        close=None if level.close is None else float(level.close),
        regime=kernel.Regime(level.regime, level.stop_fraction),
        triggered=level.state == StopState.TRIGGERED,
    )
    return Walk(stop, level.state, level.session_date, level.vix, level.triggered_on, [])


def carried(levels: Sequence[float | None]) -> list[float | None]:
    """The VIX of each close, the last one known for at most three sessions."""
    found: list[float | None] = []
    last, age = None, 0
    for level in levels:
        last, age = (level, 0) if level is not None else (last, age + 1)
        found.append(last if age <= VIX_MAX_AGE else None)
    return found


def over(walk: Walk, symbol: str, rule: StopLossRule, history: History, start: date) -> None:
    """Take every close of a symbol from a day on, in order, up to the first undecided session.

    What a later close does to a stop hangs on that one: the walk goes on there once it is decided.
    """
    closes, undecided = history.closes[symbol], history.undecided.get(symbol, ())
    for place, day in enumerate(history.sessions):
        close = closes[place]
        if day >= start and day in undecided:
            walk.waits_for = day
            return
        if day < start or close is None:
            continue
        before = next((c for c in reversed(closes[:place]) if c is not None), None)
        vix = history.vix[place]
        if walk.stop.triggered and not _rearmed(walk, close):
            walk.stop = replace(walk.stop, close=close)
            walk.day = day
            continue
        confirmed = before is None or not kernel.is_jump(close, before)
        walk.stop = kernel.step(
            replace(walk.stop, triggered=False),
            close,
            vix,
            mode=rule.mode,
            ratchet=rule.ratchet,
            confirmed=confirmed,
        )
        walk.day, walk.vix = day, vix
        _settle(walk, day, vix)


def _rearmed(walk: Walk, close: float) -> bool:
    """A triggered stop is armed again once the price is clear of it by more than 4%."""
    room = replace(walk.stop, close=close).distance
    return room is not None and room > STOP_REARM


def _settle(walk: Walk, day: date, vix: float | None) -> None:
    """The state after a close, and the event of its change."""
    was, distance = walk.state, walk.stop.distance
    if walk.stop.triggered:
        state = StopState.TRIGGERED
    elif distance is None:
        return
    elif distance <= STOP_NEAR:
        state = StopState.NEAR
    elif was == StopState.NEAR and distance <= STOP_REARM:
        state = StopState.NEAR
    else:
        state = StopState.ARMED
    if state == was:
        return
    walk.state = state
    walk.triggered_on = day if state == StopState.TRIGGERED else None
    kind = {
        StopState.TRIGGERED: StopEventKind.TRIGGERED,
        StopState.NEAR: StopEventKind.WARNING,
        StopState.ARMED: StopEventKind.CLEARED,
    }[state]
    walk.happened.append((kind, day, walk.stop, vix))
