"""Is the data fresh? Per dataset: newest, expected, lag, coverage, source, last error."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from django.db.models import Count, Max, OuterRef, Q, Subquery, Value

from marketdata.choices import InstrumentKind, RefreshStatus
from marketdata.constants import TENORS
from marketdata.models import (
    DailyBar,
    DataRefresh,
    Instrument,
    OptionContract,
    OptionGreeks,
    OptionQuote,
    Quote,
    TreasuryYield,
)
from marketdata.providers.sources import BARS, VIX, YIELDS
from marketdata.selectors import calendar, coverage
from marketdata.selectors.sessions import Moment

LATELY = 10  # sessions in which most series have their newest row
OPTION_QUOTES, GREEKS = "option_quotes", "greeks"
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
    due: bool = True  # whether it is to be there now; quotes are not while the market is closed

    @property
    def coverage(self) -> float | None:
        """Share of items that are there."""
        return self.covered / self.total if self.total else None


def datasets(*, moment: Moment) -> list[DatasetStatus]:
    """Every dataset, worst first."""
    refreshes = _last_refreshes([BARS, VIX, YIELDS, OPTION_QUOTES, GREEKS])
    found = _prices(moment, refreshes)
    found.append(_yields(moment, refreshes.get(YIELDS)))
    found += _options(moment, refreshes)
    found += _quotes(moment)
    return sorted(found, key=lambda each: (-(each.lag_sessions or 0), each.label))


def _last_refreshes(names: Iterable[str]) -> dict[str, DataRefresh]:
    """The newest record of each dataset; one query."""
    wanted = Q(pk__in=[])
    for name in names:
        newest = DataRefresh.objects.filter(dataset=name).order_by("-finished_at", "-pk")
        wanted |= Q(pk=Subquery(newest.values("pk")[:1]))
    return {row.dataset: row for row in DataRefresh.objects.filter(wanted)}


def _prices(moment: Moment, refreshes: dict[str, DataRefresh]) -> list[DatasetStatus]:
    rows = dict(
        DailyBar.objects.filter(session_date__lte=moment.session_date)
        .filter(session_date__gt=calendar.previous(moment.session_date, LATELY))
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
        newest = newest or _long_ago(members, moment.session_date)
        missing = sorted({each.symbol for each in members} - {each.symbol for each in there})
        found.append(
            _status(dataset, label, newest, moment, len(there), len(members), missing, refresh)
        )
    return found


def _long_ago(members: Iterable[Instrument], until: date) -> date | None:
    """The newest session any of them has a price of, such as of a folder of old files."""
    bars = DailyBar.objects.filter(instrument=OuterRef("pk"), session_date__lte=until)
    newest = Subquery(bars.order_by("-session_date").values("session_date")[:1])
    of = Instrument.objects.filter(pk__in=[each.pk for each in members])
    found: date | None = of.annotate(newest=newest).aggregate(last=Max("newest"))["last"]
    return found


def _yields(moment: Moment, refresh: DataRefresh | None) -> DatasetStatus:
    last = (
        TreasuryYield.objects.filter(session_date__lte=moment.session_date)
        .values_list("session_date")
        .annotate(Count("tenor", distinct=True))
        .order_by("-session_date")
        .first()
    )
    newest, covered = last or (None, 0)
    return _status("yields", "Treasury yields", newest, moment, covered, len(TENORS), [], refresh)


def _options(moment: Moment, refreshes: dict[str, DataRefresh]) -> list[DatasetStatus]:
    """Quotes and Greeks of the living contracts; nothing where no option is known."""
    contracts = OptionContract.objects.filter(expiry__gte=moment.session_date)
    counted = contracts.order_by().values(all=Value(1)).annotate(count=Count("pk"))
    living: int | None = None  # known with the first rows
    found = []
    for dataset, label, rows in (
        (OPTION_QUOTES, "Option quotes", OptionQuote.objects.all()),
        (GREEKS, "Greeks", OptionGreeks.objects.filter(delta__isnull=False)),
    ):
        known = rows.filter(session_date__lte=moment.session_date)
        alive = Q(contract__expiry__gte=moment.session_date)
        last = (
            known.values_list("session_date")
            .annotate(
                alive=Count("contract_id", filter=alive, distinct=True),
                living=Subquery(counted.values("count")),
            )
            .order_by("-session_date")
            .first()
        )
        if living is None:
            living = (last[2] or 0) if last else contracts.count()
        if not living:
            return []
        newest, covered = last[:2] if last else (None, 0)
        if newest != moment.session_date:
            covered = 0
        each = _status(dataset, label, newest, moment, covered, living, [], refreshes.get(dataset))
        # contracts that were looked at but never priced by a nightly step are no delay
        found.append(replace(each, due=newest is not None))
    return found


def _quotes(moment: Moment) -> list[DatasetStatus]:
    """Prices of the moment: due while a session runs."""
    known = Quote.objects.filter(session_date__lte=moment.current).aggregate(
        newest=Max("session_date"),
        there=Count("pk", filter=Q(session_date=moment.current)),
        total=Count("pk"),
        heard_at=Max("as_of"),
        source=Max("source"),
    )
    newest = known["newest"]
    if newest is None:
        return []
    return [
        DatasetStatus(
            dataset="quotes",
            label="Quotes",
            newest=newest,
            expected=moment.current,
            lag_sessions=max(len(calendar.between(newest, moment.current)) - 1, 0),
            covered=known["there"],
            total=known["total"],
            missing=(),
            source=known["source"],
            last_error="",
            refreshed_at=known["heard_at"],
            due=moment.in_session,
        )
    ]


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
