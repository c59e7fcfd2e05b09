"""One address, two renderings; refusals keep the form and answer 422."""

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import Http404
from django.test import RequestFactory

from etftrader.core import pages
from etftrader.core.errors import LimitBreached

PAGE, PANEL = "404.html", "ui/empty.html"
HTMX = {"HX-Request": "true"}


class Ticket(forms.Form):
    quantity = forms.IntegerField()


def request_for(path, **headers):
    request = RequestFactory().get(path, headers=headers)
    request.user = AnonymousUser()
    request._messages = CookieStorage(request)
    return request


def answer(path, **headers):
    panels = {"orders": PANEL}
    return pages.render_page(
        request_for(path, **headers), PAGE, {"text": "No orders."}, panels=panels
    )


def test_a_browser_gets_the_page_also_when_a_panel_is_named():
    assert b"<!doctype html>" in answer("/orders/").content
    assert b"<!doctype html>" in answer("/orders/?panel=orders").content


def test_htmx_gets_the_panel_it_names():
    response = answer("/orders/?panel=orders", **HTMX)

    assert b"<!doctype html>" not in response.content
    assert b"No orders." in response.content


def test_htmx_without_a_panel_and_a_restored_history_get_the_page():
    assert b"<!doctype html>" in answer("/orders/", **HTMX).content
    restored = answer("/orders/?panel=orders", **HTMX, **{"HX-History-Restore-Request": "true"})
    assert b"<!doctype html>" in restored.content


def test_an_unknown_panel_is_not_found():
    with pytest.raises(Http404):
        answer("/orders/?panel=secrets", **HTMX)


def test_caches_keep_the_two_renderings_apart():
    assert "HX-Request" in answer("/orders/")["Vary"]
    assert "HX-Request" in answer("/orders/?panel=orders", **HTMX)["Vary"]


def test_a_refusal_goes_on_the_form_and_keeps_what_was_typed():
    form = Ticket({"quantity": "7"})
    error = LimitBreached("Cash 99.00 does not cover 100.00.", reason="INSUFFICIENT_CASH")

    response = pages.render_refusal(request_for("/"), PAGE, {"form": form}, error, form=form)

    assert response.status_code == 422
    assert form.non_field_errors() == ["Cash 99.00 does not cover 100.00."]
    assert form["quantity"].value() == "7"


def test_a_refusal_without_a_form_is_a_message():
    request = request_for("/")

    response = pages.render_refusal(request, PAGE, {}, LimitBreached("No."))

    assert response.status_code == 422
    assert [str(message) for message in request._messages] == ["No."]


def test_after_a_write_the_browser_is_sent_on():
    plain = pages.done(request_for("/"), "/orders/", "Order filled.")
    htmx = pages.done(request_for("/", **HTMX), "/orders/")

    assert (plain.status_code, plain["Location"]) == (303, "/orders/")
    assert (htmx.status_code, htmx["HX-Redirect"]) == (200, "/orders/")
