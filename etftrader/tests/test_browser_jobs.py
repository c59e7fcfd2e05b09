"""A run in a browser: who reads its log keeps their place when the panel is drawn anew."""

from datetime import UTC, date, datetime

import pytest
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from playwright.sync_api import expect

from etftrader.core.actor import system
from etftrader.core.records import JobRun
from etftrader.views import run_words

pytestmark = pytest.mark.browser
HOST = "http://jobs.test"
HTMX = "/django_htmx/htmx-2.min.js"
AT = datetime(2016, 6, 22, 21, tzinfo=UTC)


def panel(*lines):
    """The panel of a run that works, its newest line first."""
    run = JobRun(job="tests.talkative", status="running", as_of=date(2016, 6, 22))
    rows = [{"at": AT, "text": each, "kind": "plain", "level": "INFO"} for each in lines]
    context = {
        "run": run,
        "progress": run_words.progress(system("tests"), run),
        "events": [],
        "items": {"id": "items", "caption": "", "columns": [], "rows": [], "empty": {}},
        "log": {"rows": rows, "why": ""},
        "csrf_token": "",
    }
    return render_to_string("etftrader/job_run.html", context)


def test_the_log_keeps_the_focus_when_it_is_drawn_anew(chromium):
    page = chromium.new_context().new_page()
    answers = {
        "/": f'<!doctype html><body><script src="{HTMX}"></script>{panel("first line")}',
        "/?panel=run": panel("second line", "first line"),
    }

    def answer(route):
        path = route.request.url.removeprefix(HOST)
        if path in answers:
            route.fulfill(body=answers[path], content_type="text/html")
        else:
            route.fulfill(path=finders.find(path.lstrip("/")))

    page.route(f"{HOST}/**", answer)
    page.goto(f"{HOST}/")
    page.locator("#panel-log").get_by_role("region").focus()
    page.evaluate("htmx.trigger('#panel-run', 'refresh')")

    expect(page.locator("#panel-log tbody tr").first).to_contain_text("second line")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "region"
    page.context.close()
