"""Raw-data mode: whole documents of books one may see, bounded, with their quality."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from etftrader.api import raw_data, raw_prices
from etftrader.core.actor import Actor
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import calendar, sessions
from portfolios.models import User
from portfolios.services import tokens
from trading.services import orders
from trading.tests import world

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    """A book with a fill, its owner with a read-only token, and somebody else."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    world.make_market()
    book = world.make_portfolio()
    world.lift_var_limit(book)
    owner = book.account.customer.user
    by = Actor.of_user(owner)
    orders.submit(portfolio_id=book.pk, ticket=world.buy("5"), by=by, moment=sessions.moment())
    _, token = tokens.create_personal(user=owner, name="t", scopes=["read"], by=by)
    other = world.make_user("other@example.com")
    stranger = Client()
    stranger.force_login(other)
    return SimpleNamespace(
        book=book,
        owner=owner,
        headers={"HTTP_AUTHORIZATION": f"Token {token}"},
        stranger=stranger,
    )


def ask(stage: SimpleNamespace, path: str, status: int = 200) -> Any:
    answer = Client().get(f"{V1}/data/{path}", **stage.headers)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_whole_portfolio_is_read_with_a_token_that_only_reads(stage: SimpleNamespace) -> None:
    told = ask(stage, f"portfolio/{stage.book.pk}/complete")

    assert told["sections"] == list(raw_data.SECTIONS)
    assert set(raw_data.SECTIONS) <= set(told)
    [line] = told["positions"]
    assert (line["symbol"], line["quantity"]) == ("AAA", "5.00")
    assert told["summary"]["positions"] == 1
    assert [each["symbol"] for each in told["trades"]] == ["AAA"]
    assert told["cash"][0]["type"] == "deposit"
    assert told["risk"] == {"data": None, "reason": "not_computed"} or told["risk"]["data"]
    assert told["data_quality"]["positions"] == told["data_quality"]["priced"] == 1
    same = Client().get(f"{V1}/portfolios/{stage.book.pk}/summary", **stage.headers).json()
    assert told["summary"]["nav"] == same["data"]["nav"]


def test_only_the_parts_asked_for_are_sent(stage: SimpleNamespace) -> None:
    told = ask(stage, f"portfolio/{stage.book.pk}/complete?sections=summary,positions")

    assert told["sections"] == ["summary", "positions"]
    assert not {"trades", "cash", "risk"} & set(told)
    bad = ask(stage, f"portfolio/{stage.book.pk}/complete?sections=secrets", 400)
    assert bad["errors"][0]["attr"] == "sections"


def test_before_the_first_close_there_is_no_past(stage: SimpleNamespace) -> None:
    told = ask(stage, f"portfolio/{stage.book.pk}/complete?as_of={world.YESTERDAY}", 422)
    assert told["code"] == "insufficient_data"
    ask(stage, f"portfolio/{stage.book.pk}/complete?as_of={world.TOMORROW}", 400)


def test_the_quality_of_a_portfolio_says_what_its_history_is_enough_for(
    stage: SimpleNamespace,
) -> None:
    told = ask(stage, f"portfolio/{stage.book.pk}/data-quality")

    [line] = told["positions"]
    assert line["history"]["sessions"] == 1
    assert line["history"]["enough_for"] == {"volatility_60": False, "betas_252": False}
    assert told["data_quality"]["quality"]


def test_positions_carry_their_instruments_page_by_page(stage: SimpleNamespace) -> None:
    Instrument.objects.filter(symbol="AAA").update(sector="Energy")

    told = ask(stage, "positions/details?limit=1")

    assert told["count"] == 1
    [row] = told["results"]
    assert (row["instrument"]["sector"], row["instrument"]["expense_ratio"]) == ("Energy", None)
    assert ask(stage, f"positions/details?portfolio={stage.book.pk}")["count"] == 1
    ask(stage, "positions/details?portfolio=x", 400)


