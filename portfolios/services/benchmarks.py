"""What a portfolio is compared with: up to three symbols, set as a whole and in order."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, VersionMismatch
from marketdata.models import Instrument
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio, PortfolioBenchmark
from portfolios.selectors import performance_benchmarks as read
from portfolios.services import locking


@transaction.atomic
def set_benchmarks(
    *,
    portfolio_id: UUID,
    symbols: Sequence[str],
    if_match_version: int | None = None,
    by: Actor,
) -> Portfolio:
    """Compare a portfolio with these, the first one first; none at all is the default again.

    `if_match_version` is the portfolio's version that was read; None asks for no match. Raises
    BadInput for a symbol that is unknown, said twice or without prices, and for more than three;
    VersionMismatch; Conflict when the portfolio is closed.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    if if_match_version is not None and if_match_version != portfolio.version:
        raise VersionMismatch(
            "The portfolio was changed since it was read.", version=portfolio.version
        )
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    wanted = read.checked(symbols, attr="symbols")
    before = read.kept(portfolio_id=portfolio_id)
    after = [each.symbol for each in wanted]
    if after == before:
        return portfolio
    _write(portfolio, wanted)
    audit.record(
        by=by,
        action="portfolio.benchmarks",
        object_type="portfolio",
        object_id=portfolio.pk,
        chain=portfolio.pk,
        before={"benchmarks": before},
        after={"benchmarks": after},
    )
    return portfolio


def _write(portfolio: Portfolio, wanted: Sequence[Instrument]) -> None:
    PortfolioBenchmark.objects.filter(portfolio=portfolio).delete()
    PortfolioBenchmark.objects.bulk_create(
        PortfolioBenchmark(portfolio=portfolio, instrument=each, place=place)
        for place, each in enumerate(wanted, start=1)
    )
    portfolio.version += 1
    portfolio.save(update_fields=["version", "updated_at"])
