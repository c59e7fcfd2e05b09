"""Limits: defaults, dated changes, and the states of the story."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from etftrader.core import clock
from etftrader.core.errors import BadInput, VersionMismatch
from etftrader.core.records import AuditEvent, OutboxEvent
from marketdata.selectors import calendar
from portfolios.models import PortfolioSnapshot
from portfolios.services import snapshots
from risk.choices import LimitState
from risk.models import Alert, LimitBreach, RiskLimit
from risk.selectors import limits as rows
from risk.services import covariance, limits, var
from risk.tests import factories

pytestmark = pytest.mark.django_db

NIGHTS = (date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24))


def night(portfolio, day):
    covariance.compute_daily(session_date=day)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)
    var.compute(portfolio_ids=[portfolio.pk], session_date=day)
    return limits.evaluate(portfolio_ids=[portfolio.pk], session_date=day)[portfolio.pk]


def set_var(portfolio, value="0.015", **given):
    facts = {"measure": "var", "value": Decimal(value), "reason": "the owner's choice"}
    facts["as_of"] = factories.CLOSE
    return limits.change(portfolio_id=portfolio.pk, by=factories.HOUSE, **(facts | given))


def test_a_new_portfolio_is_limited_from_its_first_second():
    portfolio = factories.make_portfolio()

    found = {each.measure: each for each in limits.in_force(portfolio_id=portfolio.pk)}

    facts = {m: (each.value, each.hard, each.watch) for m, each in found.items()}
    assert facts == {
        "var": (Decimal("0.03"), True, 0.8),
        "gross": (Decimal("2.00"), True, 0.8),
        "position_weight": (Decimal("0.20"), False, 0.8),
        "daily_loss": (Decimal("0.05"), False, 0.8),
    }
    assert {each.version for each in found.values()} == {0}


@pytest.mark.parametrize(
    ("measure", "most"),
    [("var", "1"), ("position_weight", "1"), ("daily_loss", "1"), ("gross", "10")],
)
def test_a_limit_is_at_most_what_a_book_can_lose_or_hold(measure, most):
    portfolio = factories.make_portfolio()

    row = set_var(portfolio, most, measure=measure)
    with pytest.raises(BadInput, match="at most") as refused:
        set_var(portfolio, f"{most}.000001", measure=measure)

    assert row.value == Decimal(most)
    assert refused.value.figures["attr"] == "value"
    assert RiskLimit.objects.count() == 1
    assert set_var(portfolio, "250000", measure=measure, unit="currency").value == 250_000


def test_factor_rotation_goes_from_within_to_breach():
    factories.load_bundle(NIGHTS[-1])
    portfolio = factories.make_rotation()
    set_var(portfolio)

    states = []
    for day in NIGHTS:
        found = {each.limit.measure: each for each in night(portfolio, day)}
        states.append(found["var"].state)

    # 0.98 %, 1.12 % and 1.91 % of 1.5 %
    assert states == ["within", "within", "breach"]
    change = LimitBreach.objects.get(portfolio=portfolio, measure="var")
    assert (change.from_state, change.to_state) == ("within", "breach")
    assert change.observed == pytest.approx(0.01906, abs=5e-5)
    alert = Alert.objects.get(portfolio=portfolio, key="limit:var")
    assert (alert.severity, alert.count, alert.simulated) == ("critical", 1, False)
    assert OutboxEvent.objects.filter(
        name="risk.alert_raised", payload={"alert_id": str(alert.pk)}
    ).exists()


def test_a_second_look_raises_nothing_and_a_wider_limit_resolves():
    factories.load_bundle(NIGHTS[-1])
    portfolio = factories.make_rotation()
    set_var(portfolio)
    night(portfolio, NIGHTS[-1])
    night(portfolio, NIGHTS[-1])
    alert = Alert.objects.get(portfolio=portfolio, key="limit:var")
    assert alert.count == 1

    set_var(portfolio, "0.05", reason="after the vote")
    night(portfolio, NIGHTS[-1])

    alert.refresh_from_db()
    assert alert.state == "resolved"
    assert LimitBreach.objects.filter(portfolio=portfolio, measure="var").count() == 2


def test_the_loss_of_the_day_after_the_vote_is_on_watch():
    factories.load_bundle(NIGHTS[-1])
    portfolio = factories.make_rotation()
    night(portfolio, NIGHTS[1])

    found = {each.limit.measure: each for each in night(portfolio, NIGHTS[2])}

    # 42,357.07 of 1,029,045.34 is 4.116 % of a 5 % limit: 82 % of it
    assert found["daily_loss"].state == "watch"
    assert found["daily_loss"].observed == pytest.approx(0.041162, abs=1e-6)


def test_a_var_that_is_missing_is_unknown_and_said_aloud():
    factories.load_bundle()
    portfolio = factories.make_rotation()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=factories.START)
    var.compute(portfolio_ids=[portfolio.pk], session_date=factories.START)

    found = limits.evaluate(portfolio_ids=[portfolio.pk], session_date=factories.START)

    standing = next(e for e in found[portfolio.pk] if e.limit.measure == "var")
    assert (standing.state, standing.observed) == ("unknown", None)
    alert = Alert.objects.get(portfolio=portfolio)
    assert (alert.kind, alert.key) == ("data", "limit:var:unknown")
    assert "no_covariance" in alert.detail
    assert not LimitBreach.objects.exists()

    night(portfolio, factories.START)
    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_a_change_closes_the_row_and_adds_the_next_with_an_audit_line():
    portfolio = factories.make_portfolio()
    first = set_var(portfolio)

    second = set_var(portfolio, "0.02", reason="calmer", if_match_version=first.version)

    first.refresh_from_db()
    assert first.closed_at is not None
    assert (second.replaces_id, second.closed_at, second.version) == (first.pk, None, 2)
    told = AuditEvent.objects.filter(action="limit.change").order_by("seq").last()
    assert (told.before["value"], told.after["value"], told.reason) == ("0.015", "0.02", "calmer")


def test_a_change_thought_out_on_an_older_state_is_refused():
    portfolio = factories.make_portfolio()
    set_var(portfolio, if_match_version=0)

    with pytest.raises(VersionMismatch):
        set_var(portfolio, "0.05", if_match_version=0)

    assert RiskLimit.objects.count() == 1


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("value", {"value": Decimal(0)}),
        ("value", {"value": Decimal("-1")}),
        ("value", {"value": Decimal("NaN")}),
        ("value", {"value": Decimal(101)}),
        ("unit", {"unit": "percent"}),
        ("watch", {"watch": 1.0}),
        ("reason", {"reason": "  "}),
        ("measure", {"measure": "beauty"}),
    ],
)
def test_what_makes_no_limit_is_named_and_nothing_is_written(field, given):
    portfolio = factories.make_portfolio()

    with pytest.raises(BadInput) as refusal:
        set_var(portfolio, **given)

    assert refusal.value.figures["attr"] == field
    assert not RiskLimit.objects.exists()
    assert not AuditEvent.objects.filter(action="limit.change").exists()


def test_removing_a_limit_lets_the_default_hold_again():
    portfolio = factories.make_portfolio()
    row = set_var(portfolio)

    limits.remove(
        limit_id=row.pk,
        reason="enough",
        as_of=factories.CLOSE,
        if_match_version=row.version,
        by=factories.HOUSE,
    )

    [limit] = [e for e in limits.in_force(portfolio_id=portfolio.pk) if e.measure == "var"]
    assert (limit.value, limit.version) == (Decimal("0.03"), 0)


def test_a_past_close_knows_the_limits_that_bound_it():
    portfolio = factories.make_portfolio()
    days = [calendar.close_time(date(2016, 6, day)) for day in (13, 14, 15, 16, 17)]
    first = set_var(portfolio, "0.02", as_of=days[1])
    second = set_var(portfolio, "0.01", as_of=days[2], if_match_version=first.version)
    limits.remove(
        limit_id=second.pk, reason="enough", as_of=days[4], if_match_version=second.version,
        by=factories.HOUSE,
    )  # fmt: skip

    bound = [
        next(e.value for e in limits.in_force(portfolio_id=portfolio.pk, as_of=day)
             if e.measure == "var")
        for day in days
    ]  # fmt: skip

    assert [str(each) for each in bound] == ["0.03", "0.020000", "0.010000", "0.010000", "0.03"]


@pytest.mark.parametrize(
    ("observed", "state"),
    [
        (0.0, "within"),
        (23_999.0, "within"),
        (24_000.0, "watch"),
        (30_000.0, "watch"),
        (30_000.01, "breach"),
        (float("nan"), "unknown"),
        (None, "unknown"),
    ],
)
def test_states_begin_at_the_watch_level_and_above_the_limit(observed, state):
    # 3 % of 1,000,000, watch at 80 % of it
    assert rows.state_of(observed, rows.default("var"), equity=1_000_000.0).state == state


def test_a_live_breach_is_left_only_with_some_room():
    limit = rows.default("var")

    def state(used, before):
        amount = used * 30_000.0
        return rows.state_of(amount, limit, equity=1_000_000.0, before=before).state

    assert state(0.99, LimitState.BREACH) == "breach"
    assert state(0.97, LimitState.BREACH) == "watch"
    assert state(0.79, LimitState.WATCH) == "watch"
    assert state(0.77, LimitState.WATCH) == "within"
    assert state(0.99, LimitState.WITHIN) == "watch"


def test_an_equity_that_is_not_positive_measures_nothing():
    assert rows.state_of(1.0, rows.default("var"), equity=0.0).reason == "non_positive_equity"


def test_a_portfolio_without_a_snapshot_is_left_out():
    portfolio = factories.make_portfolio()

    assert limits.evaluate(portfolio_ids=[portfolio.pk], session_date=factories.START) == {}
    assert not PortfolioSnapshot.objects.exists()


def test_the_last_states_are_read_and_not_the_history(django_assert_num_queries):
    portfolio, other = factories.make_portfolio(), factories.make_portfolio(name="Other")
    turns = ["watch", "breach", "within"] * 40
    for number, state in enumerate([*turns, "breach"]):
        note(portfolio, "var", state, number)
        note(other, "gross", state, number)
    note(portfolio, "gross", "watch", 0)

    with django_assert_num_queries(1) as queries:
        found = rows.last_states(portfolio_ids=[portfolio.pk, other.pk])

    assert found == {
        portfolio.pk: {"var": "breach", "gross": "watch"},
        other.pk: {"gross": "breach"},
    }
    with connection.cursor() as cursor:
        cursor.execute(queries.captured_queries[0]["sql"])
        assert len(cursor.fetchall()) == 3


def note(portfolio, measure, state, minute):
    """A recorded change of state."""
    at = clock.now() + timedelta(minutes=minute)
    LimitBreach.objects.create(
        portfolio=portfolio, measure=measure, from_state="within", to_state=state, observed=1.0,
        threshold=1.0, session_date=NIGHTS[0], as_of=at, recorded_at=at,
    )  # fmt: skip


def test_alerts_of_many_books_lock_them_in_the_order_of_their_ids():
    factories.load_bundle()
    covariance.compute_daily(session_date=factories.START)
    books = [factories.make_portfolio(name=f"Book {number}") for number in range(4)]
    books.sort(key=lambda each: each.pk, reverse=True)
    for each in books:
        factories.hold(each, "SPY", 4_000)
        snapshots.take(portfolio_ids=[each.pk], session_date=factories.START)
        var.compute(portfolio_ids=[each.pk], session_date=factories.START)

    limits.evaluate(portfolio_ids=[each.pk for each in books], session_date=factories.START)

    told = list(LimitBreach.objects.order_by("pk").values_list("portfolio_id", flat=True))
    assert told == sorted(told)
    assert set(told) == {each.pk for each in books}
