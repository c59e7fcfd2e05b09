"""T-25: of 64 refreshes of one token at once exactly one wins."""

from collections import Counter
from typing import Any

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import NotAuthenticated
from etftrader.testing import services
from portfolios.models import TokenFamily
from portfolios.services import accounts, tokens

pytestmark = pytest.mark.django_db(transaction=True)


def trade(process: int, thread: int, token: str) -> str:
    """One rival: won, or refused."""
    try:
        tokens.refresh(token=token)
    except NotAuthenticated:
        return "refused"
    return "won"


def _sign_in() -> tokens.Pair:
    user = accounts.create_user(email="a@example.com", password="x" * 12, by=system("tests"))
    return tokens.issue(user=user)


def test_of_sixty_four_refreshes_at_once_exactly_one_wins() -> None:
    pair = _sign_in()
    outcomes: list[dict[str, Any]] = services.storm(
        "etftrader.tests.test_t25_tokens:trade",
        processes=2,
        threads=32,
        arguments={"token": pair.refresh},
    )
    found = Counter(each.get("value") or each.get("error", "")[:60] for each in outcomes)
    assert found == {"won": 1, "refused": 63}


def test_a_used_token_ends_its_family_though_the_answer_is_a_refusal() -> None:
    pair = _sign_in()
    tokens.refresh(token=pair.refresh)
    with pytest.raises(NotAuthenticated):
        tokens.refresh(token=pair.refresh)
    assert TokenFamily.objects.get().revoked_at is not None
