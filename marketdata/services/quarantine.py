"""Several prices that were held back, decided at once: each by itself, oldest session first."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError
from marketdata.models import QuarantinedPrice
from marketdata.services import price_gate

ACCEPT, REJECT = "accept", "reject"
MOST = 200


@dataclass(frozen=True, slots=True)
class Refused:
    """A doubt that could not be decided so, and why."""

    doubt_id: UUID
    symbol: str
    code: str
    detail: str


@dataclass
class Decided:
    """What became of the doubts that were named."""

    done: list[QuarantinedPrice] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


def decide(*, doubt_ids: Iterable[UUID], verdict: str, note: str = "", by: Actor) -> Decided:
    """Accept or reject each of these prices; one that cannot be leaves the others alone.

    An accepted price lets those behind it be judged anew, so the oldest comes first. Raises
    BadInput for another verdict, for none and for too many.
    """
    if verdict not in (ACCEPT, REJECT):
        raise BadInput("A price is accepted or rejected.", attr="verdict")
    wanted = list(dict.fromkeys(doubt_ids))
    if not 1 <= len(wanted) <= MOST:
        raise BadInput(f"Choose 1 to {MOST} prices.", attr="doubt_ids")
    act = price_gate.accept if verdict == ACCEPT else price_gate.reject
    known = {
        each.pk: each
        for each in QuarantinedPrice.objects.filter(pk__in=wanted).order_by("session_date", "pk")
    }
    decided = Decided(
        refused=[
            Refused(each, "", "not_found", "There is no such price in quarantine.")
            for each in wanted
            if each not in known
        ]
    )
    for key, doubt in known.items():
        try:
            decided.done.append(act(doubt_id=key, note=note, by=by))
        except DomainError as error:
            decided.refused.append(Refused(key, doubt.symbol, error.code, error.detail))
    return decided
