"""The records of a fetch: how each source that was asked did."""

from collections.abc import Sequence

from etftrader.core import clock
from marketdata.choices import RefreshStatus
from marketdata.models import DataRefresh
from marketdata.providers.chain import Tally
from marketdata.selectors.provider_states import ASKED, DEGRADED_AFTER

MOST_MISSING = 500


def keep_asked(tallies: Sequence[Tally], **common: object) -> list[str]:
    """Write one record of each source; the answer names those that told something.

    `common` are the fields all records of a fetch share: session_date, run_id, started_at.
    """
    by_source: dict[str, list[Tally]] = {}
    for tally in tallies:
        by_source.setdefault(tally.provider, []).append(tally)
    now = clock.now()
    rows = [
        DataRefresh(dataset=ASKED, source=name, finished_at=now, **_asked(told), **common)
        for name, told in by_source.items()
    ]
    DataRefresh.objects.bulk_create(rows)
    return [name for name, told in by_source.items() if any(each.answered for each in told)]


def _asked(tallies: Sequence[Tally]) -> dict[str, object]:
    """What one source's record says: degraded after so many failures in a row."""
    failures = [failure for tally in tallies for failure in tally.failures]
    answered = sum(tally.answered for tally in tallies)
    status = RefreshStatus.SUCCEEDED
    if failures and not answered:
        status = RefreshStatus.FAILED
    elif max(tally.streak for tally in tallies) >= DEGRADED_AFTER:
        status = RefreshStatus.DEGRADED
    first = f"{failures[0].subject}: {failures[0].detail}" if failures else ""
    return {
        "status": status,
        "expected": sum(tally.asked for tally in tallies),
        "received": answered,
        "missing": [failure.subject for failure in failures][:MOST_MISSING],
        "error": first[:300],
    }
