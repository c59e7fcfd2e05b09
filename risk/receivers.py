"""What risk does when books or symbols change. Imported once, when every app is ready."""

from etftrader.core import jobs
from marketdata.events import follower
from portfolios.events import positions_changed
from risk.services import relabelling

REVALUE = "risk.revalue_portfolio"


@positions_changed.listener
def revalue(*, portfolio_id: str, **later: object) -> None:
    """A changed portfolio needs a new VaR. By name: a web process need not load the services."""
    jobs.send(REVALUE, portfolio_id=portfolio_id)


@follower
def relabel(old: str, new: str) -> None:
    """Matrices and open alerts of an instrument that has another symbol now."""
    relabelling.relabel(old, new)
