"""The pages of risk: who sees what, what they show, how many queries they need."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from etftrader.testing.rows import module_rows
from portfolios.models import Membership, Portfolio
from portfolios.services import portfolios as portfolio_service
from risk.models import Alert, RiskLimit
from risk.services import alerts
from risk.tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.urls("risk.tests.urls")]

DAY = factories.START


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield factories.make_measured(DAY).pk


@pytest.fixture
def stage(staged, client):
    portfolio = Portfolio.objects.get(pk=staged)
    client.force_login(portfolio.account.customer.user)
    return portfolio


def raised(portfolio):
    return alerts.raise_once(
        portfolio_id=portfolio.pk, kind="limit", key="limit:var", severity="critical",
        title="VaR is above its limit", detail="d", as_of=factories.closing().as_of,
        session_date=DAY,
    )  # fmt: skip


def address(portfolio, tail=""):
    return f"/portfolios/{portfolio.pk}/risk/{tail}"


def test_the_risk_page_shows_the_figures_of_the_close(client, stage):
    page = client.get(address(stage))

    text = page.content.decode()
    assert page.status_code == 200
    assert 'data-live="risk.var"' in text
    assert "$9,925" in text
    assert f"portfolio.{stage.pk}.risk" in text
    for heading in ("VaR today", "Limits", "Where the risk sits", "Stops", "Alerts"):
        assert heading in text
    for later in ("Did VaR hold", "Liquidity", "Beta to SPY", "Stress</h2>"):
        assert later not in text
    assert "λ 0.94" in text


def test_the_parts_on_the_page_sum_to_the_var(client, stage):
    page = client.get(address(stage))

    table = page.context["parts"]
    assert len(table["rows"]) == 15
    assert table["totals"]["component"] == pytest.approx(9_924.57, abs=0.1)
    shares = [row["share"] for row in table["rows"]]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("tail", ["", "limits/"])
def test_pages_need_few_queries(client, stage, tail, django_assert_max_num_queries):
    client.get(address(stage, tail))

    # the shell around every page: session, person, groups, clock twice, portfolios, alerts, NAV
    shell = 8
    with django_assert_max_num_queries(12 + shell):
        client.get(address(stage, tail))


def test_a_panel_comes_alone_when_htmx_asks(client, stage):
    page = client.get(address(stage) + "?panel=limits", HTTP_HX_REQUEST="true")

    text = page.content.decode()
    assert page.status_code == 200
    assert "<html" not in text
    assert "Gross exposure" in text


def test_a_stranger_sees_what_a_missing_portfolio_shows(client, stage):
    client.force_login(factories.make_user("stranger@example.com"))

    for tail in ("", "limits/"):
        theirs = client.get(address(stage, tail))
        missing = client.get(f"/portfolios/{stage.account_id}/risk/{tail}")
        assert theirs.status_code == missing.status_code == 404


def test_anonymous_people_sign_in_first(client, stage):
    client.logout()

    assert client.get(address(stage)).status_code == 302
    assert client.get("/alerts/").status_code == 302


def test_the_owner_changes_a_limit_with_a_reason(client, stage):
    sent = {
        "measure": "var", "version": 0, "value": "1.5", "unit": "fraction", "watch": 80,
        "hard": "on", "reason": "smaller book",
    }  # fmt: skip

    answer = client.post(address(stage, "limits/"), sent)

    assert answer.status_code == 303
    row = RiskLimit.objects.get(portfolio=stage)
    assert (row.value, row.hard, row.reason) == (Decimal("0.015"), True, "smaller book")

    late = client.post(address(stage, "limits/"), sent | {"value": "9"})
    assert late.status_code == 422
    assert "changed since" in late.content.decode()
    assert RiskLimit.objects.count() == 1


@pytest.mark.parametrize(
    "wrong", [{"value": "much"}, {"value": "-1"}, {"value": "0"}, {"reason": ""}, {"watch": 0}]
)
def test_a_wrong_limit_is_shown_beside_its_field(client, stage, wrong):
    sent = {
        "measure": "var", "version": 0, "value": "1.5", "unit": "fraction", "watch": 80, "reason": "r",
    }  # fmt: skip

    answer = client.post(address(stage, "limits/"), sent | wrong)

    assert answer.status_code == 422
    assert not RiskLimit.objects.exists()


@pytest.mark.parametrize(
    ("measure", "wrong", "most"), [("var", "100.0001", "100%"), ("gross", "1000.01", "1000%")]
)
def test_a_limit_beyond_what_a_book_can_lose_is_refused_beside_its_field(
    client, stage, measure, wrong, most
):
    sent = {
        "measure": measure, "version": 0, "value": wrong, "unit": "fraction", "watch": 80,
        "reason": "r",
    }  # fmt: skip

    answer = client.post(address(stage, "limits/"), sent)

    assert answer.status_code == 422
    [form] = [e["form"] for e in answer.context["entries"] if e["limit"].measure == measure]
    assert f"at most {most} of equity" in form.errors["value"][0]
    assert not form.non_field_errors()
    assert not RiskLimit.objects.exists()


def test_nobody_watches_a_portfolio_that_was_archived(client, stage):
    raised(stage)
    before = client.get("/alerts/")
    assert len(before.context["open_alerts"]) == 1
    assert before.context["stops"]["rows"]

    portfolio_service.archive(portfolio_id=stage.pk, by=factories.HOUSE, reason="done")

    page = client.get("/alerts/")
    assert page.context["open_alerts"] == []
    assert page.context["stops"]["rows"] == []


def test_forms_are_shown_to_who_may_use_them_and_to_nobody_else(client, stage):
    reader = factories.make_user("reader@example.com", is_staff=True)
    reader.groups.add(Group.objects.get(name="Operator"))
    manager = factories.make_user("manager@example.com", is_staff=True)
    manager.groups.add(Group.objects.get(name="Risk manager"))
    former = factories.make_user("former@example.com")
    Membership.objects.create(portfolio=stage, user=former, role="owner")  # of no group: may read
    sent = {
        "measure": "var", "version": 0, "value": "1.5", "unit": "fraction", "watch": 80,
        "reason": "r",
    }  # fmt: skip

    for person, may in ((reader, False), (former, False), (manager, True)):
        client.force_login(person)
        page = client.get(address(stage, "limits/"))
        offered = [each["form"] is not None for each in page.context["entries"]]
        told = client.get(address(stage)).context["may_limit"]
        taken = client.post(address(stage, "limits/"), sent).status_code == 303
        assert ({*offered}, told, taken) == ({may}, may, may), person.email


def test_a_viewer_reads_and_changes_nothing(client, stage):
    viewer = factories.make_user("viewer@example.com")
    Membership.objects.create(portfolio=stage, user=viewer, role="viewer")
    alert = raised(stage)
    client.force_login(viewer)

    assert client.get(address(stage)).status_code == 200
    assert client.post(address(stage, "limits/"), {}).status_code == 403
    assert client.post(f"/alerts/{alert.pk}/acknowledge/").status_code == 403
    alert.refresh_from_db()
    assert alert.state == "open"


def test_alerts_are_listed_and_acknowledged_by_their_owner(client, stage):
    alert = raised(stage)
    assert "VaR is above its limit" in client.get("/alerts/").content.decode()

    answer = client.post(f"/alerts/{alert.pk}/acknowledge/?next={address(stage)}")

    assert answer.status_code == 303
    assert answer["Location"] == address(stage)
    assert Alert.objects.get(pk=alert.pk).acknowledged_label == "owner@example.com"


def test_going_back_never_leads_off_the_site(client, stage):
    alert = raised(stage)

    answer = client.post(f"/alerts/{alert.pk}/acknowledge/?next=//evil.example/")

    assert answer["Location"] == "/alerts/"


def test_a_strangers_alert_is_a_missing_one(client, stage):
    alert = raised(stage)
    client.force_login(factories.make_user("stranger@example.com"))

    assert "VaR is above" not in client.get("/alerts/").content.decode()
    assert client.post(f"/alerts/{alert.pk}/acknowledge/").status_code == 404


def test_stale_figures_say_of_which_close_they_are(client, stage):
    from marketdata.models import ReplayClock
    from marketdata.selectors import calendar

    factories.advance(date(2016, 6, 24))
    end = calendar.close_time(date(2016, 6, 24))
    ReplayClock.objects.create(start=DAY, session_date=date(2016, 6, 24), as_of=end, moved_at=end)

    assert "close of 22 Jun 2016" in client.get(address(stage)).content.decode()


def test_a_past_close_shows_its_own_figures_and_its_own_limits(client, stage):
    from marketdata.models import ReplayClock
    from marketdata.selectors import calendar
    from risk.services import limits

    later = date(2016, 6, 24)
    factories.advance(later)
    end = calendar.close_time(later)
    ReplayClock.objects.create(start=DAY, session_date=later, as_of=end, moved_at=end)
    limits.change(
        portfolio_id=stage.pk, measure="var", value=Decimal("0.005"), reason="tighter",
        as_of=end, if_match_version=None, by=factories.HOUSE,
    )  # fmt: skip

    page = client.get(address(stage) + "?as_of=2016-06-22")
    told = client.get(address(stage, "limits/") + "?as_of=2016-06-22")
    holiday = client.get(address(stage) + "?as_of=2016-06-19")

    text = page.content.decode()
    assert "$9,925" in text
    assert page.context["found"].record.risk["limit"] == "30436.46"
    assert not page.context["may_limit"]
    assert "0.5 %" not in told.content.decode().split("History")[0]
    assert "No risk of that close" in holiday.content.decode()
