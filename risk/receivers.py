"""What risk does when the books change. Imported once, when the app is ready."""

from portfolios.events import positions_changed
from risk import tasks


@positions_changed.listener
def revalue(*, portfolio_id: str, **later: object) -> None:
    """A changed portfolio needs a new VaR."""
    tasks.revalue_portfolio.delay(portfolio_id=portfolio_id)
