"""A store that is away or full, as a person with a browser sees it."""

import errno

import pytest
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory

from etftrader.middleware import DomainErrorMiddleware


def shown(error, address="/portfolios/"):
    middleware = DomainErrorMiddleware(lambda request: HttpResponse())
    return middleware.process_exception(RequestFactory().get(address), error)


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (OperationalError("canceling statement due to lock timeout"), 503, b"Try again"),
        (OperationalError("database or disk is full"), 507, b"no room"),
        (OSError(errno.ENOSPC, "No space left on device"), 507, b"no room"),
    ],
)
def test_a_page_says_what_is_away_and_when_to_come_again(error, status, says):
    page = shown(error)

    assert page.status_code == status
    assert says in page.content
    assert b"Nothing was half written" in page.content
    assert int(page["Retry-After"]) > 0
    assert str(error).encode() not in page.content


def test_any_other_fault_stays_one():
    assert shown(ValueError("a mistake of ours")) is None
    assert shown(OperationalError("away"), "/api/v1/portfolios") is None
