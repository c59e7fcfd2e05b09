"""Who may move the market clock and run jobs for everybody."""

from django.conf import settings

from etftrader.core.actor import Actor

OPERATORS = frozenset({"Operator", "Admin"})


def may_operate(actor: Actor) -> bool:
    """Operators, Admins and superusers run jobs and data."""
    return actor.is_superuser or bool(actor.groups & OPERATORS)


def may_advance(actor: Actor) -> bool:
    """Operators always; any signed-in user while the replay is open."""
    return actor.is_authenticated and (settings.REPLAY_OPEN or may_operate(actor))
