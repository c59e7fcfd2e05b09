"""Sessions a source turned out to have no price of: not asked for again for a week.

A memory that may be lost at any time: then the question is asked once more.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from django.core.cache import cache
from django.db.models import Min

from etftrader.core.livestate import LiveError
from marketdata.models import DailyBar, Instrument
from marketdata.providers import sources

logger = logging.getLogger(__name__)

WEEK_S = 7 * 24 * 3600


def note(
    instrument: Instrument, *, asked: Iterable[date], came: Collection[date], until: date
) -> None:
    """Keep the sessions asked for that a source has no price of, but the newest: it may be late.

    What lies before a series' first session is not looked for anyway.
    """
    holes = [day for day in asked if day not in came and day < until]
    if not holes:
        return
    stored = DailyBar.objects.filter(instrument=instrument).aggregate(first=Min("session_date"))
    first = min([*came, *([stored["first"]] if stored["first"] else [])], default=date.max)
    remember(instrument.symbol, [day for day in holes if day > first])


def remember(symbol: str, days: Iterable[date]) -> None:
    """Add sessions without a price of a symbol; `yields` stands for the curve."""
    fresh = sorted(days)
    if not fresh:
        return
    before = known([symbol]).get(symbol, frozenset())
    text = [day.isoformat() for day in sorted(before.union(fresh))]
    try:
        cache.set(_key(symbol), text, WEEK_S)
    except (LiveError, OSError) as error:
        logger.warning("absences not kept", extra={"error": str(error)[:200]})


def known(symbols: Sequence[str]) -> dict[str, frozenset[date]]:
    """The sessions that are known to have no price, by symbol."""
    keys = {_key(symbol): symbol for symbol in symbols}
    try:
        kept = cache.get_many(list(keys)) if keys else {}
    except (LiveError, OSError) as error:
        logger.warning("absences not read", extra={"error": str(error)[:200]})
        return {}
    return {
        keys[key]: frozenset(date.fromisoformat(day) for day in days) for key, days in kept.items()
    }


def _key(symbol: str) -> str:
    # other sources may have other holes
    return f"absent:{'+'.join(sources.everybody())}:{symbol}"
