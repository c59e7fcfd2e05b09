"""What processes of the live profile do in its tests; each function runs in one of its own."""

from collections.abc import Callable
from datetime import date
from typing import Any

from etftrader.core import jobs
from marketdata.providers import sources
from marketdata.selectors import instruments
from marketdata.services import greeks, option_quotes


def carry_out(
    *, emit: Callable[[object], None], job: str, as_of: str, inputs: dict[str, Any], scope: str = ""
) -> None:
    """Run a job as a worker does; of the scope of an earlier run it is that run again."""
    wish = jobs.request(
        job, as_of=date.fromisoformat(as_of), scope=scope, inputs=inputs, queue=False
    )
    run = jobs.run_now(wish)
    emit({"id": str(run.pk), "scope": run.scope, "status": run.status, "items": run.items})


def price_options(*, emit: Callable[[object], None], symbol: str, session_date: str) -> None:
    """Fetch the chains of an underlying, keep their quotes, price every contract."""
    day = date.fromisoformat(session_date)
    source = sources.chains(until=day)
    chains = option_quotes.sync(source=source, underlyings=[symbol], session_date=day)
    underlying = instruments.by_symbols([symbol])[symbol]
    computed = greeks.compute(session_date=day, watched=[underlying.pk])
    emit({"chains": [each.item() for each in chains], "greeks": computed.result()})
