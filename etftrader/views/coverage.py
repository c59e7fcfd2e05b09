"""Coverage by session, what one session lacks and why, and how the sources do."""

from datetime import date
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from etftrader.core.actor import Actor
from etftrader.selectors import datasets, runs
from marketdata.selectors import coverage_days, provider_states
from marketdata.selectors.coverage_days import Strip
from marketdata.selectors.provider_states import ProviderState
from marketdata.selectors.sessions import Moment

KINDS = {"ok": "ok", "degraded": "watch", "not_asked": "plain"}
SERVES = {
    "daily_bars": "prices",
    "vix": "VIX",
    "yields": "yields",
    "actions": "splits and dividends",
    "fund_data": "fund data",
    "option_chains": "option chains",
}


def panel(request: HttpRequest, actor: Actor, moment: Moment) -> dict[str, Any]:
    """The strips of the last sessions, and the items that one chosen session lacks."""
    sessions = coverage_days.days(until=moment.session_date)
    strips = datasets.strips(actor=actor, sessions=sessions)
    chosen = _day(request.GET.get("day", ""), sessions)
    lacking = []
    if chosen is not None:
        place = sessions.index(chosen)
        lacking = datasets.lacking(actor=actor, day=chosen, of=strips, place=place)
    return {
        "strips": _chart(strips, sessions, chosen),
        "chosen": chosen,
        "lacking": _lacking(lacking, chosen),
        "coverage_query": f"day={chosen}" if chosen else "",
    }


def sources(moment: Moment) -> dict[str, Any]:
    """The providers in the order they are asked, and the second opinion on Greeks."""
    opinion = runs.second_opinion(until=moment.session_date)
    return {
        "providers": {
            "id": "providers",
            "caption": "Sources of data in the order they are asked",
            "columns": [
                {"key": "name", "label": "Source", "sub": "serves"},
                {"key": "state", "label": "State", "kind": "tag"},
                {"key": "words", "label": "How it does", "css": "wrap"},
                {"key": "answered", "label": "Last questions", "priority": "p2"},
                {"key": "rate", "label": "Plan", "css": "wrap", "priority": "p3"},
                {"key": "until", "label": "Rests until", "kind": "moment", "priority": "p2"},
            ],
            "rows": [_provider(each) for each in provider_states.states()],
        },
        "opinion": {"session": opinion[0], **opinion[1]} if opinion else None,
    }


def _day(text: str, sessions: list[date]) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if found in sessions else None


def _chart(strips: list[Strip], sessions: list[date], chosen: date | None) -> dict[str, Any]:
    gaps = [
        [strip.label for strip in strips if strip.there[place] < strip.due[place]]
        for place in range(len(sessions))
    ]
    thin = sum(bool(each) for each in gaps)
    span = f"{sessions[0]:%-d %b %Y} to {sessions[-1]:%-d %b %Y}"
    return {
        "id": "coverage",
        "title": f"Coverage by session, {span}",
        "conclusion": f"{thin} of {len(sessions)} sessions lack something."
        if thin
        else f"All {len(sessions)} sessions are whole.",
        "columns": sessions,
        "rows": [{"label": strip.label, "values": strip.shares} for strip in strips],
        "links": [
            {
                "place": place,
                "url": f"{reverse('data')}?show=coverage&day={day}",
                "fragment": f"{reverse('data')}?panel=coverage&day={day}",
                "label": f"{day:%a %-d %b %Y}: {', '.join(lacks)} not whole",
                "chosen": day == chosen,
            }
            for place, (day, lacks) in enumerate(zip(sessions, gaps, strict=True))
            if lacks
        ],
    }


def _lacking(found: list[datasets.Lack], day: date | None) -> dict[str, Any] | None:
    if day is None:
        return None
    return {
        "id": "lacking",
        "caption": f"What session {day:%a %-d %b %Y} lacks",
        "tools": len(found) > 20,
        "columns": [
            {"key": "dataset", "label": "Dataset"},
            {"key": "item", "label": "Missing"},
            {"key": "reason", "label": "Why", "css": "wrap", "link": "doubt"},
        ],
        "rows": [
            {
                "dataset": each.label,
                "item": each.item,
                "reason": each.reason,
                "doubt": reverse("doubt", args=[each.doubt_id]) if each.doubt_id else "",
            }
            for each in found
        ],
        "empty": {"text": "That session is whole."},
    }


def _provider(each: ProviderState) -> dict[str, Any]:
    return {
        "id": each.provider,
        "name": each.provider,
        "serves": ", ".join(SERVES.get(name, name) for name in each.serves),
        "state": {
            "text": "resting" if each.rests_until else each.state,
            "kind": "bad" if each.rests_until else KINDS.get(each.state, "plain"),
        },
        "words": each.words[:1].upper() + each.words[1:],
        "answered": f"{each.answered} of {each.asked} answered" if each.asked else " ",
        "rate": each.rate[:1].upper() + each.rate[1:],
        "until": each.rests_until,
        "until_reason": "it is not left alone",
    }
