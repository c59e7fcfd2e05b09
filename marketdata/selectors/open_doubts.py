"""Prices that are held back until a person has looked, as readers of prices ask for them."""

from django.db.models import Exists, QuerySet

from marketdata.choices import QuarantineState
from marketdata.models import QuarantinedPrice
from marketdata.providers.sources import BARS
from marketdata.selectors.coverage import GARBAGE
from marketdata.selectors.tick_references import DATASET as TICKS


def rows() -> QuerySet[QuarantinedPrice]:
    """Closes and ticks nobody has decided about; garbage says nothing of the price before it."""
    held = QuarantinedPrice.objects.filter(state=QuarantineState.HELD, dataset__in=(BARS, TICKS))
    return held.exclude(reason__in=GARBAGE)


def exist() -> Exists:
    """Whether there are any at all: asked along with the prices, mostly there is no more to ask."""
    return Exists(rows())
