"""The book: every position with its price, gain and risk; filtered, grouped, as a file."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from etftrader.core.actor import Actor
from etftrader.core.pages import render_page
from etftrader.core.table_files import at_most, wanted
from etftrader.selectors import overview as worths
from etftrader.selectors import positions as selector
from etftrader.selectors.positions import Row
from etftrader.views import position_tables
from portfolios.constants import Action
from portfolios.models import SavedView
from portfolios.selectors import access, groups, saved_views, tags
from portfolios.selectors.position_filters import VIEW_PARAMETERS
from portfolios.views.as_of import keep_close, moment_of, past_session

PANELS = {"positions": "etftrader/positions_table.html"}
KEPT = (*VIEW_PARAMETERS, "view", "as_of", "page", "size")


@login_required
def positions(request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
    """What exactly do I hold and how is each doing?"""
    actor = Actor.of(request)
    portfolio, acts = access.portfolio_with_actions(actor, portfolio_id)
    moment = moment_of(request)
    asked = past_session(request)
    found = worths.worth(portfolio=portfolio, moment=moment, as_of=asked)
    record = None
    if found is not None and found.snapshot is not None:
        if asked is not None or found.snapshot.session_date == moment.session_date:
            keep_close(request, found.snapshot)  # the frame around the page shows it too
    if asked is None:
        record = worths.live_risk(portfolio_id=portfolio.pk, moment=moment)
    every: list[Row] = []
    if found is not None:
        shares = worths.var_shares(
            portfolio_id=portfolio.pk,
            until=min(found.session_date, moment.session_date),
            record=record,
        )
        every = selector.rows(held=groups.held([found]), shares=shares)
    views = list(saved_views.of_actor(actor=actor))
    query = _query(request, views)
    wish = selector.wish_of(query)
    shown = _ticked(request, selector.chosen(every, wish))
    nav = found.nav if found is not None else groups.ZERO
    grouped = selector.grouped(shown, wish.group, nav)
    may_tag = asked is None and Action.NOTE in acts
    optional = any(row.contract for row in every)
    kept, edit = urlencode(query), _editing(request, may_tag=may_tag)
    context = {
        "portfolio": portfolio,
        "tab": "positions",
        "moment": moment,
        "asked": asked,
        "is_now": asked is None,
        "refresh": "" if asked else "order.filled",
        "found": found,
        "foreign": any(row.rate is not None for row in every),
        "table": position_tables.table(
            portfolio,
            grouped,
            wish,
            total=selector.whole(shown, nav) if shown else None,
            of=len(every),
            now=asked is None,
            aging=record is not None,
            query=query,
            number=query.get("page", ""),
            size=at_most(request, _size(query)),
            editing=edit[0],
            may_tag=may_tag,
            may_trade=asked is None and Action.TRADE in acts,
        ),
        "fields": position_tables.fields(every, wish),
        "chips": position_tables.chips(wish, query),
        "mode": wish.filter.tag_mode if len(wish.filter.tags) > 1 else "",
        "columns": position_tables.column_choices(wish, optional=optional),
        "kept": {name: value for name, value in query.items() if name not in ("columns", "page")},
        "edit": edit,
        "overlap": wish.group in groups.OVERLAPPING and bool(shown),
        "may_tag": may_tag and bool(shown),
        "offered": sorted({mark.word for row in every for mark in _marks(row)}),
        "views": [_view(each, query) for each in views],
        "view": next((each for each in views if str(each.pk) == query.get("view")), None),
        "clear_url": "?view=",
        "query": kept,
        "count": len(shown),
        "of": len(every),
    }
    return render_page(request, "etftrader/positions.html", context, panels=PANELS)


def _ticked(request: HttpRequest, rows: list[Row]) -> list[Row]:
    """Of a file only the rows that were ticked, where any was."""
    ticked = set(request.GET.getlist("position")) if wanted(request) else set()
    return [row for row in rows if str(row.position_id) in ticked] if ticked else rows


def _query(request: HttpRequest, views: Sequence[SavedView]) -> dict[str, str]:
    """The parameters that count: those of the address; without any those of the default view."""
    told = {name: ",".join(request.GET.getlist(name)) for name in KEPT if request.GET.getlist(name)}
    if not set(told) - {"as_of"}:
        default = next((each for each in views if each.is_default), None)
        if default is not None:
            told |= {**default.query, "view": str(default.pk)}
    return {name: value for name, value in told.items() if value or name == "view"}


def _editing(request: HttpRequest, *, may_tag: bool) -> tuple[str, int | None]:
    """Whose tags are a form, and the version it was thought out on."""
    key = request.GET.get("edit", "") if may_tag else ""
    return key, tags.version_of(position_id=key) if key else None


def _size(query: Mapping[str, str]) -> int:
    text = query.get("size", "")
    return int(text) if text in {str(each) for each in selector.PAGE_SIZES} else selector.MOST_ROWS


def _marks(row: Row) -> tuple[Any, ...]:
    return (*row.held.mark.tags, *row.held.mark.strategies)


def _view(each: SavedView, query: Mapping[str, str]) -> dict[str, Any]:
    past = {"as_of": query["as_of"]} if "as_of" in query else {}
    return {
        "name": each.name,
        "url": f"?{urlencode({**each.query, 'view': str(each.pk), **past})}",
        "current": str(each.pk) == query.get("view"),
        "is_default": each.is_default,
    }
