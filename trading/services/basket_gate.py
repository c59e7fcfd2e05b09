"""The pre-trade gate for several trades that are one: judged as a whole, told leg by leg."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etftrader.core.actor import Actor
from etftrader.core.money import plain
from portfolios.models import Portfolio
from risk.live import dollars
from risk.services import pretrade, pretrade_screen
from risk.services.pretrade import ProposedTrade, Verdict
from trading.calculations import fills
from trading.calculations.matching import NOTHING, Attempt, Bar, Terms
from trading.choices import Side
from trading.constants import KILL_SWITCH, MARGIN, PRICE_COLLAR
from trading.selectors import halts
from trading.services import gate
from trading.services.gate import Prepared

ZERO = Decimal(0)
Denials = dict[int, list[str]]  # by place of the leg


@dataclass(frozen=True, slots=True)
class Leg:
    """One trade of a basket, with the bar that may fill it."""

    prepared: Prepared
    terms: Terms
    quantity: Decimal
    bar: Bar | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict, and what the bars do to every leg."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]
    whole: bool  # every leg trades all of itself on its bar

    @property
    def fills(self) -> list[fills.Fill]:
        """All fills in order, where the verdict allows them; else none."""
        if not (self.verdict.approved and self.whole):
            return []
        return [each.fill for each in self.attempts if each.fill is not None]


def judge(
    *,
    portfolio: Portfolio,
    legs: Sequence[Leg],
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
) -> Judged:
    """Judge trades in order as one; where bars fill them all, each needs its cash and shares then.

    Solvency is asked after every leg, limits after the last. Unless every leg can be filled
    wholly, none is: they are judged as if they waited. When it counts, the caller holds the
    portfolio's lock.
    """
    denials = [KILL_SWITCH] if halts.in_force() is not None else []
    attempts, found = [], Denials()
    for place, leg in enumerate(legs):
        made, absurd = gate.try_bar(leg.prepared, leg.terms, leg.quantity, leg.bar)
        attempts.append(made)
        found |= {place: absurd} if absurd else {}
    whole = all(each.fill is not None and not each.fill.remaining for each in attempts)
    asked = [
        ProposedTrade(
            symbol=leg.prepared.instrument.symbol,
            side=leg.terms.side,
            quantity=leg.quantity,
            pays=gate.paying(leg.prepared, leg.terms, made if whole else Attempt(NOTHING)),
            order_type=leg.terms.order_type,
        )
        for leg, made in zip(legs, attempts, strict=True)
    ]

    def judged(others: Sequence[str], waiting: Sequence[ProposedTrade]) -> Verdict:
        refused = [code for codes in found.values() for code in codes]
        return _judge(portfolio, legs, asked, waiting, context, by, [*others, *refused])

    verdict = judged(denials, working)
    if verdict.approved and whole:
        found = _objections(portfolio, legs, attempts)
        if portfolio.allow_short and working:
            # what waits may never come: the margin has to be there without it as well
            denials += [MARGIN] if MARGIN in judged((), ()).reasons else []
        if found or denials:
            verdict = judged(denials, working)
    verdict.document["legs"] = _told(portfolio, legs, attempts, asked, verdict, found)
    return Judged(verdict, tuple(attempts), whole)


def _judge(
    portfolio: Portfolio,
    legs: Sequence[Leg],
    asked: Sequence[ProposedTrade],
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
    denials: Sequence[str],
) -> Verdict:
    return pretrade.judge(
        portfolio=portfolio,
        inputs=legs[0].prepared.inputs,
        proposed=asked,
        working=working,
        costs={each.prepared.instrument.symbol: each.prepared.estimate for each in legs},
        context=context,
        by=by,
        denials=denials,
    )


def _objections(portfolio: Portfolio, legs: Sequence[Leg], attempts: Sequence[Attempt]) -> Denials:
    """Why these fills cannot be booked one after the other, by leg; the first that fails ends it.

    What the legs before bring is at hand, what other orders may bring is not.
    """
    cash = portfolio.cash
    for place, (leg, made) in enumerate(zip(legs, attempts, strict=True)):
        assert made.fill is not None
        found = gate.objections(
            cash=cash,
            units=gate.held(portfolio, leg.prepared.instrument),
            allow_short=portfolio.allow_short,
            side=leg.terms.side,
            attempt=made,
            rate=leg.prepared.rate,
        )
        if found:
            return {place: found}
        cash += gate.in_book(made.fill.cash_delta, leg.prepared.rate)
    return {}


def _told(
    portfolio: Portfolio,
    legs: Sequence[Leg],
    attempts: Sequence[Attempt],
    asked: Sequence[ProposedTrade],
    verdict: Verdict,
    found: Mapping[int, list[str]],
) -> list[dict[str, Any]]:
    """The legs of the document: what each is priced with, brings, leaves, and is refused for."""
    told = []
    cash = verdict.document["solvency"]["cash_before"]
    for place, (leg, trade) in enumerate(zip(legs, asked, strict=True)):
        judged = verdict.legs[place] if verdict.legs else None
        inputs = leg.prepared.inputs
        reasons = pretrade_screen.screen_leg(portfolio, inputs, trade) | set(found.get(place, ()))
        if judged is not None:
            reasons |= set(judged.solvency)
            cash = dollars(judged.verdict.cash_after)
        mark = leg.prepared.mark
        told.append(
            {
                "leg": place + 1,
                "symbol": trade.symbol,
                "side": trade.side,
                "quantity": plain(trade.quantity),
                "order_type": trade.order_type,
                "price": plain(mark.price) if mark else None,
                "cash_after": cash if judged else None,
                "held_after": _held_after(judged),
                "estimated_cost": dollars(judged.cost) if judged else None,
                "reducing": judged.reducing if judged else None,
                "fills_at": _fills_at(attempts[place]),
                "reasons": [code for code in pretrade.CODES if code in reasons],
            }
        )
        if PRICE_COLLAR not in reasons and leg.prepared.market.last is not None:
            fill = attempts[place].fill or gate.whole(leg.prepared, trade)
            verdict.document["pricing"][place] |= gate.split(leg.prepared, fill)
    return told


def _held_after(judged: Any) -> float | None:
    if judged is None:
        return None
    return judged.held + (judged.quantity if judged.side == Side.BUY else -judged.quantity)


def _fills_at(made: Attempt) -> str | None:
    return plain(made.fill.price) if made.fill is not None else None
