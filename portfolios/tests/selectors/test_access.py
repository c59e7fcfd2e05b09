"""Who may do what with a portfolio: membership, group and token must agree."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.core.actor import Actor, system
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.records import AuditEvent
from portfolios.constants import Action
from portfolios.models import Account, Membership, Portfolio, User, UserPreference
from portfolios.selectors import access
from portfolios.services import accounts

pytestmark = pytest.mark.django_db


def person(name: str, **how: Any) -> User:
    return accounts.create_user(
        email=f"{name}@example.com", password="x" * 12, by=system("tests"), **how
    )


@pytest.fixture
def owner() -> User:
    return person("owner")


@pytest.fixture
def portfolio(owner: User) -> Portfolio:
    made = Portfolio.objects.create(account=Account.objects.get(customer__user=owner), name="Core")
    Membership.objects.create(portfolio=made, user=owner, role="owner")
    return made


def allowed(user: User, portfolio: Portfolio, **changes: Any) -> set[str]:
    actor = replace(Actor.of_user(user), **changes)
    return {str(action) for action in Action if access.may(actor, portfolio, action)}


def test_the_owner_may_do_everything(owner: User, portfolio: Portfolio) -> None:
    assert allowed(owner, portfolio) == {str(action) for action in Action}


def test_an_owner_whose_account_may_only_read_only_reads(portfolio: Portfolio) -> None:
    reader = person("reader", groups=("Viewer",))
    Membership.objects.create(portfolio=portfolio, user=reader, role="owner")
    assert allowed(reader, portfolio) == {"view", "view_audit", "leave"}


def test_a_token_narrows_its_owner(owner: User, portfolio: Portfolio) -> None:
    assert allowed(owner, portfolio, scopes=frozenset({"read"})) == {"view", "view_audit"}
    assert "manage" not in allowed(owner, portfolio, scopes=frozenset({"read", "trade"}))


@pytest.mark.parametrize(
    ("role", "can_trade", "expected"),
    [
        ("editor", True, {"view", "note", "trade", "leave"}),
        ("editor", False, {"view", "note", "leave"}),
        ("viewer", False, {"view", "leave"}),
    ],
)
def test_members_may_what_their_part_says(
    portfolio: Portfolio, role: str, can_trade: bool, expected: set[str]
) -> None:
    member = person("member")
    Membership.objects.create(portfolio=portfolio, user=member, role=role, can_trade=can_trade)
    assert allowed(member, portfolio) == expected


def test_a_member_without_the_right_is_told_so_and_a_stranger_is_not(portfolio: Portfolio) -> None:
    viewer = person("viewer")
    Membership.objects.create(portfolio=portfolio, user=viewer, role="viewer")
    with pytest.raises(NotAllowed):
        access.portfolio_for(Actor.of_user(viewer), portfolio.pk, Action.TRADE)
    with pytest.raises(NotFound):
        access.portfolio_for(Actor.of_user(person("stranger")), portfolio.pk, Action.TRADE)


@pytest.mark.parametrize("action", list(Action))
def test_a_foreign_portfolio_costs_the_same_queries_as_a_missing_one(
    portfolio: Portfolio, action: Action
) -> None:
    stranger = Actor.of_user(person("stranger"))
    counts = []
    for asked in (portfolio.pk, uuid4()):
        with CaptureQueriesContext(connection) as queries, pytest.raises(NotFound):
            access.portfolio_for(stranger, asked, action)
        counts.append(len(queries))
    assert counts == [1, 1]


def test_staff_of_a_reading_group_read_everything_and_never_trade(portfolio: Portfolio) -> None:
    nobody = person("staff", groups=("Trader",), is_staff=True)
    assert allowed(nobody, portfolio) == set()
    for group in ("Viewer", "Auditor"):
        auditor = person(f"staff-{group}", groups=(group,), is_staff=True)
        assert allowed(auditor, portfolio) == {"view", "view_audit"}
    operator = person("operator", groups=("Operator",), is_staff=True)
    assert allowed(operator, portfolio) == {"view", "view_audit", "calculate"}
    risk = person("risk", groups=("Risk manager", "Trader"), is_staff=True)
    assert allowed(risk, portfolio) == {"view", "view_audit", "limit", "halt"}
    admin = person("admin", groups=("Admin",), is_staff=True)
    assert allowed(admin, portfolio) == {"view", "view_audit", "calculate", "revoke", "halt"}


def test_staff_who_are_members_too_may_what_either_allows(portfolio: Portfolio) -> None:
    risk = person("risk", groups=("Risk manager", "Trader"), is_staff=True)
    Membership.objects.create(portfolio=portfolio, user=risk, role="viewer")
    assert allowed(risk, portfolio) == {"view", "view_audit", "limit", "halt", "leave"}
    told = access.actions_of(Actor.of_user(risk), portfolio)
    assert {str(each) for each in told} == allowed(risk, portfolio)


def test_a_reading_of_staff_leaves_one_line_an_hour(portfolio: Portfolio) -> None:
    staff = Actor.of_user(person("staff", groups=("Viewer",), is_staff=True))
    for _ in range(3):
        access.portfolio_for(staff, portfolio.pk)
    lines = AuditEvent.objects.filter(action="staff.read")
    first = lines.get()
    assert (first.chain, first.actor_id) == (str(portfolio.pk), staff.user_id)


def test_an_hour_later_it_leaves_another(portfolio: Portfolio, monkeypatch: Any) -> None:
    staff = Actor.of_user(person("staff", groups=("Viewer",), is_staff=True))
    access.portfolio_for(staff, portfolio.pk)
    later = access.clock.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr(access.clock, "now", lambda: later)
    access.portfolio_for(staff, portfolio.pk)
    assert AuditEvent.objects.filter(action="staff.read").count() == 2


def test_members_leave_no_line_of_staff(owner: User, portfolio: Portfolio) -> None:
    access.portfolio_for(Actor.of_user(owner), portfolio.pk)
    assert not AuditEvent.objects.filter(action="staff.read").exists()


def test_the_default_portfolio_is_the_chosen_one_of_ones_own(
    owner: User, portfolio: Portfolio
) -> None:
    actor = Actor.of_user(owner)
    second = Portfolio.objects.create(account=portfolio.account, name="Second")
    UserPreference.objects.filter(user=owner).update(default_portfolio=second)
    assert access.default_portfolio(actor) == portfolio  # the second is not the owner's yet
    Membership.objects.create(portfolio=second, user=owner, role="viewer")
    assert access.default_portfolio(actor) == second
    with pytest.raises(NotFound):
        access.default_portfolio(Actor.of_user(person("newcomer")))
