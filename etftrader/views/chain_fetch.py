"""The panel that fetches an option chain: its button, how far the job is, what came of it."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST

from etftrader.core.actor import TRADE, Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import done
from etftrader.core.records import OPEN, JobRun
from etftrader.selectors import quote as selector
from etftrader.selectors import runs
from etftrader.services import updates
from etftrader.views import quote_acts as acts
from etftrader.views import run_words
from etftrader.views.back import in_place
from etftrader.views.permissions import may_operate
from marketdata.models import Instrument
from marketdata.selectors import instruments, option_chain, sessions
from marketdata.selectors.sessions import Moment
from portfolios.views.as_of import moment_of

TEMPLATE = "etftrader/quote_fetch.html"
EVERY_S = 1  # how often the panel is drawn while a run is open
WATCH_IT = "Chains are fetched for what you hold or watch: put it on a watchlist first."


@login_required
@require_POST
def fetch(request: HttpRequest, symbol: str) -> HttpResponse:
    """Ask for the chain of an underlying; a worker fetches it."""
    actor = Actor.of(request)
    try:
        underlying = selector.find(symbol, actor)
    except instruments.UnknownSymbol as unknown:
        return acts.unknown_symbol(request, symbol, unknown)
    refused = ""
    try:
        updates.fetch_chain(underlying=underlying, everything=_everything(actor), by=actor)
    except DomainError as error:
        refused = error.detail
    if in_place(request, "panel-fetch"):
        context = panel(actor, underlying, moment_of(request)) | {"fetch_refused": refused}
        response = render(request, TEMPLATE, context | {"instrument": underlying})
        patch_vary_headers(response, ["HX-Request"])
        return response
    if refused:
        messages.error(request, refused)
        return done(request, reverse("quote_options", args=[underlying.symbol]))
    words = f"The option chain of {underlying.symbol} is being fetched."
    return done(request, reverse("quote_options", args=[underlying.symbol]), words)


NONE: dict[str, Any] = {"fetch_shown": False}  # as at a past close: nothing is fetched for it


def panel(actor: Actor, underlying: Instrument, moment: Moment) -> dict[str, Any]:
    """What the panel shows; nothing on bundled history and where no chain can be."""
    if not sessions.is_live() or updates.why_no_chain(underlying):
        return NONE
    run = runs.last_chain(symbol=underlying.symbol)
    is_open = run is not None and run.status in OPEN
    old = option_chain.is_old(underlying=underlying, moment=moment)
    may = TRADE in actor.scopes and (_everything(actor) or updates.follows(actor, underlying))
    told = run is not None and (is_open or run.as_of == moment.session_date)
    return {
        "fetch_shown": is_open or old or told,
        "fetch_may": may and old and not is_open,
        "fetch_why_not": "" if may else WATCH_IT,
        "fetch_run": _progress(actor, run) if run is not None and told else None,
        "fetch_words": _said(run) if run is not None and told and not is_open else [],
        "fetch_every": EVERY_S if is_open else None,
    }


def _everything(actor: Actor) -> bool:
    return may_operate(actor) or actor.is_staff


def _progress(actor: Actor, run: JobRun) -> dict[str, Any]:
    """The run in words; its own page only for who may open that."""
    shown = run_words.progress(actor, run)
    mine = actor.reads_all or run.requested_by == actor.user_id
    return shown if mine else shown | {"url": ""}


def _said(run: JobRun) -> list[str]:
    """What came of it, item by item."""
    return [said for each in run.items if (said := run_words.reason_of(each))]
