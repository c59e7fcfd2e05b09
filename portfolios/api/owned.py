"""What views of rows from several portfolios share: the portfolio asked for, the line of staff."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Model

from etftrader.core.api import parameters
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from portfolios.models import Portfolio
from portfolios.selectors import access

OF_PORTFOLIO = {
    "portfolio": parameters.Parameter(
        "Id of the portfolio to keep to; all you may see without it.", format="uuid"
    )
}


class OwnedView(ApiView):
    """Rows an actor may see, wherever they belong.

    Lists that can be cut to one portfolio declare `query=OF_PORTFOLIO` and answer with
    `self.listing(self.of_portfolio(rows), ...)`; details call `self.shown([row])`.
    """

    noted = False

    def of_portfolio(self, rows: Any) -> Any:
        """The rows of `?portfolio=`; a foreign one is as missing as one that never was.

        Raises BadInput for what is no id, and NotFound.
        """
        portfolio = self.asked_portfolio("portfolio")
        return rows if portfolio is None else rows.filter(portfolio=portfolio)

    def asked_portfolio(self, name: str) -> Portfolio | None:
        """The portfolio a query parameter names. Raises BadInput and NotFound."""
        text = self.request.query_params.get(name)
        if text is None:
            return None
        try:
            wanted = UUID(text)
        except ValueError as error:
            raise BadInput("A portfolio id is a UUID.", attr=name) from error
        found = access.portfolio_for(self.actor, wanted)
        self.noted = True  # the door wrote the line
        return found

    def shown(self, rows: Iterable[Any]) -> None:
        """Leave the line of staff for rows of others, one a request."""
        told = [each for each in rows or () if isinstance(each, Model)]
        if told and not self.noted:
            self.noted = True
            access.note_reading(self.actor, told)
