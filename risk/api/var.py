"""Risk of one portfolio: summary, VaR per method, parts per position, verdicts."""

from datetime import date
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotEnoughData
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk.constants import EWMA_LAMBDA, HORIZON_DAYS, VAR_CONFIDENCE
from risk.live import dollars, utc
from risk.models import PreTradeCheck, RiskMetric
from risk.selectors import var


class Answer(serializers.Serializer):
    """The outer shape of every computed result."""

    portfolio = serializers.CharField()
    as_of = serializers.CharField()
    currency = serializers.CharField()
    data = serializers.DictField()  # type: ignore[assignment]  # a field of that name
    meta = serializers.DictField()


class CheckSerializer(serializers.ModelSerializer):
    """One verdict with its document."""

    class Meta:
        model = PreTradeCheck
        fields = (
            "id",
            "portfolio",
            "context",
            "status",
            "reasons",
            "warnings",
            "symbol",
            "side",
            "quantity",
            "data_version",
            "as_of",
            "latency_ms",
            "created_at",
            "document",
        )


@operation(
    get=Op("portfolio:view", summary="Risk now or at a close", query=as_of.AS_OF, refuses=(422,))
)
class Risk(ApiView):
    """GET /portfolios/{portfolio_id}/risk: VaR, ES, limits, parts; live while a session plays."""

    serializer_class = Answer

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """The newest figures, or those of `as_of`."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        asked = as_of.asked(request).session
        moment = as_of.asked(request).now if asked is None else sessions.at_close(asked)
        if asked is not None:
            metric = run_of(portfolio, asked)
            limits = var.limit_rows.in_force(portfolio_id=portfolio.pk, as_of=moment.as_of)
            record = var.of_metric(metric, limits)
            return Response(answer(portfolio, dict(record.risk), record.limits, metric))
        found = var.current(portfolio_id=portfolio.pk, moment=moment)
        if found.record is None:
            raise NotEnoughData("No risk has been computed for this portfolio yet.")
        record = found.record
        return Response(
            answer(portfolio, dict(record.risk), record.limits, found.metric, live=found.is_live)
        )


@operation(
    get=Op("portfolio:view", summary="VaR per method at a close", query=as_of.AS_OF, refuses=(422,))
)
class Var(ApiView):
    """GET /portfolios/{portfolio_id}/risk/var: every method of the run."""

    serializer_class = Answer

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """One entry per method."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        metric = run_of(portfolio, as_of.asked(request).session)
        equity = float(metric.equity)
        data = {
            "equity": plain(metric.equity),
            "results": [
                {
                    "method": each.method,
                    "family": each.family,
                    "confidence": each.confidence,
                    "horizon_days": each.horizon_days,
                    "var": dollars(each.var),
                    "expected_shortfall": dollars(each.expected_shortfall),
                    "var_of_nav": share(each.var, equity),
                    "reason": each.reason or None,
                }
                for each in var.results(metric).values()
            ],
        }
        return Response(answer(portfolio, data, None, metric))


@operation(
    get=Op(
        "portfolio:view", summary="Parts of the VaR per position", query=as_of.AS_OF, refuses=(422,)
    )
)
class Components(ApiView):
    """GET /portfolios/{portfolio_id}/risk/components: they sum to the parametric VaR."""

    serializer_class = Answer

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """One entry per position, those left out with their reason."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        metric = run_of(portfolio, as_of.asked(request).session)
        equity = float(metric.equity)
        held = var.parts(metric)
        rows = [
            {
                "symbol": each.instrument.symbol,
                "name": each.instrument.name,
                "exposure": dollars(each.exposure),
                "delta_exposure": dollars(each.delta_exposure),
                "weight": share(each.exposure, equity),
                "marginal": each.marginal,
                "component": dollars(each.component),
                "share": each.share,
                "isolated": dollars(each.isolated),
                "reason": each.reason or None,
            }
            for each in held
        ]
        known = [each.component for each in held if each.component is not None]
        total = None if held and not known else sum(known)
        data = {"components": rows, "total": dollars(total)}
        return Response(answer(portfolio, data, None, metric))


@operation(
    get=Op("portfolio:view", summary="Verdicts of pre-trade checks", lists=True, query=as_of.AS_OF)
)
class PreTradeChecks(ApiView):
    """GET /portfolios/{portfolio_id}/pre-trade-checks: every verdict, kept."""

    serializer_class = CheckSerializer
    filterset_fields = ("id", "status", "symbol", "context")
    ordering_fields = ("created_at",)
    ordering = ("-created_at",)

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rows = PreTradeCheck.objects.for_actor(self.actor).filter(portfolio=portfolio)
        close = as_of.asked(request).close
        if close is not None:
            rows = rows.filter(as_of__lte=close)
        return self.listing(rows, CheckSerializer)


def run_of(portfolio: Portfolio, day: date | None) -> RiskMetric:
    """The run of a close, or the newest. Raises NotEnoughData."""
    until = day or sessions.latest()
    metric = var.latest(portfolio_id=portfolio.pk, until=until, session_date=day)
    if metric is None:
        raise NotEnoughData("No risk was computed for that close.")
    return metric


def share(amount: float | None, equity: float) -> float | None:
    """An amount as a share of equity; None without one of the two."""
    return amount / equity if amount is not None and equity > 0 else None


def answer(
    portfolio: Portfolio,
    data: dict[str, Any],
    limits: list[dict[str, Any]] | None,
    metric: RiskMetric | None,
    *,
    live: bool = False,
) -> dict[str, Any]:
    """The common shape, so that provenance is never lost."""
    at = data.pop("as_of", None) or (utc(metric.as_of) if metric else None)
    if limits is not None:
        data["limits"] = limits
    return {
        "portfolio": str(portfolio.pk),
        "as_of": at,
        "currency": portfolio.base_currency,
        "data": data,
        "meta": {
            "method": data.pop("method", "parametric_ewma"),
            "confidence": VAR_CONFIDENCE,
            "horizon_days": HORIZON_DAYS,
            "decay": EWMA_LAMBDA,
            "live": live,
            "simulated": bool(data.get("simulated", False)),
            "quality": data.get("quality") or (metric.quality if metric else None),
            "coverage": data.get("coverage", metric.coverage if metric else None),
            "computed_at": utc(metric.computed_at) if metric else None,
            "run_id": str(metric.pk) if metric else None,
            "covariance": str(metric.covariance_id) if metric and metric.covariance_id else None,
            "inputs_hash": metric.inputs_hash if metric else None,
            "reason": (metric.reason or None) if metric else None,
            "warnings": metric.warnings if metric else [],
            "excluded": metric.excluded if metric else [],
        },
    }
