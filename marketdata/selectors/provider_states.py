"""How each source of the settings does: what it serves, whether it answers, what it last said."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from etftrader.core import clock
from etftrader.core.outbound.line import BROKEN_S
from marketdata.choices import RefreshStatus, Source
from marketdata.models import DataRefresh
from marketdata.providers import sources

ASKED = "provider"  # the dataset of a record about one source, whatever it was asked for
DEGRADED_AFTER = 3  # failures in a row
_LOOK_BACK = 20
OK, DEGRADED, NOT_ASKED = "ok", "degraded", "not_asked"


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One source; `words` says for people what `state` says for programs."""

    provider: str
    rank: int  # 1 is asked first
    serves: tuple[str, ...]
    state: str
    words: str
    failures_in_a_row: int
    last_error: str
    last_error_at: datetime | None
    last_answer_at: datetime | None
    asked: int  # questions of the newest record, and how many had an answer
    answered: int
    rate: str  # how often it may be asked, in words
    rests_until: datetime | None  # while it is left alone after failures


def states() -> list[ProviderState]:
    """The sources in the order they are asked, those of a single dataset last."""
    return [_state(name, rank) for rank, name in enumerate(sources.everybody(), start=1)]


def _state(name: str, rank: int) -> ProviderState:
    rows = list(
        DataRefresh.objects.filter(dataset=ASKED, source=name).order_by("-finished_at", "-pk")[
            :_LOOK_BACK
        ]
    )
    failures = _in_a_row(rows)
    state = OK if rows else NOT_ASKED
    if failures >= DEGRADED_AFTER:
        state = DEGRADED
    bad = next((each for each in rows if each.error), None)
    good = next((each for each in rows if each.received), None)
    return ProviderState(
        provider=name,
        rank=rank,
        serves=tuple(each for each in sources.SERVES[name] if name in sources.serving(each)),
        state=state,
        words=_words(state, failures, bad),
        failures_in_a_row=failures,
        last_error=bad.error if bad else "",
        last_error_at=bad.finished_at if bad else None,
        last_answer_at=good.finished_at if good else None,
        asked=rows[0].expected if rows else 0,
        answered=rows[0].received if rows else 0,
        rate=_rate(name),
        rests_until=_rests_until(state, bad),
    )


def _rests_until(state: str, bad: DataRefresh | None) -> datetime | None:
    """When the circuit closes again; each process has its own and none rests longer."""
    if state != DEGRADED or bad is None:
        return None
    until = bad.finished_at + timedelta(seconds=BROKEN_S)
    return until if until > clock.now() else None


def _in_a_row(rows: list[DataRefresh]) -> int:
    """Failures since the last answer, newest record first."""
    failures = 0
    for row in rows:
        if row.status == RefreshStatus.FAILED:
            failures += row.expected - row.received
            continue
        if row.status == RefreshStatus.DEGRADED:
            failures += DEGRADED_AFTER
        break
    return failures


def _words(state: str, failures: int, bad: DataRefresh | None) -> str:
    if state == NOT_ASKED:
        return "has not been asked yet"
    if state == DEGRADED:
        assert bad is not None
        return (
            f"failed {failures} times in a row; left alone for a minute after every third failure, "
            f"then tried by one question; last: {bad.error}"
        )[:300]
    return "answers" if not failures else "answered before; the newest question failed"


def _rate(name: str) -> str:
    per_minute = {
        Source.YFINANCE.value: settings.YAHOO_CALLS_PER_MINUTE,
        Source.FRED.value: settings.FRED_CALLS_PER_MINUTE,
    }.get(name)
    if per_minute is None:
        return "a file of this machine, read as often as needed"
    return f"at most {per_minute} questions a minute from each process"
