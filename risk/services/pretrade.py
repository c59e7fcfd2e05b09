"""The gate before a trade: judged from gathered inputs, kept with all its figures."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any
from uuid import UUID

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.audit import canonical
from portfolios.choices import PortfolioState
from portfolios.models import Portfolio
from portfolios.selectors import holdings
from portfolios.selectors.holdings import Book
from risk.choices import CheckStatus, Measure
from risk.constants import FRACTION_LOT
from risk.models import PreTradeCheck
from risk.selectors import limits as limit_rows
from risk.services import pretrade_document as documents
from risk.services import pretrade_inputs as gate_inputs
from risk.services.pretrade_book import State
from risk.services.pretrade_checks import Facts
from risk.services.pretrade_inputs import (
    CostEstimate,
    GateInputs,
    ProposedTrade,
    gather,
    is_stale,
)
from risk.services.pretrade_legs import Leg
from risk.services.pretrade_screen import screen

__all__ = [
    "CostEstimate",
    "GateInputs",
    "ProposedTrade",
    "Verdict",
    "gather",
    "is_stale",
    "judge",
    "keep",
]

# the order in which reasons are given: reliability.md 5c, solvency first
CODES = (
    "INSUFFICIENT_CASH",
    "OVERSELL",
    "MARGIN",
    "VAR_LIMIT",
    "VAR_UNAVAILABLE",
    "PORTFOLIO_HALTED",
    "REDUCING_ONLY",
    "KILL_SWITCH",
    "NO_PRICE",
    "PRICE_STALE",
    "PRICE_SUSPECT",
    "PRICE_COLLAR",
    "QTY_RANGE",
    "LOT_SIZE",
    "NOTIONAL_MAX",
    "CONCENTRATION",
    "RATE",
    "MARKET_CLOSED",
    "SYMBOL_UNKNOWN",
    "SYMBOL_INACTIVE",
    "PERMISSION",
    "DUPLICATE_SUSPECTED",
    "CONFLICT",
)
UNAVAILABLE = frozenset({"VAR_UNAVAILABLE", "NO_PRICE", "PRICE_STALE", "PRICE_SUSPECT", "CONFLICT"})
UNUSABLE = frozenset({"SYMBOL_UNKNOWN", "SYMBOL_INACTIVE", "QTY_RANGE"})  # no figures for these


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer with its figures; `document` is the pre-trade document, ready for JSON."""

    status: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    checks: list[dict[str, Any]]
    before: dict[str, Any]
    after: dict[str, Any]
    incremental_var: float | None
    max_quantity: Decimal | None  # None: a basket, or nothing bounds it
    document: dict[str, Any]
    data_version: str
    binding: str | None = None  # the reason that ends the passing range
    inputs_hash: str = ""
    proposed: tuple[ProposedTrade, ...] = field(default=())
    legs: tuple[Leg, ...] = ()  # as judged, in order; none where nothing could be computed

    @property
    def approved(self) -> bool:
        """Whether the trade may go on."""
        return self.status == CheckStatus.APPROVED


def judge(
    *,
    portfolio: Portfolio,
    inputs: GateInputs,
    proposed: Sequence[ProposedTrade],
    working: Sequence[ProposedTrade] = (),
    costs: CostEstimate | Mapping[str, CostEstimate] | None = None,
    context: str = "preview",
    by: Actor | None = None,
    denials: Sequence[str] = (),
    book: Book | None = None,
) -> Verdict:
    """Judge one order, or a basket in order, against the book as it stands.

    Reads the book and its limits; when it counts, the caller holds the portfolio's lock. Working
    orders count as done. `denials` are codes the caller found itself (KILL_SWITCH, RATE …), `book`
    is what it read of the portfolio itself, under the same lock.
    Fails closed: an input that is missing, stale, not finite or failed makes the status
    UNAVAILABLE, never APPROVED. A hard limit never blocks a trade that lowers its measure.
    """
    book = book or holdings.book_of(portfolio)
    limits = {each.measure: each for each in limit_rows.in_force(portfolio_id=portfolio.pk)}
    codes = set(denials) | screen(portfolio, inputs, proposed, book)
    if gate_inputs.PRICES not in inputs.failures:
        # placed between the gathering and the lock: gather again
        codes |= {"CONFLICT" for each in working if each.symbol not in inputs.instruments}
    walked = None
    if proposed and not codes & (UNAVAILABLE | UNUSABLE):
        try:
            walked = _walk(portfolio, book, inputs, limits, proposed, working, costs)
        except (ValueError, ArithmeticError, LookupError):
            # a figure that cannot be computed refuses like one that is missing
            codes.add("VAR_UNAVAILABLE")
    start, state, legs = walked or (None, None, [])
    if start is not None and state is not None:
        codes |= _rejections(portfolio, state, start, legs)
    reasons = tuple(code for code in CODES if code in codes)
    warnings = inputs.warnings
    if start is not None and state is not None:
        warnings += _warnings(state, start, legs)
    if codes & UNAVAILABLE:
        status = CheckStatus.UNAVAILABLE
    else:
        status = CheckStatus.REJECTED if reasons else CheckStatus.APPROVED
    single = legs[0] if len(legs) == 1 else None
    largest = _largest(single, portfolio) if single else None
    facts = Facts(
        portfolio=portfolio,
        inputs=inputs,
        proposed=tuple(proposed),
        context=context,
        by=by,
        status=str(status),
        reasons=reasons,
        warnings=warnings,
        limits=limits,
        start=start,
        end=state,
        legs=tuple(legs),
        max_quantity=largest,
    )
    document = documents.build(facts)
    return Verdict(
        status=str(status),
        reasons=reasons,
        warnings=warnings,
        checks=document["checks"],
        before=document["before"],
        after=document["after"],
        incremental_var=document["risk"]["incremental_var"],
        max_quantity=largest,
        document=document,
        data_version=inputs.data_version,
        binding=single.binding if single else None,
        inputs_hash=_hash(portfolio, inputs, proposed, working),
        proposed=tuple(proposed),
        legs=tuple(legs),
    )


