"""What risk does when books or symbols change. Imported once, when every app is ready."""

from datetime import date

from etftrader.core import jobs
from marketdata.events import doubt_raised, doubt_settled, follower, prices_arrived
from portfolios.events import positions_changed
from risk.services import relabelling

REVALUE, REVALUE_HOLDERS = "risk.revalue_portfolio", "risk.revalue_holders"
EVER = date.min.isoformat()  # of an announcement that does not say since when


@positions_changed.listener
def revalue(*, portfolio_id: str, **later: object) -> None:
    """A changed portfolio needs a new VaR. By name: a web process need not load the services."""
    jobs.send(REVALUE, portfolio_id=portfolio_id)


@doubt_settled.listener
def revalue_holders(*, instrument_id: str, since: str = EVER, **later: object) -> None:
    """Figures that left a name out because its price was in doubt are made anew."""
    jobs.send(REVALUE_HOLDERS, instrument_ids=instrument_id, since=since)


@doubt_raised.listener
def leave_out(*, instrument_id: str, since: str, newest: str = "yes", **later: object) -> None:
    """Figures that rest on a price which is in doubt now are made anew, the stored ones too."""
    jobs.send(REVALUE_HOLDERS, instrument_ids=instrument_id, since=since, newest=newest)


@prices_arrived.listener
def take_in(*, instrument_ids: str, **later: object) -> None:
    """Names that were held without any price have one now."""
    jobs.send(REVALUE_HOLDERS, instrument_ids=instrument_ids)


@follower
def relabel(old: str, new: str) -> None:
    """Matrices and open alerts of an instrument that has another symbol now."""
    relabelling.relabel(old, new)
