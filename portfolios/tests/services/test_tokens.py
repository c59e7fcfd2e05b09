"""Tokens where no door is involved: the command, the note of use, a flushed store."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from etftrader.core import livestate
from etftrader.core.actor import Actor, system
from etftrader.core.errors import BadInput, Conflict, Unavailable
from portfolios.models import ApiToken, User
from portfolios.services import accounts, tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return accounts.create_user(email="a@example.com", password="x" * 12, by=system("tests"))


def test_the_command_prints_a_token_that_works(user: User) -> None:
    out = StringIO()
    call_command("create_token", "A@example.com", "--scope", "trade", stdout=out)
    found = tokens.user_of_token(token=out.getvalue().strip())
    assert found is not None
    assert found.user == user
    assert found.scopes == {"read", "trade"}
    with pytest.raises(CommandError):
        call_command("create_token", "nobody@example.com", stdout=out)


def test_the_use_of_a_token_is_noted_once_a_minute(user: User, monkeypatch: Any) -> None:
    _, text = tokens.create_personal(user=user, name="t", scopes=[], by=Actor.of_user(user))
    start = tokens.clock.now()
    seen = []
    for seconds in (0, 30, 61):
        monkeypatch.setattr(tokens.clock, "now", lambda s=seconds: start + timedelta(seconds=s))
        tokens.of_personal(token=text)
        seen.append(ApiToken.objects.get().last_used_at - start)
    assert seen == [timedelta(0), timedelta(0), timedelta(seconds=61)]


def test_a_replaced_token_ends(user: User) -> None:
    first = tokens.replace_personal(user=user, name="launcher", scopes=["read"])
    second = tokens.replace_personal(user=user, name="launcher", scopes=["read"])
    assert tokens.user_of_token(token=first) is None
    assert tokens.user_of_token(token=second) is not None


def test_a_token_cannot_give_more_than_its_maker_has(user: User) -> None:
    by = Actor.of_user(user, scopes=frozenset({"read", "admin"}))
    with pytest.raises(BadInput):
        tokens.create_personal(user=user, name="t", scopes=["trade"], by=by)


def test_tickets_need_the_live_store_and_say_so(user: User, settings: Any) -> None:
    settings.LIVE_URL = "redis://127.0.0.1:1/0"
    livestate.client.cache_clear()
    try:
        with pytest.raises(Unavailable):
            tokens.make_ticket(user_id=user.pk)
        assert tokens.redeem_ticket(ticket="anything") is None
    finally:
        livestate.client.cache_clear()


def test_an_address_has_one_user_whatever_its_case(user: User) -> None:
    with pytest.raises(Conflict):
        accounts.create_user(email="A@Example.com", password=None, by=system("tests"))
