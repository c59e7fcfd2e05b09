"""Is the data fresh? Per dataset: newest, expected, lag, coverage, source, last error."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Max

from marketdata.choices import InstrumentKind, RefreshStatus
from marketdata.constants import TENORS
from marketdata.models import DailyBar, DataRefresh, Instrument, TreasuryYield
from marketdata.providers.sources import BARS, VIX, YIELDS
from marketdata.selectors import calendar, coverage
from marketdata.selectors.sessions import Moment

_LABELS = {
    InstrumentKind.ETF: ("etf_prices", "ETF prices"),
    InstrumentKind.STOCK: ("stock_prices", "Stock prices"),
    InstrumentKind.INDEX: ("index_levels", "Index levels and VIX"),
}


@dataclass(frozen=True, slots=True)
class DatasetStatus:
    """How one dataset stands at the moment."""

    dataset: str
    label: str
    newest: date | None
    expected: date
    lag_sessions: int | None
    covered: int  # items with a row of the expected session
    total: int
    missing: tuple[str, ...]
    source: str
    last_error: str
    refreshed_at: datetime | None

    @property
    def coverage(self) -> float | None:
        """Share of items that are there."""
        return self.covered / self.total if self.total else None


def datasets(*, moment: Moment) -> list[DatasetStatus]:
    """Every dataset, worst first."""
    refreshes = _last_refreshes([BARS, VIX, YIELDS])
    found = _prices(moment, refreshes)
    found.append(_yields(moment, refreshes.get(YIELDS)))
    return sorted(found, key=lambda each: (-(each.lag_sessions or 0), each.label))


def _last_refreshes(names: Iterable[str]) -> dict[str, DataRefresh]:
    newest: dict[str, DataRefresh] = {}
    for name in names:
        last = DataRefresh.objects.filter(dataset=name).order_by("-finished_at", "-pk").first()
        if last is not None:
            newest[name] = last
    return newest


def _prices(moment: Moment, refreshes: dict[str, DataRefresh]) -> list[DatasetStatus]:
    rows = dict(
        DailyBar.objects.filter(session_date__lte=moment.session_date)
        .filter(session_date__gt=calendar.previous(moment.session_date, 10))
        .values_list("instrument_id")
        .annotate(newest=Max("session_date"))
    )
    by_kind: dict[str, list[Instrument]] = {}
    for each in coverage.due(session_date=moment.session_date):
        by_kind.setdefault(each.kind, []).append(each)
    found = []
    for kind, members in by_kind.items():
        dataset, label = _LABELS.get(InstrumentKind(kind), ("other_prices", "Other prices"))
        refresh = refreshes.get(BARS)
        if kind == InstrumentKind.INDEX and VIX in refreshes:
            refresh = refreshes[VIX]
        there = [each for each in members if rows.get(each.pk) == moment.session_date]
        newest = max((rows[each.pk] for each in members if each.pk in rows), default=None)
        missing = sorted({each.symbol for each in members} - {each.symbol for each in there})
        found.append(
            _status(dataset, label, newest, moment, len(there), len(members), missing, refresh)
        )
    return found


def _yields(moment: Moment, refresh: DataRefresh | None) -> DatasetStatus:
    newest = TreasuryYield.objects.filter(session_date__lte=moment.session_date).aggregate(
        day=Max("session_date")
    )["day"]
    covered = TreasuryYield.objects.filter(session_date=newest).aggregate(n=Count("tenor"))["n"]
    return _status(
        "yields", "Treasury yields", newest, moment, covered or 0, len(TENORS), [], refresh
    )


def _status(
    dataset: str,
    label: str,
    newest: date | None,
    moment: Moment,
    covered: int,
    total: int,
    missing: list[str],
    refresh: DataRefresh | None,
) -> DatasetStatus:
    lag = len(calendar.between(newest, moment.session_date)) - 1 if newest else None
    failed = refresh is not None and refresh.status != RefreshStatus.SUCCEEDED
    return DatasetStatus(
        dataset=dataset,
        label=label,
        newest=newest,
        expected=moment.session_date,
        lag_sessions=lag,
        covered=covered,
        total=total,
        missing=tuple(missing),
        source=refresh.source if refresh else "",
        last_error=refresh.error if refresh and failed else "",
        refreshed_at=refresh.finished_at if refresh else None,
    )
