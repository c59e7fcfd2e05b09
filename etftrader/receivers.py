"""What the roof does when a job ends or prices change. Imported once, when every app is ready."""

from etftrader.core import jobs
from marketdata.events import prices_revised

HEED, HEED_PRICES = "etftrader.heed_run", "etftrader.heed_prices"


@jobs.job_finished.listener
def heed(*, run_id: str, **later: object) -> None:
    """A run that ended may concern somebody. By name: a web process need not load the tasks."""
    jobs.send(HEED, run_id=run_id)


@prices_revised.listener
def revise(*, symbol: str, since: str, **later: object) -> None:
    """Prices that a person accepted, corrected or withdrew are in the books' past already."""
    jobs.send(HEED_PRICES, symbol=symbol, since=since)
