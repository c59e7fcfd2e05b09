"""Every dataset, prices to snapshots: how it stands, how whole it was, what a day lacks and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db.models import Count, Min, OuterRef, Subquery

from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from marketdata.models import DataRefresh
from marketdata.providers.sources import BARS, VIX
from marketdata.selectors import calendar, coverage_days, freshness, quarantine
from marketdata.selectors.coverage_days import Strip
from marketdata.selectors.freshness import DatasetStatus
from marketdata.selectors.sessions import Moment
from marketdata.services import absences
from portfolios.choices import PortfolioStatus, SnapshotKind
from portfolios.models import Portfolio, PortfolioSnapshot
from risk.choices import CovarianceKind
from risk.models import CovarianceSnapshot

COVARIANCE, SNAPSHOTS = "covariance", "snapshots"
LABELS = {COVARIANCE: "Covariance matrix", SNAPSHOTS: "Portfolio snapshots"}
# whose record tells why an item is missing
_RECORDS = {"yields": "yields", "vix": VIX}
_STEPS = {
    COVARIANCE: "covariance",
    SNAPSHOTS: "snapshots",
    coverage_days.QUOTES: "greeks",
    coverage_days.GREEKS: "greeks",
}


@dataclass(frozen=True, slots=True)
class Lack:
    """One item that a session lacks, with the reason in words."""

    dataset: str
    label: str
    item: str
    reason: str
    doubt_id: UUID | None = None


def standing(*, actor: Actor, moment: Moment) -> list[DatasetStatus]:
    """Every dataset, what comes in from outside first."""
    found = freshness.datasets(moment=moment)
    return [*found, _covariance(actor, moment), _snapshots(actor, moment)]


def strips(*, actor: Actor, sessions: Sequence[date]) -> list[Strip]:
    """Every dataset over these sessions."""
    found = coverage_days.strips(sessions=sessions)
    found.append(_covariance_strip(actor, sessions))
    return [*found, *_snapshot_strips(actor, sessions)]


def lacking(*, actor: Actor, day: date, of: Sequence[Strip], place: int) -> list[Lack]:
    """What the datasets that are not whole lack on one session; `place` is its column."""
    found: list[Lack] = []
    for strip in of:
        if strip.there[place] >= strip.due[place]:
            continue
        if strip.dataset in _STEPS:
            found.append(_not_computed(actor, strip, day, place))
        else:
            found += _not_fetched(strip, day, place)
    return found


def _not_fetched(strip: Strip, day: date, place: int) -> list[Lack]:
    missing = coverage_days.missing(dataset=strip.dataset, day=day)
    if not missing:
        count = strip.due[place] - strip.there[place]
        return [Lack(strip.dataset, strip.label, f"{count} items", _recorded(strip.dataset, day))]
    if strip.dataset == coverage_days.YIELDS and len(missing) == strip.due[place]:
        known = day in absences.known(["yields"]).get("yields", frozenset())
        words = "the source has no curve of that day" if known else _recorded("yields", day)
        return [Lack(strip.dataset, strip.label, "every maturity", words)]
    known_absent = absences.known([each.item for each in missing])
    recorded = _recorded(strip.dataset, day)
    return [
        Lack(
            strip.dataset,
            strip.label,
            each.item,
            _why(each, day in known_absent.get(each.item, frozenset()), recorded),
            each.doubt_id,
        )
        for each in missing
    ]


def _why(missing: coverage_days.Missing, absent: bool, recorded: str) -> str:
    if missing.held:
        return f"held back: it {quarantine.in_words(missing.held)}"
    return "the source has no price of that day" if absent else recorded


def _recorded(dataset: str, day: date) -> str:
    """What the newest record of a dataset's session says of it."""
    record = (
        DataRefresh.objects.filter(dataset=_RECORDS.get(dataset, BARS), session_date=day)
        .order_by("-finished_at", "-pk")
        .first()
    )
    if record is None:
        return "no question for that session is on record"
    return record.error or "the source did not have it when it was asked"


