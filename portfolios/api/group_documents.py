"""Exposures on the wire: totals, groups, concentration; null with a reason where not known."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from etftrader.core.api import parameters
from etftrader.core.api.fields import moment as told
from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from portfolios.calculations.greeks import FIGURES, BookGreeks
from portfolios.selectors import groups as read
from portfolios.selectors.groups import GROUPS, OVERLAPPING, Concentration, HeldRow, Sums
from portfolios.selectors.positions import Worth

METHOD = "sums of quantity x price x multiplier, signed"
OVERLAP = {
    "code": "overlapping_groups",
    "detail": "A position counts fully in each of its groups: they add up to more than the whole.",
}
TAGS_OF_TODAY = {
    "code": "tags_of_today",
    "detail": "The snapshot of this session is older than the keeping of tags: those shown are "
    "today's.",
}
FILTERS = {
    "type": parameters.Parameter("Only LONG, SHORT, LC, LP, SC or SP."),
    "tag": parameters.several("Only positions with these tags; strategies as #strategy:name."),
    "tag_mode": parameters.Parameter(
        "any: one of the tags is enough; all: every one must be there.",
        enum=["any", "all"],
        default="any",
    ),
    "underlying": "Only positions that follow this symbol.",
    "strategy": "Only the legs of this strategy.",
    "quality": "Only prices of this class, such as live, eod or stale; missing: without one.",
    "search": "Only where symbol, sector or contract has this text.",
}
GROUP_BY = {
    "group_by": parameters.several(
        "What to group by; several with commas.", enum=[*GROUPS], most=len(GROUPS)
    )
}


def groupings(text: str, *, needed: bool = False) -> list[str]:
    """The groupings of `group_by=`. Raises BadInput."""
    names = list(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if any(each not in GROUPS for each in names) or (needed and not names):
        raise BadInput(f"group_by is any of {', '.join(GROUPS)}.", attr="group_by")
    return names


def grouped(rows: Sequence[HeldRow], by: Sequence[str], nav: Decimal) -> dict[str, Any]:
    """The whole, its concentration, and the groups of each grouping, largest gross first."""
    found = read.aggregate(rows, by)
    whole = found.pop(read.WHOLE)[0]
    gross = whole.gross
    return {
        "total": sums(whole, nav, gross),
        "concentration": concentration(read.concentration(rows)),
        "groups": {name: [group(each, nav, gross) for each in found[name]] for name in by},
    }


def sums(each: Sums, nav: Decimal, gross: Decimal | None) -> dict[str, Any]:
    """Totals of some positions; weights are shares of equity, `gross_share` of all exposure."""
    return {
        "positions": each.count,
        "long_exposure": plain(each.long),
        "short_exposure": plain(each.short),
        "gross_exposure": plain(each.gross),
        "net_exposure": plain(each.net),
        "options_exposure": plain(each.options),
        "stock_exposure": plain(each.stocks),
        "notional": plain(each.notional),
        "delta_exposure": plain(each.delta_exposure),
        "weight": read.weight(each.net, nav),
        "gross_share": float(each.gross / gross) if each.gross is not None and gross else None,
        "day_pnl": plain(each.day_pnl),
        "unrealized_pnl": plain(each.unrealized_pnl),
        "cost_basis": plain(each.cost_basis),
        "greeks": greeks(each.greeks),
        "coverage": each.coverage,
        "reason": each.reason,
        "excluded": list(each.excluded),
        "delta_excluded": list(each.delta_excluded),
    }


def group(each: Sums, nav: Decimal, gross: Decimal | None) -> dict[str, Any]:
    """A group: what it is known by, what it is called, a tag's colour, its totals."""
    of = {"key": each.of.key, "label": each.of.label, "colour": each.of.colour or None}
    return of | sums(each, nav, gross)


def greeks(found: BookGreeks | None) -> dict[str, Any] | None:
    """Greeks of some positions, stocks with their delta of 1; `skipped` had none."""
    if found is None:
        return None
    return {name: getattr(found, name) for name in (*FIGURES, "skipped")}


def concentration(found: Concentration) -> dict[str, Any]:
    """Herfindahl index of |exposure| over gross, its inverse, and the five largest."""
    return {
        "hhi": found.hhi,
        "effective_positions": found.effective,
        "hhi_by_underlying": found.by_underlying,
        "top": [
            {"symbol": symbol, "exposure": plain(size), "gross_share": share}
            for symbol, size, share in found.top
        ],
        "top_share": found.top_share,
        "reason": found.reason,
    }


def warnings(
    by: Sequence[str], of: Iterable[Worth], *, tagged: bool = False
) -> list[dict[str, str]]:
    """What to know of groups: that they overlap, that tags of then were not kept."""
    shared = any(each in OVERLAPPING for each in by)
    of_today = (shared or tagged) and any(each.tags_of_today for each in of)
    return [*([OVERLAP] if shared else []), *([TAGS_OF_TODAY] if of_today else [])]


def of_several(
    data: Mapping[str, Any], *, as_of: Any, currency: str | None, **meta: Any
) -> dict[str, Any]:
    """The outer shape of figures over several portfolios."""
    return {
        "portfolio": None,
        "as_of": told(as_of) if as_of else None,
        "currency": currency,
        "data": dict(data),
        "meta": {"method": METHOD, **meta},
    }
