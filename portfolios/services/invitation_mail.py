"""An invitation by e-mail, where the house has a mail server; elsewhere people pass the link on."""

import logging

from django.conf import settings
from django.core.mail import send_mail

from etftrader.core import clock
from portfolios.constants import INVITATION_DAYS
from portfolios.models import Invitation

logger = logging.getLogger(__name__)
WORDS = {"owner": "to take over", "editor": "to work on", "viewer": "to look at"}


def is_configured() -> bool:
    """Whether EMAIL_URL names a server."""
    return bool(getattr(settings, "EMAIL_URL", ""))


def send(*, row: Invitation, link: str, sender: str) -> bool:
    """Send the link to the address, whoever has it; False where it did not go out.

    Called after the row is kept. The link is in the letter and nowhere else: no log, no queue.
    """
    if not is_configured():
        return False
    name = " ".join(row.portfolio.name.split())
    lines = [
        f"{sender} invites you {WORDS[row.role]} the portfolio {name}.",
        row.message,
        f"Open this link within {INVITATION_DAYS} days, signed in under this address:\n{link}",
        f"Sent {clock.now():%Y-%m-%d %H:%M} UTC. Whoever has no account asks for one first.",
    ]
    try:
        return bool(
            send_mail(
                subject=f"Invitation to {name}",
                message="\n\n".join(each for each in lines if each),
                from_email=None,
                recipient_list=[row.email],
            )
        )
    except OSError as error:  # refusals of the mail server are such too
        logger.warning("an invitation was not sent", extra={"kind": type(error).__name__})
        return False
