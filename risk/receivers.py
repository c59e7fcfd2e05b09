"""What risk does when the books change. Imported once, when every app is ready."""

from etftrader.core import jobs
from portfolios.events import positions_changed

REVALUE = "risk.revalue_portfolio"


@positions_changed.listener
def revalue(*, portfolio_id: str, **later: object) -> None:
    """A changed portfolio needs a new VaR. By name: a web process need not load the services."""
    jobs.send(REVALUE, portfolio_id=portfolio_id)