def _walk(
    portfolio: Portfolio,
    book: Any,
    inputs: GateInputs,
    limits: Mapping[str, Any],
    proposed: Sequence[ProposedTrade],
    working: Sequence[ProposedTrade],
    costs: CostEstimate | Mapping[str, CostEstimate] | None,
) -> tuple[State, State, list[Leg]]:
    """The book before and after the trades, working orders done first, and each leg's figures."""
    state = State.of(portfolio, book, inputs, limits, costs or CostEstimate())
    for each in proposed:
        state.quote(each)
    for each in working:
        state.apply(each)
    start = state.before(proposed)
    legs = [state.leg(each) for each in proposed]
    return start, state, legs


def keep(
    *,
    verdict: Verdict,
    portfolio_id: UUID,
    context: str,
    by: Actor | None,
    started: float | None = None,
    as_of: Any = None,
) -> PreTradeCheck:
    """Keep a verdict as a row. `started` is `time.monotonic()` when the judging began."""
    took = documents.elapsed_ms(started)
    verdict.document["meta"]["latency_ms"] = took
    first = verdict.proposed[0] if verdict.proposed else None
    row = PreTradeCheck(
        portfolio_id=portfolio_id,
        context=context,
        status=verdict.status,
        reasons=list(verdict.reasons),
        warnings=list(verdict.warnings),
        symbol=first.symbol if first else "",
        side=first.side if first else "",
        quantity=format(first.quantity, "f") if first else "",
        inputs_hash=verdict.inputs_hash,
        data_version=verdict.data_version,
        document=verdict.document,
        as_of=as_of or verdict.document["as_of"],
        latency_ms=took,
        created_by=by.user_id if by else None,
        created_at=clock.now(),
    )
    verdict.document["meta"]["check_id"] = str(row.pk)
    row.save(force_insert=True)
    return row


def _rejections(portfolio: Portfolio, state: State, start: State, legs: Sequence[Leg]) -> set[str]:
    """Solvency leg by leg in order; limits on the basket as a whole."""
    codes = {reason for leg in legs for reason in leg.solvency}
    if portfolio.state == PortfolioState.REDUCING and any(not leg.reducing for leg in legs):
        codes.add("REDUCING_ONLY")
    if state.var_hard and _above(start.var, state.var, state.var_limit):
        codes.add("VAR_LIMIT")
    if state.hard[Measure.GROSS] and _too_much(start, state):
        codes.add("NOTIONAL_MAX")
    if state.hard[Measure.POSITION_WEIGHT] and _heavy(start, state, legs):
        codes.add("CONCENTRATION")
    return codes


def _warnings(state: State, start: State, legs: Sequence[Leg]) -> tuple[str, ...]:
    """Soft limits passed, and hard ones that come near."""
    found = []
    if _above(start.var, state.var, state.var_limit * state.watch[Measure.VAR]):
        over = _above(start.var, state.var, state.var_limit)
        if not over:
            found.append("VAR_WATCH")
        elif not state.var_hard:
            found.append("VAR_LIMIT")
    if not state.hard[Measure.GROSS] and _too_much(start, state):
        found.append("NOTIONAL_MAX")
    if not state.hard[Measure.POSITION_WEIGHT] and _heavy(start, state, legs):
        found.append("CONCENTRATION")
    if any(leg.reducing for leg in legs) and state.var <= start.var:
        found.append("REDUCING")
    return tuple(found)


def _above(before: float, after: float, limit: float) -> bool:
    """Above a limit, and not lower than before."""
    return after > limit * (1.0 + 1e-12) and after >= before


def _too_much(start: State, state: State) -> bool:
    return _above(start.delta_gross, state.delta_gross, state.gross_limit)


def _heavy(start: State, state: State, legs: Sequence[Leg]) -> bool:
    limit = state.weight_limit
    return any(
        _above(abs(start.in_column(leg.symbol)), abs(state.in_column(leg.symbol)), limit)
        for leg in legs
    )


def _largest(leg: Leg, portfolio: Portfolio) -> Decimal | None:
    """The largest passing quantity, in whole lots; None when nothing bounds it."""
    if not math.isfinite(leg.largest):
        return None
    lot = Decimal(1) if portfolio.whole_shares else FRACTION_LOT
    return Decimal(repr(round(leg.largest, 9))).quantize(lot, rounding=ROUND_FLOOR)


def _hash(
    portfolio: Portfolio,
    inputs: GateInputs,
    proposed: Sequence[ProposedTrade],
    working: Sequence[ProposedTrade],
) -> str:
    given = {
        "ledger": [str(portfolio.pk), portfolio.ledger_seq, portfolio.ledger_hash],
        "data": inputs.data_version,
        "prices": sorted((s, str(m.price)) for s, m in inputs.marks.items()),
        "rates": sorted({(r.name, str(r.value)) for r in map(inputs.rate, inputs.instruments)}),
        "trades": [each.given for each in proposed],
        "working": [each.given for each in working],
    }
    return hashlib.sha256(canonical(given).encode()).hexdigest()
