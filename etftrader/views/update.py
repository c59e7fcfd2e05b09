"""The panel that brings data up to date: what to ask for, how far it is, what came of it."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST

from etftrader.core.actor import TRADE, Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import UNPROCESSABLE, done, is_fragment
from etftrader.core.records import OPEN, JobRun
from etftrader.selectors import runs
from etftrader.services import updates
from etftrader.views import run_words
from etftrader.views.back import in_place
from etftrader.views.permissions import may_advance, may_operate
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment
from portfolios.views.as_of import moment_of

TEMPLATE, FORM = "etftrader/data_update.html", "etftrader/data_fetch.html"
EVERY_S = 1  # how often the panel is drawn while a run is open
MOST_ITEMS = 12
# what can be asked for by itself, by the dataset's name on the page
FETCHED = {
    "etf_prices": "daily_bars",
    "stock_prices": "daily_bars",
    "index_levels": "vix",
    "yields": "yields",
}


class UpdateForm(forms.Form):
    """What to fetch; every field may stay empty, which asks for all that is missing."""

    dataset = forms.ChoiceField(
        required=False,
        choices=[
            ("", "All that is missing"),
            ("daily_bars", "Prices"),
            ("vix", "VIX"),
            ("yields", "Treasury yields"),
        ],
    )
    symbols = forms.CharField(
        required=False,
        max_length=4000,
        help_text="Like SPY, TLT. Named symbols are asked for whatever is known of them.",
    )
    start = forms.DateField(
        required=False, label="From", widget=forms.DateInput(attrs={"type": "date"})
    )
    end = forms.DateField(
        required=False, label="To", widget=forms.DateInput(attrs={"type": "date"})
    )

    def clean_symbols(self) -> list[str]:
        """The symbols, each once. Commas, spaces and lines separate them."""
        words = self.cleaned_data["symbols"].replace(",", " ").split()
        if len(words) > updates.MOST_SYMBOLS:
            raise forms.ValidationError(f"At most {updates.MOST_SYMBOLS} symbols at once.")
        if long := next((each for each in words if len(each) > 24), None):
            raise forms.ValidationError(f"{long[:24]}… is no symbol: at most 24 characters.")
        return list(dict.fromkeys(words))

    def clean(self) -> dict[str, Any]:
        """Dates the calendar knows."""
        given = super().clean() or self.cleaned_data
        for name in ("start", "end"):
            day = given.get(name)
            if day and not calendar.FIRST <= day <= calendar.LAST:
                words = f"Dates lie between {calendar.FIRST} and {calendar.LAST}."
                self.add_error(name, words)
        return given


@login_required
@require_POST
def data_update(request: HttpRequest) -> HttpResponse:
    """Ask a live source for what the form names."""
    actor = Actor.of(request)
    form = UpdateForm(request.POST, auto_id="update_%s")
    if not sessions.is_live():
        form.add_error(None, "Bundled history goes on one whole session at a time.")
    if form.is_valid():
        wish = {name: value for name, value in form.cleaned_data.items() if value}
        try:
            updates.fetch(wish=wish, everything=_everything(actor), by=actor)
        except DomainError as error:
            attr = error.figures.get("attr")
            form.add_error(str(attr) if attr in form.fields else None, error.detail)
    if not form.is_valid():
        return _form_again(request, actor, form)
    if asked_in_place(request):
        return drawn(request, actor)
    return done(request, reverse("data"), "The data is being updated.")


def panel(actor: Actor, moment: Moment) -> dict[str, Any]:
    """What the panel shows: the newest run with its outcome; the form or the button."""
    run = runs.last_update(actor=actor)
    is_open = run is not None and run.status in OPEN
    likely = runs.estimates(of=[run]) if run is not None and is_open else {}
    live = sessions.is_live()
    return {
        "moment": moment,
        "may_fetch": live and TRADE in actor.scopes,
        "update_form": UpdateForm(auto_id="update_%s") if live else None,
        "own_only": not _everything(actor),
        "can_advance": not live and may_advance(actor) and not moment.ended,
        "next_session": None if moment.ended else moment.playing or _next(moment),
        "update_run": run_words.progress(actor, run, likely=likely.get(run.pk)) if run else None,
        "update_open": is_open,
        "update_items": _bad_items(run) if run is not None and not is_open else [],
        "update_more": max(len(run_words.failed_items(run)) - MOST_ITEMS, 0) if run else 0,
        "update_every": EVERY_S if is_open else None,
    }


def asked_in_place(request: HttpRequest) -> bool:
    """Whether the panel itself sent the form and shows the answer."""
    return in_place(request, "panel-update")


def drawn(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The panel by itself."""
    response = render(request, TEMPLATE, panel(actor, moment_of(request)))
    patch_vary_headers(response, ["HX-Request"])
    return response


def _form_again(request: HttpRequest, actor: Actor, form: UpdateForm) -> HttpResponse:
    """The form with what is wrong, in its own place; without scripts the sentence as a message."""
    if not is_fragment(request):
        first = next(iter(form.errors.values()))[0]
        messages.error(request, str(first))
        return done(request, reverse("data"))
    context = {"update_form": form, "own_only": not _everything(actor)}
    response = render(request, FORM, context, status=UNPROCESSABLE)
    response["HX-Retarget"] = "#panel-fetch"
    patch_vary_headers(response, ["HX-Request"])
    return response


def action_column(actor: Actor) -> list[dict[str, Any]]:
    """The column with a dataset's own button: operators, while a source is live."""
    if not (sessions.is_live() and _everything(actor)):
        return []
    template = "etftrader/cell_update.html"
    return [{"key": "update", "label": "", "kind": "template", "template": template}]


def dataset_of(name: str) -> str:
    """What to ask for to bring this line of the page up to date; empty for computed ones."""
    return FETCHED.get(name, "")


def _everything(actor: Actor) -> bool:
    return may_operate(actor) or actor.is_staff


def _next(moment: Moment) -> Any:
    return calendar.next(moment.session_date)


def _bad_items(run: JobRun) -> list[dict[str, str]]:
    return [
        {"item": str(each.get("item", "")), "reason": run_words.reason_of(each)}
        for each in run_words.failed_items(run)[:MOST_ITEMS]
    ]
