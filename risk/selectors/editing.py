"""Who may change the limits of a portfolio: its owner, or staff of the Risk manager group."""

from uuid import UUID

from etftrader.core.actor import ADMIN, Actor
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access

RISK_MANAGER = "Risk manager"


def portfolio_to_limit(actor: Actor, portfolio_id: UUID) -> Portfolio:
    """The portfolio, when the actor may change its limits. Raises NotFound and NotAllowed."""
    if actor.is_staff and RISK_MANAGER in actor.groups and ADMIN in actor.scopes:
        return access.portfolio_for(actor, portfolio_id)
    return access.portfolio_for(actor, portfolio_id, Action.MANAGE)


def may_limit(actor: Actor, portfolio: Portfolio) -> bool:
    """For buttons; the door asks again."""
    if actor.is_staff and RISK_MANAGER in actor.groups:
        return True
    return access.may(actor, portfolio, Action.MANAGE)