def test_past_prices_of_holdings_are_bounded(
    stage: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    aaa = Instrument.objects.get(symbol="AAA")
    before = calendar.previous(world.YESTERDAY)
    DailyBar.objects.create(
        instrument=aaa, session_date=before, source="bundled", close=99, price_basis="close"
    )

    told = ask(stage, f"prices/historical/{stage.book.pk}?start={before}")

    [held] = told["instruments"]
    assert held["prices"][0]["close"] == "99.00"
    assert (told["sessions"], told["data_quality"]["there"]) == (2, 2)
    assert told["end"] == str(world.YESTERDAY)
    monkeypatch.setattr(raw_prices, "MOST_BARS", 1)
    bad = ask(stage, f"prices/historical/{stage.book.pk}?start={before}", 400)
    assert bad["errors"][0]["code"] == "too_many_rows"


def test_quotes_say_what_is_missing(stage: SimpleNamespace) -> None:
    told = ask(stage, "prices/quotes?symbols=AAA,NOPE")

    assert [each["symbol"] for each in told["quotes"]] == ["AAA", "NOPE"]
    quality = told["data_quality"]
    assert (quality["asked"], quality["priced"]) == (2, 1)
    assert quality["missing"] == {"NOPE": "unknown_symbol"}
    ask(stage, "prices/quotes", 400)


def test_the_funds_of_the_factors_come_with_their_prices(stage: SimpleNamespace) -> None:
    Instrument.objects.filter(symbol="BBB").update(factor_tilt="value")

    told = ask(stage, f"factors/etf-prices?start={world.YESTERDAY}")

    [fund] = told["instruments"]
    assert (fund["symbol"], fund["factor"], len(fund["prices"])) == ("BBB", "value", 1)
    assert told["data_quality"]["without_prices"] == []


@pytest.mark.parametrize(
    "path", ["portfolio/{}/complete", "portfolio/{}/data-quality", "prices/historical/{}"]
)
def test_a_foreign_book_is_as_missing_as_one_that_never_was(
    stage: SimpleNamespace, path: str
) -> None:
    answer = stage.stranger.get(f"{V1}/data/{path.format(stage.book.pk)}")

    assert answer.status_code == 404
    assert stage.stranger.get(f"{V1}/data/positions/details").json()["count"] == 0


def test_nothing_is_written_at_these_addresses(stage: SimpleNamespace) -> None:
    for send in (Client().post, Client().put, Client().delete):
        answer = send(f"{V1}/data/portfolio/{stage.book.pk}/complete", **stage.headers)
        assert answer.status_code == 405


def test_what_a_book_holds_is_not_retired(stage: SimpleNamespace) -> None:
    """The lower floor asks the upper ones, and says which of them needs it."""
    world.add_to_group(stage.owner, "Operator")
    client = Client()
    client.force_login(stage.owner)

    told = client.delete(f"{V1}/instruments/AAA")

    assert (told.status_code, told.json()["code"]) == (409, "instrument_in_use")
    assert told.json()["reasons"] == ["1 portfolio holds it"]
    assert Instrument.objects.get(symbol="AAA").active
    assert client.delete(f"{V1}/instruments/BBB").json()["active"] is False


def test_the_admin_does_not_retire_it_either(stage: SimpleNamespace) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "x" * 12))
    aaa = Instrument.objects.get(symbol="AAA")
    page = client.get(f"/admin/marketdata/instrument/{aaa.pk}/change/")
    sent = {
        name: value
        for name, value in page.context["adminform"].form.initial.items()
        if name != "active" and value is not None
    }
    rows = {"aliases-TOTAL_FORMS": "0", "aliases-INITIAL_FORMS": "0"}

    answer = client.post(f"/admin/marketdata/instrument/{aaa.pk}/change/", sent | rows)

    assert answer.status_code == 200
    assert "1 portfolio holds it" in answer.content.decode()
    assert Instrument.objects.get(symbol="AAA").active
