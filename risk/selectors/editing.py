"""Who may change the limits of a portfolio: its owner, or staff of the Risk manager group."""

from collections.abc import Collection
from uuid import UUID

from etftrader.core.actor import ADMIN, Actor
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access

RISK_MANAGER = "Risk manager"


def portfolio_to_limit(actor: Actor, portfolio_id: UUID) -> Portfolio:
    """The portfolio, when the actor may change its limits. Raises NotFound and NotAllowed."""
    action = Action.VIEW if _of_the_house(actor) else Action.MANAGE
    return access.portfolio_for(actor, portfolio_id, action)


def may_limit(actor: Actor, acts: Collection[Action]) -> bool:
    """For buttons, of a portfolio the actor sees and may do `acts` with; the door asks again."""
    return _of_the_house(actor) or Action.MANAGE in acts


def _of_the_house(actor: Actor) -> bool:
    return actor.is_staff and RISK_MANAGER in actor.groups and ADMIN in actor.scopes
