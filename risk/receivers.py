"""What risk does when books or symbols change. Imported once, when every app is ready."""

from etftrader.core import jobs
from marketdata.events import doubt_settled, follower
from portfolios.events import positions_changed
from risk.services import relabelling

REVALUE, REVALUE_HOLDERS = "risk.revalue_portfolio", "risk.revalue_holders"


@positions_changed.listener
def revalue(*, portfolio_id: str, **later: object) -> None:
    """A changed portfolio needs a new VaR. By name: a web process need not load the services."""
    jobs.send(REVALUE, portfolio_id=portfolio_id)


@doubt_settled.listener
def revalue_holders(*, instrument_id: str, **later: object) -> None:
    """Figures that left a name out because its price was in doubt are made anew."""
    jobs.send(REVALUE_HOLDERS, instrument_id=instrument_id)


@follower
def relabel(old: str, new: str) -> None:
    """Matrices and open alerts of an instrument that has another symbol now."""
    relabelling.relabel(old, new)
