"""REST of the Greeks: documents, bounds of the scenarios, past closes, asking for a calculation."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from etftrader.core.records import JobRun
from etftrader.testing.rows import module_rows
from marketdata.models import OptionGreeks
from marketdata.tests.option_world import DAY
from portfolios.models import Membership, Portfolio
from portfolios.services import snapshots
from portfolios.tests import option_book
from portfolios.tests.factories import make_portfolio, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
CALL = "SPY160819C00212000"


@pytest.fixture(autouse=True)
def unlimited(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield option_book.make_book()


@pytest.fixture
def book(staged):
    return Portfolio.objects.get(pk=staged.pk)


def client_of(user):
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def owner(book):
    return client_of(make_user())


def address(book, tail=""):
    return f"/api/v1/portfolios/{book.pk}/greeks{tail}"


def test_the_document_names_units_sums_legs_and_expiries(owner, book):
    answer = owner.get(address(book))

    found = answer.json()
    assert answer.status_code == 200
    assert set(found) == {"portfolio", "as_of", "currency", "data", "meta"}
    data = found["data"]
    assert (data["session_date"], data["live"]) == ("2016-06-22", False)
    assert data["totals"]["delta"] is None
    assert set(data["units"]) <= set(data["totals"])
    totals = data["totals"]
    for name in ("dollar_delta", "theta_per_day", "vega_per_point", "gamma_1pct_dollar"):
        assert totals[name] == pytest.approx(sum(each[name] for each in data["underlyings"]))
    assert totals["delta_per_pct"] == pytest.approx(totals["dollar_delta"] / 100)
    assert totals["gamma_per_pct2"] == pytest.approx(totals["gamma_1pct_dollar"] / 100)
    assert totals["rho_per_bp"] == pytest.approx(totals["rho_per_point"] / 100)
    spy, tlt = data["underlyings"]
    assert (spy["underlying"], spy["spot"], spy["shares"]) == ("SPY", "208.10", "400.00")
    assert (spy["contracts"], spy["next_expiry_date"]) == ("153.00", "2016-07-15")
    assert spy["vol_sources"] == ["smile_2022_vix_scaled"]
    assert Decimal(spy["delta_adjusted_exposure"]) == round(Decimal(spy["dollar_delta"]), 2)
    assert (tlt["next_expiry_date"], tlt["implied_volatility"]) == (None, None)
    leg = next(each for each in spy["legs"] if each["symbol"] == CALL)
    assert (leg["strike"], leg["option_type"], leg["style"]) == ("212.00", "call", "american")
    assert leg["model"] in ("bsm", "lr201")
    assert (leg["reason"], leg["quality"], leg["vol_session_date"]) == (None, "full", "2016-06-22")
    assert leg["notional"] == "208100.00"
    assert [each["expiry_date"] for each in data["ladder"]] == [
        "2016-07-15",
        "2016-08-19",
        "2016-09-16",
    ]
    assert found["meta"]["coverage"] == 1.0
    assert found["meta"]["excluded"] == data["excluded"] == []


def test_a_leg_left_out_is_named_with_its_reason(owner, book):
    OptionGreeks.objects.filter(contract__instrument__symbol=CALL).update(
        delta=None, iv=None, reason="no_volatility"
    )

    found = owner.get(address(book)).json()

    assert [each["symbol"] for each in found["meta"]["excluded"]] == [CALL]
    assert found["meta"]["excluded"][0]["reason"] == "no_volatility"
    assert found["meta"]["coverage"] == pytest.approx(0.9)
    assert found["data"]["totals"]["legs_left_out"] == 1
    leg = next(e for e in found["data"]["underlyings"][0]["legs"] if e["symbol"] == CALL)
    assert (leg["delta"], leg["theta_per_day"], leg["delta_adjusted_exposure"]) == (None,) * 3
    assert leg["detail"] == "no quote since 22 Jun 2016"
    one = owner.get(address(book, "/SPY")).json()
    assert [each["symbol"] for each in one["data"]["excluded"]] == [CALL]


def test_one_underlying_has_its_profile_and_grid(owner, book):
    found = owner.get(address(book, "/spy")).json()["data"]

    profile, grid = found["profile"], found["grid"]
    assert (profile["horizon_days"], profile["vol_shift"]) == (7, 0.0)
    points = {round(each["spot_change"], 4): each for each in profile["points"]}
    assert len([each for each in points if round(each * 100, 6) % 1 == 0]) == 41
    assert points[0.0]["today"] == "0.00"
    assert points[0.1]["spot"] == "228.91"
    assert {"later", "at_expiry", "delta_gamma"} <= set(points[0.0])
    assert len(profile["points"]) == 41 + len(profile["strikes"])
    assert (len(grid["pnl"]), len(grid["pnl"][0])) == (7, 9)
    assert grid["pnl"][grid["vol_changes"].index(0.0)][grid["spot_changes"].index(0.0)] == "0.00"
    assert (profile["reason"], grid["reason"]) == (None, None)


def test_the_scenario_follows_what_is_asked(owner, book):
    asked = owner.get(address(book, "/SPY?horizon_days=30&vol_shift=0.15")).json()["data"]
    plain = owner.get(address(book, "/SPY")).json()["data"]

    def at_zero(found, line):
        return next(e[line] for e in found["profile"]["points"] if e["spot_change"] == 0.0)

    assert (asked["profile"]["horizon_days"], asked["profile"]["vol_shift"]) == (30, 0.15)
    assert at_zero(asked, "today") != "0.00" == at_zero(plain, "today")
    assert at_zero(asked, "later") != at_zero(plain, "later")
    assert asked["grid"] == plain["grid"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("horizon_days=366", "horizon_days"),
        ("horizon_days=-1", "horizon_days"),
        ("horizon_days=7.5", "horizon_days"),
        ("vol_shift=-0.95", "vol_shift"),
        ("vol_shift=2.1", "vol_shift"),
        ("vol_shift=nan", "vol_shift"),
        ("vol_shift=", "vol_shift"),
        ("vol_shift=fifteen", "vol_shift"),
        ("as_of=2016-07-01", "as_of"),
        ("horizon=7", "horizon"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(owner, book, query, name):
    answer = owner.get(address(book, f"/SPY?{query}"))

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == name


def test_an_underlying_that_is_not_held_is_missing(owner, book):
    assert owner.get(address(book, "/XYZ")).status_code == 404
    assert client_of(make_user("other@example.com")).get(address(book, "/SPY")).status_code == 404
    assert owner.get(f"/api/v1/portfolios/{uuid.uuid4()}/greeks").status_code == 404


def test_a_past_close_is_read_from_its_snapshot(owner, book):
    before = owner.get(address(book, "?as_of=2016-06-21"))
    assert (before.status_code, before.json()["code"]) == (422, "insufficient_data")
    snapshots.take(portfolio_ids=[book.pk], session_date=DAY)

    now, then = (owner.get(address(book, tail)).json() for tail in ("", "?as_of=2016-06-22"))

    assert now["data"] == then["data"]


def test_a_book_without_anything_answers_with_zeros_and_a_reason(staged):
    empty = make_portfolio()

    found = client_of(make_user()).get(address(empty)).json()

    assert (found["data"]["underlyings"], found["data"]["ladder"]) == ([], [])
    assert (found["data"]["totals"]["reason"], found["meta"]["coverage"]) == ("no_positions", None)


def test_an_owner_asks_once_in_five_minutes_and_hears_of_the_same_run(owner, book):
    first = owner.post(address(book, "/calculate"), {}, format="json")
    again = owner.post(address(book, "/calculate"), {}, format="json")

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    run = JobRun.objects.get()
    assert (run.job, run.as_of, len(run.inputs["held"])) == ("marketdata.compute_greeks", DAY, 8)
    JobRun.objects.update(status="succeeded")
    refused = owner.post(address(book, "/calculate"), {}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (409, "asked_recently")
    JobRun.objects.update(created_at=run.created_at - timedelta(minutes=6))
    assert owner.post(address(book, "/calculate"), {}, format="json").status_code == 202


def test_staff_who_operate_ask_whenever_they_like(owner, book):
    owner.post(address(book, "/calculate"), {}, format="json")
    JobRun.objects.update(status="succeeded")
    staff = make_user("ops@example.com", is_staff=True)
    staff.groups.set(Group.objects.filter(name="Operator"))

    answer = client_of(staff).post(address(book, "/calculate"), {}, format="json")

    assert answer.status_code == 202


def test_a_reader_may_not_ask_and_a_body_is_refused(owner, book):
    friend = make_user("friend@example.com")
    Membership.objects.create(portfolio=book, user=friend, role="viewer")

    assert client_of(friend).get(address(book)).status_code == 200
    assert client_of(friend).post(address(book, "/calculate"), {}).status_code == 403
    refused = owner.post(address(book, "/calculate"), {"session": "now"}, format="json")
    assert refused.status_code == 400


def test_without_options_there_is_nothing_to_compute(staged):
    empty = make_portfolio()

    answer = client_of(make_user()).post(address(empty, "/calculate"), {}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_data")
    assert not JobRun.objects.exists()