def _not_computed(actor: Actor, strip: Strip, day: date, place: int) -> Lack:
    """A dataset of the house's own: the run of its step tells why."""
    count = strip.due[place] - strip.there[place]
    run = (
        JobRun.objects.filter(step=_STEPS[strip.dataset], as_of=day).order_by("-created_at").first()
    )
    if run is None:
        words = "its step has not run for that session"
    elif run.error:
        words = str(run.error.get("detail", "its step failed"))
    else:
        words = _left_out(run)
    item = "the matrix" if strip.dataset == COVARIANCE else f"{count} of {strip.due[place]}"
    return Lack(strip.dataset, strip.label, item, words)


def _left_out(run: JobRun) -> str:
    """What a run says of the figures it could not compute."""
    nulls = run.result.get("nulls") if isinstance(run.result, dict) else None
    if isinstance(nulls, dict) and nulls:
        told = [f"{count} {str(why).replace('_', ' ')}" for why, count in sorted(nulls.items())]
        return f"its step could not compute them: {', '.join(told)}"
    return f"its step has {run.status} without them"


def _covariance(actor: Actor, moment: Moment) -> DatasetStatus:
    newest = (
        CovarianceSnapshot.objects.for_actor(actor)
        .filter(kind=CovarianceKind.DAILY, session_date__lte=moment.session_date)
        .order_by("-session_date")
        .values("session_date", "method", "observations", "labels")
        .first()
    )
    day = newest["session_date"] if newest else None
    symbols = len(newest["labels"]) if newest else 0
    source = f"{newest['method']}, {newest['observations']} sessions" if newest else ""
    return _own(COVARIANCE, day, moment, symbols, symbols, source)


def _snapshots(actor: Actor, moment: Moment) -> DatasetStatus:
    taken = PortfolioSnapshot.objects.filter(
        portfolio=OuterRef("pk"),
        kind=SnapshotKind.ACTUAL,
        session_date__lte=moment.session_date,
    ).order_by("-session_date")
    books = Portfolio.objects.for_actor(actor).open().filter(ledger_seq__gt=0)
    newest = books.annotate(newest=Subquery(taken.values("session_date")[:1]))
    days = list(newest.values_list("newest", flat=True))
    there = sum(day == moment.session_date for day in days)
    last = max(filter(None, days), default=None)
    return _own(SNAPSHOTS, last, moment, there, len(days), "valuation at the close")


def _own(
    dataset: str, newest: date | None, moment: Moment, covered: int, total: int, source: str
) -> DatasetStatus:
    return DatasetStatus(
        dataset=dataset,
        label=LABELS[dataset],
        newest=newest,
        expected=moment.session_date,
        lag_sessions=lag(newest, moment),
        covered=covered,
        total=total,
        missing=(),
        source=source,
        last_error="",
        refreshed_at=None,
        due=bool(total) or newest is not None,
    )


def lag(newest: date | None, moment: Moment) -> int | None:
    """Sessions between the newest row and the last close."""
    return len(calendar.between(newest, moment.session_date)) - 1 if newest else None


def _covariance_strip(actor: Actor, sessions: Sequence[date]) -> Strip:
    known = set(
        CovarianceSnapshot.objects.for_actor(actor)
        .filter(kind=CovarianceKind.DAILY, session_date__range=(sessions[0], sessions[-1]))
        .values_list("session_date", flat=True)
    )
    begun = min(known, default=None)
    return Strip(
        COVARIANCE,
        LABELS[COVARIANCE],
        tuple(int(day in known) for day in sessions),
        tuple(int(begun is not None and day >= begun) for day in sessions),
    )


def _snapshot_strips(actor: Actor, sessions: Sequence[date]) -> list[Strip]:
    """Snapshots of the visible books, each due from its first one on."""
    mine = PortfolioSnapshot.objects.for_actor(actor).filter(
        kind=SnapshotKind.ACTUAL, portfolio__status=PortfolioStatus.ACTIVE
    )
    firsts = [first for _, first in mine.values_list("portfolio_id").annotate(Min("session_date"))]
    if not firsts:
        return []
    counts = dict(
        mine.filter(session_date__range=(sessions[0], sessions[-1]))
        .values_list("session_date")
        .annotate(Count("portfolio_id", distinct=True))
    )
    there = tuple(counts.get(day, 0) for day in sessions)
    due = tuple(sum(first <= day for first in firsts) for day in sessions)
    return [Strip(SNAPSHOTS, LABELS[SNAPSHOTS], there, due)]
