"""The pages of risk: who sees what, what they show, how many queries they need."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from portfolios.models import Membership
from portfolios.services import snapshots
from risk.models import Alert, RiskLimit
from risk.services import alerts, covariance, limits, stop_loss, var
from risk.tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.urls("risk.tests.urls")]

DAY = factories.START


@pytest.fixture
def stage(client):
    factories.load_bundle()
    owner = factories.make_user()
    owner.groups.add(Group.objects.get(name="Trader"))
    portfolio = factories.make_rotation(owner)
    covariance.compute_daily(session_date=DAY)
    covariance.ensure_stressed(session_date=DAY)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=DAY)
    var.compute(portfolio_ids=[portfolio.pk], session_date=DAY)
    limits.evaluate(portfolio_ids=[portfolio.pk], session_date=DAY)
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=DAY)
    client.force_login(owner)
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


def test_a_book_without_positions_says_so(client):
    factories.load_bundle()
    portfolio = factories.make_portfolio()
    client.force_login(factories.make_user())

    page = client.get(address(portfolio))

    assert page.status_code == 200
    assert "No risk yet." in page.content.decode()


def test_a_missing_covariance_is_said_and_nothing_is_invented(client):
    factories.load_bundle()
    portfolio = factories.make_rotation()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=DAY)
    var.compute(portfolio_ids=[portfolio.pk], session_date=DAY)
    client.force_login(factories.make_user())

    text = client.get(address(portfolio)).content.decode()

    assert "There is no VaR." in text
    assert "no covariance of this session" in text


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
