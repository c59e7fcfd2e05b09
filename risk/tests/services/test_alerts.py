"""Alerts are raised once, acknowledged by people, resolved by facts."""

import threading
from datetime import UTC, date, datetime

import pytest
from django.db import connections

from etftrader.core.actor import Actor
from etftrader.core.audit import SITE
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.records import AuditEvent, OutboxEvent
from risk.models import Alert
from risk.selectors import alerts as rows
from risk.services import alerts
from risk.tests import factories

NOON = datetime(2016, 6, 24, 16, tzinfo=UTC)


def raised(portfolio, **given):
    facts = {
        "kind": "limit", "key": "limit:var", "severity": "warning", "title": "VaR is close",
        "detail": "85 % of the limit.", "measured": 0.0128, "threshold": 0.015, "unit": "fraction",
        "as_of": NOON, "session_date": date(2016, 6, 24),
    }  # fmt: skip
    return alerts.raise_once(portfolio_id=portfolio.pk, **(facts | given))


@pytest.mark.django_db
def test_a_lasting_condition_is_one_row_that_counts():
    portfolio = factories.make_portfolio()
    first = raised(portfolio)

    again = raised(portfolio, measured=0.0131)

    assert again.pk == first.pk
    assert (again.count, again.measured) == (2, 0.0131)
    assert again.number > first.number
    assert OutboxEvent.objects.filter(name="risk.alert_raised").count() == 1


@pytest.mark.django_db
def test_what_gets_worse_asks_again():
    portfolio = factories.make_portfolio()
    first = raised(portfolio)
    alerts.acknowledge(alert_id=first.pk, by=factories.HOUSE)

    worse = raised(portfolio, severity="critical")

    assert (worse.pk, worse.state, worse.severity) == (first.pk, "open", "critical")
    assert OutboxEvent.objects.filter(name="risk.alert_raised").count() == 2


@pytest.mark.django_db
def test_a_mere_repetition_leaves_an_acknowledgement_alone():
    portfolio = factories.make_portfolio()
    first = raised(portfolio)
    alerts.acknowledge(alert_id=first.pk, note="seen", by=factories.HOUSE)

    assert raised(portfolio).state == "acknowledged"


@pytest.mark.django_db
def test_a_resolved_condition_may_come_back_as_a_new_row():
    portfolio = factories.make_portfolio()
    first = raised(portfolio)
    alerts.resolve(portfolio_id=portfolio.pk, key="limit:var", as_of=NOON)

    second = raised(portfolio)

    first.refresh_from_db()
    assert (first.state, first.resolved_at) == ("resolved", NOON)
    assert second.pk != first.pk
    assert alerts.resolve(portfolio_id=portfolio.pk, key="unheard", as_of=NOON) is None


@pytest.mark.django_db
def test_acknowledging_twice_keeps_the_first_person_and_note():
    portfolio = factories.make_portfolio()
    alert = raised(portfolio)
    owner, other = factories.make_user("a@example.com"), factories.make_user("b@example.com")
    alerts.acknowledge(alert_id=alert.pk, note="on it", by=Actor.of_user(owner))

    again = alerts.acknowledge(alert_id=alert.pk, note="me too", by=Actor.of_user(other))

    assert (again.acknowledged_by, again.note) == (owner.pk, "on it")
    assert AuditEvent.objects.filter(action="alert.acknowledge").count() == 1


@pytest.mark.django_db
def test_an_unknown_alert_cannot_be_acknowledged():
    with pytest.raises(NotFound):
        alerts.acknowledge(alert_id=factories.make_user().pk, by=factories.HOUSE)


@pytest.mark.django_db(transaction=True)
def test_sixteen_threads_raise_one_alert():
    portfolio = factories.make_portfolio()
    start, failures = threading.Barrier(16), []

    def raise_it():
        start.wait(10)
        try:
            raised(portfolio)
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=raise_it) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failures == []
    alert = Alert.objects.get(portfolio=portfolio, key="limit:var")
    assert alert.count == 16
    assert OutboxEvent.objects.filter(name="risk.alert_raised").count() == 1


def house(**given):
    facts = {
        "portfolio_id": None, "kind": "data", "key": "run:prices", "severity": "warning",
        "title": "Prices failed", "detail": "", "as_of": NOON, "session_date": date(2016, 6, 24),
    }  # fmt: skip
    return alerts.raise_once(**(facts | given))


@pytest.mark.django_db
def test_an_alert_of_the_house_is_for_staff_alone():
    owner = factories.make_user()
    factories.make_portfolio(owner=owner)
    first = house()

    again = house()

    assert (again.pk, again.count, again.portfolio) == (first.pk, 2, None)
    assert again.number > first.number
    member = Actor.of_user(owner)
    staff = Actor(owner.pk, "ops", is_staff=True, groups=frozenset({"Operator"}))
    reader = Actor(owner.pk, "look", is_staff=True, groups=frozenset({"Viewer"}))
    assert list(rows.visible(member)) == []
    assert [each.pk for each in rows.visible(staff)] == [first.pk]
    rows.check_acknowledge(staff, again)
    with pytest.raises(NotAllowed):
        rows.check_acknowledge(reader, again)
    seen = alerts.acknowledge(alert_id=again.pk, by=staff)
    assert seen.state == "acknowledged"
    assert AuditEvent.objects.get(action="alert.acknowledge").chain == SITE
    assert alerts.resolve(portfolio_id=None, key="run:prices", as_of=NOON).state == "resolved"
    assert house().pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_eight_threads_raise_one_alert_of_the_house():
    start, failures = threading.Barrier(8), []

    def raise_it():
        try:
            start.wait(10)
            house()
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=raise_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert failures == []
    assert Alert.objects.get(portfolio__isnull=True).count == 8
