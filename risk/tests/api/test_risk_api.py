"""REST of risk: figures with their provenance, limits with versions, alerts, matrices."""

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent
from etftrader.testing.rows import module_rows
from portfolios.models import Membership, Portfolio
from risk.models import Alert, RiskLimit, StopLossRule
from risk.services import alerts, pretrade
from risk.tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.urls("risk.tests.urls")]

DAY = factories.START


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield factories.make_measured(DAY).pk


@pytest.fixture
def stage(staged, settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    portfolio = Portfolio.objects.get(pk=staged)
    return portfolio, client_of(portfolio.account.customer.user)


def at(portfolio, tail):
    return f"/api/v1/portfolios/{portfolio.pk}/{tail}"


def test_risk_answers_with_figures_and_provenance(stage):
    portfolio, client = stage

    answer = client.get(at(portfolio, "risk"))

    body = answer.json()
    assert answer.status_code == 200
    assert float(body["data"]["var"]) == pytest.approx(9_924.57, abs=0.01)
    assert isinstance(body["data"]["var"], str)
    assert len(body["data"]["limits"]) == 4
    assert body["meta"]["quality"] == "full"
    assert body["meta"]["run_id"]
    assert set(body) == {"portfolio", "as_of", "currency", "data", "meta"}


def test_every_method_and_part_is_listed(stage):
    portfolio, client = stage

    methods = client.get(at(portfolio, "risk/var")).json()["data"]["results"]
    parts = client.get(at(portfolio, "risk/components") + f"?as_of={DAY}").json()["data"]

    assert {each["method"] for each in methods} == {"parametric_ewma", "stressed"}
    assert float(parts["total"]) == pytest.approx(9_924.57, abs=0.01)
    assert len(parts["components"]) == 15


@pytest.mark.parametrize("day", ["2016-06-25", "2016-06-23", "tomorrow"])
def test_a_close_that_is_none_is_a_bad_request(stage, day):
    portfolio, client = stage

    answer = client.get(at(portfolio, "risk") + f"?as_of={day}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == "as_of"


def test_an_unknown_parameter_is_named(stage):
    portfolio, client = stage

    answer = client.get(at(portfolio, "risk") + "?colour=red")

    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


def test_nothing_computed_is_a_422_and_no_invention(stage):
    _, client = stage
    empty = factories.make_portfolio(name="Empty")

    assert client.get(at(empty, "risk")).status_code == 422


@pytest.mark.parametrize(
    "tail",
    [
        "risk",
        "risk/var",
        "risk/components",
        "risk/limits",
        "stop-loss",
        "stop-loss/events",
        "pre-trade-checks",
    ],
)
def test_strangers_get_what_a_missing_portfolio_gets(stage, tail):
    portfolio, client = stage
    stranger = client_of(factories.make_user("stranger@example.com"))

    assert client.get(at(portfolio, tail)).status_code == 200
    assert stranger.get(at(portfolio, tail)).status_code == 404
    assert stranger.get(f"/api/v1/portfolios/{portfolio.account_id}/{tail}").status_code == 404
    assert APIClient().get(at(portfolio, tail)).status_code == 401


def test_a_limit_is_set_changed_and_removed_with_versions(stage):
    portfolio, client = stage
    address = at(portfolio, "risk/limits")

    made = client.post(
        address, {"measure": "var", "value": "0.015", "reason": "owner's choice"}, format="json"
    )
    assert made.status_code == 201
    again = client.post(
        address, {"measure": "var", "value": "0.02", "reason": "twice"}, format="json"
    )
    assert again.status_code == 409

    row = f"{address}/{made.json()['id']}"
    change = {"value": "0.02", "reason": "calmer"}
    assert client.patch(row, change, format="json").status_code == 428
    assert client.patch(row, change, format="json", HTTP_IF_MATCH='"v9"').status_code == 412
    tag = client.get(row)["ETag"]
    changed = client.patch(row, change, format="json", HTTP_IF_MATCH=tag)
    assert (changed.status_code, changed.json()["value"]) == (200, "0.02")
    # the former row is history now
    assert client.patch(row, change, format="json", HTTP_IF_MATCH=tag).status_code == 412

    newest = f"{address}/{changed.json()['id']}"
    known = {"HTTP_IF_MATCH": changed["ETag"]}
    logged = client.delete(newest + "?reason=enough", **known)  # addresses stand in logs
    assert (logged.status_code, logged.json()["code"]) == (400, "unknown_parameter")
    for body in ({}, {"reason": " "}, {"reason": "x" * 301}):
        wrong = client.delete(newest, body, format="json", **known)
        assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "reason")
    gone = client.delete(newest, {"reason": "enough"}, format="json", **known)
    assert gone.status_code == 204
    assert AuditEvent.objects.get(action="limit.remove").reason == "enough"
    listed = client.get(address).json()
    assert listed["results"][0]["default"] is True
    assert len(listed["history"]) == 2


@pytest.mark.parametrize(
    ("attr", "body"),
    [
        ("value", {"measure": "var", "value": "-1", "reason": "r"}),
        ("value", {"measure": "var", "reason": "r"}),
        ("measure", {"measure": "beauty", "value": "1", "reason": "r"}),
        ("value", {"measure": "var", "value": "10", "reason": "r"}),
        ("value", {"measure": "position_weight", "value": "1.01", "reason": "r"}),
        ("value", {"measure": "gross", "value": "11", "reason": "r"}),
        ("reason", {"measure": "var", "value": "0.01"}),
        ("colour", {"measure": "var", "value": "0.01", "reason": "r", "colour": "red"}),
    ],
)
def test_a_wrong_limit_names_its_field_and_writes_nothing(stage, attr, body):
    portfolio, client = stage

    answer = client.post(at(portfolio, "risk/limits"), body, format="json")

    assert answer.status_code == 400
    assert attr in {each["attr"] for each in answer.json()["errors"]}
    assert not RiskLimit.objects.exists()


def test_a_viewer_may_read_limits_and_not_change_them(stage):
    portfolio, _ = stage
    viewer = factories.make_user("viewer@example.com")
    Membership.objects.create(portfolio=portfolio, user=viewer, role="viewer")
    client = client_of(viewer)
    body = {"measure": "var", "value": "0.5", "reason": "more"}

    assert client.get(at(portfolio, "risk/limits")).status_code == 200
    assert client.post(at(portfolio, "risk/limits"), body, format="json").status_code == 403
    assert not RiskLimit.objects.exists()


def test_staff_of_the_risk_managers_may_limit_any_portfolio(stage):
    portfolio, _ = stage
    manager = factories.make_user("manager@example.com", is_staff=True)
    body = {"measure": "var", "value": "0.01", "reason": "house rule"}
    address = at(portfolio, "risk/limits")
    assert client_of(manager).post(address, body, format="json").status_code == 404
    manager.groups.add(Group.objects.get(name="Viewer"))
    assert client_of(manager).post(address, body, format="json").status_code == 403

    manager.groups.add(Group.objects.get(name="Risk manager"))

    assert client_of(manager).post(address, body, format="json").status_code == 201


def test_stops_and_their_rule(stage):
    portfolio, client = stage
    address = at(portfolio, "stop-loss")

    body = client.get(address).json()
    assert (body["regime"], body["stop_fraction"], len(body["results"])) == ("normal", 0.12, 15)

    rule = {"enabled": True, "mode": "vol_scaled", "ratchet": False}
    assert client.put(address, rule, format="json").status_code == 428
    done = client.put(address, rule, format="json", HTTP_IF_MATCH='"v0"')
    assert done.status_code == 200
    assert StopLossRule.objects.get().mode == "vol_scaled"
    wrong = client.put(address, rule | {"mode": "x"}, format="json", HTTP_IF_MATCH=done["ETag"])
    assert wrong.status_code == 400


def test_verdicts_are_listed_with_their_documents(stage):
    portfolio, client = stage
    inputs = pretrade.gather(portfolio_id=portfolio.pk, symbols=["SPY"], moment=factories.closing())
    verdict = pretrade.judge(
        portfolio=portfolio,
        inputs=inputs,
        proposed=[pretrade.ProposedTrade("SPY", "buy", factories.Decimal(1))],
    )
    pretrade.keep(verdict=verdict, portfolio_id=portfolio.pk, context="preview", by=None)

    body = client.get(at(portfolio, "pre-trade-checks")).json()

    assert body["count"] == 1
    assert body["results"][0]["document"]["verdict"]["status"] == "APPROVED"


def test_alerts_are_listed_filtered_and_acknowledged_once(stage):
    portfolio, client = stage
    alert = alerts.raise_once(
        portfolio_id=portfolio.pk, kind="limit", key="limit:var", severity="critical", title="t",
        detail="d", as_of=factories.closing().as_of, session_date=DAY,
    )  # fmt: skip

    assert client.get("/api/v1/alerts?state=open").json()["count"] == 1
    assert client.get(f"/api/v1/alerts/{alert.pk}").json()["title"] == "t"
    for _ in range(2):
        done = client.post(f"/api/v1/alerts/{alert.pk}/acknowledge", {"note": "ok"}, format="json")
        assert (done.status_code, done.json()["state"]) == (200, "acknowledged")

    stranger = client_of(factories.make_user("stranger@example.com"))
    assert stranger.get("/api/v1/alerts").json()["count"] == 0
    assert stranger.get(f"/api/v1/alerts/{alert.pk}").status_code == 404
    viewer = factories.make_user("viewer@example.com")
    Membership.objects.create(portfolio=portfolio, user=viewer, role="viewer")
    assert client_of(viewer).post(f"/api/v1/alerts/{alert.pk}/acknowledge").status_code == 403
    assert Alert.objects.get(pk=alert.pk).note == "ok"


def test_matrices_are_cut_to_the_symbols_asked_for(stage):
    _, client = stage

    daily = client.get("/api/v1/covariance?symbols=TLT,SPY").json()
    stressed = client.get("/api/v1/covariance/stressed").json()

    assert daily["symbols"] == ["TLT", "SPY"]
    assert daily["matrix"][0][1] == daily["matrix"][1][0] < 0
    assert daily["meta"]["decay"] == 0.94
    assert stressed["flags"]["META"] == {"flag": "synthetic"}
    assert client.get("/api/v1/covariance?symbols=NOPE").status_code == 400


def test_lists_over_all_visible_portfolios(stage):
    portfolio, client = stage

    assert client.get("/api/v1/risk/limits").json()["results"][0]["portfolio"] == str(portfolio.pk)
    for address in ("/api/v1/risk/breaches", "/api/v1/stop-loss/events"):
        assert client.get(address).status_code == 200
