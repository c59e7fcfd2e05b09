"""What is pruned and what stays: every kind of row, one past its time and one within it."""

from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.sessions.models import Session
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from etftrader import housekeeping
from etftrader.core import clock
from etftrader.core.errors import NotAuthenticated
from etftrader.core.records import IdempotencyKey, OutboxEvent
from portfolios.models import ApiToken, ImportBatch, ImportRow, TokenFamily
from portfolios.services import tokens
from portfolios.tests import factories

pytestmark = pytest.mark.django_db
KEEP = timedelta(days=30)
OLD, RECENT = timedelta(days=31), timedelta(days=29)


def ago(age: timedelta) -> Any:
    return clock.now() - age


def prune() -> dict[str, int]:
    return {name: count for name, count in housekeeping.prune(keep=KEEP).items() if count}


def test_expired_refresh_tokens_go_and_with_them_what_says_they_were_used() -> None:
    user = factories.make_user()
    used, _, live = (tokens.issue(user=user) for _ in range(3))
    tokens.refresh(token=used.refresh)
    tokens.refresh(token=live.refresh)
    first, second, *_ = OutstandingToken.objects.order_by("pk")
    OutstandingToken.objects.filter(pk__in=[first.pk, second.pk]).update(
        expires_at=ago(timedelta(hours=2))
    )

    assert prune() == {"refresh_tokens": 2}

    assert OutstandingToken.objects.count() == 3
    # the one that is used and still valid keeps its row: showing it again is noticed
    assert BlacklistedToken.objects.count() == 1
    with pytest.raises(NotAuthenticated, match="used before"):
        tokens.refresh(token=live.refresh)


def test_a_token_that_expired_this_minute_stays() -> None:
    tokens.issue(user=factories.make_user())
    OutstandingToken.objects.update(expires_at=ago(timedelta(minutes=1)))

    assert prune() == {}


def test_sessions_families_and_personal_tokens_go_when_they_are_over() -> None:
    user = factories.make_user()
    Session.objects.create(session_key="a", session_data="", expire_date=ago(timedelta(hours=2)))
    Session.objects.create(session_key="b", session_data="", expire_date=ago(-KEEP))
    for name, age in (("gone", OLD), ("kept", RECENT)):
        TokenFamily.objects.create(user=user, label=name, expires_at=ago(age))
        ApiToken.objects.create(user=user, name=name, hash=f"{name}1", expires_at=ago(age))
        ApiToken.objects.create(user=user, name=name, hash=f"{name}2", revoked_at=ago(age))
    ApiToken.objects.create(user=user, name="for ever", hash="3")

    assert prune() == {"sessions": 1, "families": 1, "tokens": 2}

    assert Session.objects.get().session_key == "b"
    assert TokenFamily.objects.get().label == "kept"
    assert set(ApiToken.objects.values_list("name", flat=True)) == {"kept", "for ever"}


def test_announcements_answers_and_tries_go_when_they_are_old() -> None:
    user = factories.make_user()
    for name, age in (("gone", OLD), ("kept", RECENT)):
        OutboxEvent.objects.create(name=name, delivered_at=ago(age))
        for money in (True, False):
            IdempotencyKey.objects.create(
                user_id=user.pk,
                operation=f"{name} {money}",
                key="k",
                fingerprint="",
                money=money,
                created_at=ago(age),
            )
        for model in (AccessAttempt, AccessLog):
            fields = {"failures_since_start": 1} if model is AccessAttempt else {}
            row = model.objects.create(username=name, user_agent=name, **fields)
            model.objects.filter(pk=row.pk).update(attempt_time=ago(age))
    OutboxEvent.objects.create(name="waiting")
    OutboxEvent.objects.filter(name="waiting").update(created_at=ago(OLD))

    assert prune() == {"events": 1, "keys": 1, "attempts": 1, "logins": 1}

    assert set(OutboxEvent.objects.values_list("name", flat=True)) == {"kept", "waiting"}
    # an answer about money is kept for ever
    assert "gone True" in set(IdempotencyKey.objects.values_list("operation", flat=True))


def test_files_that_were_never_booked_go_with_their_rows() -> None:
    portfolio = factories.make_portfolio()
    for status in ("checked", "discarded", "committed"):
        for age in (OLD, RECENT):
            batch = ImportBatch.objects.create(
                portfolio=portfolio,
                user=portfolio.account.customer.user,
                file_name=f"{status}.csv",
                file_hash="0" * 64,
                status=status,
                session_date=clock.now().date(),
            )
            ImportRow.objects.create(batch=batch, ordinal=1, raw=[], verdict="new")
            ImportBatch.objects.filter(pk=batch.pk).update(updated_at=ago(age))

    assert prune() == {"imports": 2}

    assert ImportBatch.objects.count() == ImportRow.objects.count() == 4


def test_more_rows_than_one_batch_all_go(monkeypatch: Any) -> None:
    monkeypatch.setattr(housekeeping, "BATCH", 2)
    for number in range(5):
        OutboxEvent.objects.create(name=str(number), delivered_at=ago(OLD))

    assert prune() == {"events": 5}
