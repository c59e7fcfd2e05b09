"""Invitations answered, withdrawn and sent by many at once: one outcome, and never a double."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from portfolios.constants import MAX_INVITATIONS
from portfolios.models import Invitation, Membership
from portfolios.services import invitations, memberships
from portfolios.tests.factories import make_portfolio, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(acts: list[Callable[[], object]]) -> Counter[str]:
    """Start all together; how often each came to which end."""
    begin, ends = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        try:
            begin.wait()
            act()
            ends.append("done")
        except DomainError as error:
            ends.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return Counter(ends)


def test_an_invitation_works_once() -> None:
    book, friend = make_portfolio(), make_user("friend@example.com")
    owner, taker = Actor.of_user(make_user()), Actor.of_user(friend)
    row, _ = invitations.invite(portfolio_id=book.pk, email=friend.email, role="viewer", by=owner)
    ends = at_once([lambda: invitations.accept(invitation_id=row.pk, by=taker)] * 8)
    assert ends == {"done": 1, "conflict": 7}
    assert Membership.objects.filter(portfolio=book, user=friend, revoked_at=None).count() == 1
    assert audit.verify() == []


def test_of_accepting_and_withdrawing_one_wins() -> None:
    book, friend = make_portfolio(), make_user("friend@example.com")
    owner, taker = Actor.of_user(make_user()), Actor.of_user(friend)
    for _ in range(6):
        row, _ = invitations.invite(
            portfolio_id=book.pk, email=friend.email, role="viewer", by=owner
        )
        ends = at_once(
            [
                lambda pk=row.pk: invitations.accept(invitation_id=pk, by=taker),  # type: ignore[misc]
                lambda pk=row.pk: invitations.withdraw(  # type: ignore[misc]
                    portfolio_id=book.pk, invitation_id=pk, by=owner
                ),
            ]
        )
        assert ends == {"done": 1, "conflict": 1}
        row.refresh_from_db()
        part = Membership.objects.filter(portfolio=book, user=friend, revoked_at=None).first()
        assert (part is not None) == (row.state == "accepted")
        if part is not None:
            memberships.revoke(portfolio_id=book.pk, member_id=part.pk, by=owner)


def test_exactly_twenty_go_out_over_all_portfolios() -> None:
    books = [make_portfolio(name=f"Book {number}") for number in range(2)]
    by = Actor.of_user(make_user())
    ends = at_once(
        [
            lambda pk=books[number % 2].pk, number=number: invitations.invite(  # type: ignore[misc]
                portfolio_id=pk, email=f"p{number}@example.com", role="viewer", by=by
            )
            for number in range(26)
        ]
    )
    assert ends == {"done": MAX_INVITATIONS, "throttled": 6}
    assert Invitation.objects.count() == MAX_INVITATIONS


def test_a_portfolio_keeps_exactly_one_owner() -> None:
    book, owner = make_portfolio(), Actor.of_user(make_user())
    takers = [make_user(f"t{number}@example.com") for number in range(4)]
    rows = [
        invitations.invite(portfolio_id=book.pk, email=each.email, role="owner", by=owner)[0]
        for each in takers
    ]
    ends = at_once(
        [
            lambda pk=row.pk, who=each: invitations.accept(  # type: ignore[misc]
                invitation_id=pk, by=Actor.of_user(who)
            )
            for row, each in zip(rows, takers, strict=True)
        ]
        + [lambda: memberships.leave(portfolio_id=book.pk, by=owner)]
    )
    # the giver is no owner afterwards and may have left behind the one who took over
    assert ends["done"] in (1, 2)
    owners = Membership.objects.filter(portfolio=book, role="owner", revoked_at=None)
    assert owners.count() == 1
    assert owners.get().user in takers
