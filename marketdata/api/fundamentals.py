"""What sources say of a fund or a company, and the wish to ask them again."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.response import Response

from etftrader.core import jobs
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.api.instruments import BY_SYMBOL, named
from marketdata.models import Fundamental, Instrument
from marketdata.selectors import fundamentals, sessions
from marketdata.services.fundamentals import JOB

MOST_DAYS = 60


class Nothing(StrictSerializer):
    """A body without fields."""


@operation(
    get=Op("signed_in", summary="Fund and company data of an instrument", query=as_of.AS_OF),
    post=Op("operator:trade", summary="Ask the sources about an instrument again", limit="jobs"),
)
class Fundamentals(ApiView):
    """GET, POST /instruments/{symbol}/fundamentals."""

    path_words = BY_SYMBOL

    @extend_schema(responses={200: dict})
    def get(self, request: Any, symbol: str) -> Response:
        """The newest figures up to the session asked for; null with a reason where none is."""
        instrument = named(symbol, self)
        until = as_of.asked(request).until
        row = fundamentals.latest(instrument=instrument, until=until)
        days = fundamentals.history(instrument=instrument, until=until)[:MOST_DAYS]
        return Response(
            document(instrument, row)
            | {"days": [{"as_of": each.as_of, "source": each.source} for each in days]}
        )

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any, symbol: str) -> Response:
        """202 with the job; its one item says what came of it."""
        instrument = named(symbol, self)
        self.checked(Nothing)

        def effect() -> Response:
            run = jobs.request(
                JOB,
                as_of=sessions.latest(),
                inputs={"symbols": [instrument.symbol]},
                requested_by=self.actor.user_id,
                request_id=self.actor.request_id,
            )
            return accepted(run)

        return once(request, effect)


def document(instrument: Instrument, row: Fundamental | None) -> dict[str, Any]:
    """Figures of a day: fractions a year, multiples, dollars as text, years of duration."""
    why = fundamentals.NOT_STATED if row else fundamentals.why_none()
    figures = {name: getattr(row, name, None) for name in fundamentals.FIGURES}
    words = {"category": row.category if row else "", "sector": instrument.sector}
    told = {name: value or None for name, value in words.items()}
    parts = {
        "sector_weights": row.sector_weights if row else {},
        "top_holdings": row.top_holdings if row else [],
    }
    missing = [name for name, value in (figures | told).items() if value is None]
    missing += [name for name, value in parts.items() if not value]
    return {
        "instrument": str(instrument.pk),
        "symbol": instrument.symbol,
        "name": instrument.name,
        "currency": instrument.currency,
        "as_of": row.as_of if row else None,
        "source": row.source if row else None,
        **figures,
        "aum": plain(figures["aum"]),
        **told,
        **parts,
        "reasons": dict.fromkeys(sorted(missing), why),
    }
