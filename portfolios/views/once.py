"""What forms that move money share: booked once a form, at the session that plays."""

import uuid
from decimal import Decimal
from typing import Any

from django.http import HttpRequest

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.idempotency import Answer
from marketdata.selectors import sessions
from portfolios.models import CashTransaction, Portfolio
from portfolios.services import cash


def once(
    request: HttpRequest, actor: Actor, operation: str, said: dict[str, Any], effect: Any
) -> Answer:
    """Run a form's effect under its hidden key; the same form again gives the first answer."""
    assert actor.user_id is not None
    body = {name: str(value) for name, value in said.items() if name != "idempotency_key"}
    return idempotency.once(
        user_id=actor.user_id,
        operation=operation,
        key=said["idempotency_key"],
        print_of=idempotency.fingerprint(request.path, body),
        effect=effect,
    )


def move(
    portfolio: Portfolio, kind: str, amount: Decimal, reason: str, actor: Actor
) -> CashTransaction:
    """Book cash now."""
    return cash.move(
        portfolio_id=portfolio.pk,
        kind=kind,
        amount=amount,
        session_date=sessions.moment().current,
        source=f"cash:{uuid.uuid4()}",
        reason=reason,
        by=actor,
    )
