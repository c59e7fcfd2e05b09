"""Strategies: the legs people tagged as one idea, added up over the portfolios somebody sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from portfolios.choices import TagKind
from portfolios.models import PositionTag
from portfolios.selectors import groups
from portfolios.selectors.groups import HeldRow, Sums
from portfolios.selectors.positions import Worth

ZERO = Decimal(0)
NOT_KEPT = "not_kept"  # of a past session


@dataclass(frozen=True, slots=True)
class Strategy:
    """One strategy: its sums, its open legs, what its legs have realised, closed ones too."""

    sums: Sums
    legs: tuple[HeldRow, ...]
    realized_pnl: Decimal | None
    realized_reason: str
    nav: Decimal  # of the portfolios looked at
    gross: Decimal | None


def of(worths: Sequence[Worth], *, past: bool) -> list[Strategy]:
    """The strategies with open legs in these portfolios, by name."""
    rows = groups.held(worths)
    tagged = [row for row in rows if row.mark.strategies]
    found = groups.aggregate(rows, ["strategy"])
    whole = found[groups.WHOLE][0]
    nav = sum((each.nav for each in worths), ZERO)
    realized = {} if past else _realized([each.portfolio.pk for each in worths])
    told = [
        Strategy(
            sums=each,
            legs=tuple(row for row in tagged if _is_leg(row, each.of.key)),
            realized_pnl=None if past else realized.get(each.of.key, ZERO),
            realized_reason=NOT_KEPT if past else "",
            nav=nav,
            gross=whole.gross,
        )
        for each in found["strategy"]
        if each.of.key
    ]
    return sorted(told, key=lambda each: each.sums.of.key)


def _is_leg(row: HeldRow, key: str) -> bool:
    return any(each.name.lower() == key for each in row.mark.strategies)


def _realized(portfolio_ids: Sequence[UUID]) -> dict[str, Decimal]:
    """Realised P&L of tagged positions by the strategy's name in lower case."""
    rows = PositionTag.objects.active().filter(
        position__portfolio_id__in=portfolio_ids, tag__kind=TagKind.STRATEGY
    )
    found: dict[str, dict[UUID, Decimal]] = {}
    columns = ("tag__name", "position_id", "position__realized_pnl")
    for name, key, gain in rows.values_list(*columns):
        # one position once, however many people call it so
        found.setdefault(name.lower(), {})[key] = gain
    return {name: sum(mine.values(), ZERO) for name, mine in found.items()}
