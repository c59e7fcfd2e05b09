"""The risk page of a portfolio."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.pages import render_page
from marketdata.models import Instrument
from marketdata.selectors import sessions, terms, vix
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.views.as_of import keep_close, past_session, shown_moment
from risk.calculations.stop_loss import vix_regime
from risk.models import StopLossLevel
from risk.selectors import alerts as alert_rows
from risk.selectors import past_alerts, past_stops, var
from risk.selectors import stop_loss as stops
from risk.views import blocks, feeds
from risk.views.words import words

PANELS = {
    name: f"risk/risk_{name}.html" for name in ("figures", "limits", "parts", "stops", "alerts")
}
COUNTED = ("order", "fill")  # contexts of verdicts that counted


class RiskPage(LoginRequiredMixin, View):
    """GET /portfolios/<id>/risk/: how much can be lost, where it sits, what stands against it."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """The newest figures, live while a session plays."""
        actor = Actor.of(request)
        portfolio, allowed = access.portfolio_with_actions(actor, portfolio_id)
        past = past_session(request)
        moment = shown_moment(request)
        if past is None:
            found = var.current(portfolio_id=portfolio.pk, moment=moment)
            levels = stops.levels(portfolio_id=portfolio.pk)
        else:
            found, levels = var.at(portfolio_id=portfolio.pk, session_date=past), []
        if found.snapshot and found.snapshot.session_date == moment.session_date:
            keep_close(request, found.snapshot)  # the frame around the page shows it too
        trailed = _trailed(portfolio, found, past) if past else []
        regime = _regime(portfolio, moment, levels)
        acts = allowed if past is None else frozenset()
        checks = alert_rows.checks(portfolio_id=portfolio.pk, contexts=COUNTED, session=past)
        alerts = (
            alert_rows.of_portfolio(portfolio_id=portfolio.pk)
            if past is None
            else past_alerts.of_portfolio(portfolio_id=portfolio.pk, at=moment.as_of)
        )
        url = reverse("risk", kwargs={"portfolio_id": portfolio.pk})
        held = [each["symbol"] for each in found.record.risk["components"]] if found.record else []
        named = {each.symbol: each.name for each in trailed} | dict(found.names)
        named |= {each.instrument.symbol: each.instrument.name for each in levels}
        rows = blocks.limits(found.record)
        context = {
            "portfolio": portfolio,
            "tab": "risk",
            "found": found,
            "banner": _banner(found, moment, past=past),
            "kpis": blocks.kpis(found, regime),
            "chart": blocks.chart(found, moment, checks),
            "limits": rows,
            "limits_sub": _standing(rows),
            "may_limit": past is None and Action.LIMIT in acts,
            "is_now": past is None,
            "parts": blocks.parts_table(found.record, _names(actor, held, named), portfolio.pk),
            "stops": feeds.stops_table(levels) if past is None else feeds.past_stops_table(trailed),
            "feed": feeds.feed(
                alerts,
                checks,
                may_note=Action.NOTE in acts,
                next_url=url,
            ),
            "method": blocks.method(found, moment),
        }
        return render_page(request, "risk/risk.html", context, panels=PANELS)


def _regime(
    portfolio: Portfolio, moment: sessions.Moment, levels: Sequence[StopLossLevel]
) -> blocks.StopMood:
    """The stop distance in force: as the stops know it, else as the VIX of the close says."""
    known = next((each for each in levels if each.session_date == moment.session_date), None)
    if known is not None:
        return blocks.StopMood(known.regime, known.stop_fraction, known.vix)
    rule = stops.rule(portfolio_id=portfolio.pk)
    level = vix.level(session_date=moment.session_date).level
    mood = vix_regime(level, rule.mode)
    return blocks.StopMood(mood.name, mood.distance if rule.enabled else None, level)


def _trailed(portfolio: Portfolio, found: var.Current, day: date) -> list[past_stops.PastStop]:
    """The stops of a past close: of the lines its run measured, else of the last ones before it."""
    if found.snapshot is None:
        return past_stops.stops(portfolios=[portfolio], day=day)
    return past_stops.of_lines(books={portfolio.pk: portfolio}, held=found.lines, day=day)


def _names(actor: Actor, symbols: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """Names of what is held; most of them came with the figures or the stops."""
    names = dict(known)
    missing = [each for each in symbols if each not in names]
    if missing:
        found = Instrument.objects.for_actor(actor).filter(symbol__in=missing)
        for each in found.select_related("option__underlying"):
            names[each.symbol] = terms.words_of(each) or each.name
    return names


def _standing(rows: list[dict]) -> str:
    states = [each["state"] for each in rows]
    missing = states.count("missing")
    text = f"{states.count('watch')} on watch, {states.count('breach')} breached"
    return f"{text}, {missing} not measured" if missing else text


def _banner(
    found: var.Current, moment: sessions.Moment, *, past: date | None
) -> dict[str, str] | None:
    """What a reader must know before believing the figures; None when all is well."""
    record = found.record
    if record is None and past is not None:
        return {
            "level": "info",
            "title": "No risk of that close.",
            "text": "The book was not measured at it.",
        }
    if record is None:
        return {
            "level": "info",
            "title": "No risk yet.",
            "text": "The first figures come with the close of the next session.",
        }
    if record.risk["reason"]:
        why = words(record.risk["reason"])
        return {"level": "bad", "title": "There is no VaR.", "text": f"The reason: {why}."}
    if moment.simulated and not found.is_live:
        return {
            "level": "watch",
            "title": "Live figures are away.",
            "text": f"These are of the close of {record.session_date:%d %b %Y}.",
        }
    if record.session_date < moment.session_date:
        return {
            "level": "watch",
            "title": "Not of the last session.",
            "text": f"These figures are of the close of {record.session_date:%d %b %Y}.",
        }
    if record.risk["quality"] == "stale":
        return {
            "level": "watch",
            "title": "The covariance is older than the prices.",
            "text": "The last good one is used until the next is computed.",
        }
    left_out = [each["symbol"] for each in found.metric.excluded] if found.metric else []
    if left_out:
        return {
            "level": "info",
            "title": "Part of the book is not measured.",
            "text": f"Left out: {', '.join(left_out)}. "
            f"{record.risk['coverage'] or 0.0:.1%} of the exposure is covered.",
        }
    return None
