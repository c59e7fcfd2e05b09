"""Every read of a book or of the market at a past close, whatever happened since."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from etftrader.core.api import lists
from etftrader.testing import matrix
from etftrader.testing.matrix import Operation
from etftrader.tests import as_of_stage
from etftrader.tests.as_of_stage import DAY, everything_happens
from marketdata.selectors import sessions
from portfolios.models import PositionSnapshot, Tag
from portfolios.services import snapshots
from risk.models import Alert
from risk.services import alerts
from trading.tests import world

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
PERSON = "who somebody is and what he may do, now"
FEED = "how the sources and the house's runs stand now, of which no past standing is kept"
WORK = "a piece of work with moments of its own, not a figure of a book or of the market"
SETTING = "a setting in force now; what followed from it stands in the figures of the close"
MASTER = "master data without a history: names, kinds, listings"
FIXED = "a document fixed when it was made, for the close it names"
# reads for which a past close has no meaning, each with why
TIMELESS: dict[str, str] = {
    **dict.fromkeys(
        (
            "auth/me",
            "auth/tokens",
            "auth/tokens/<uuid:token_id>",
            "auth/sessions",
            "users/me/activity",
            "portfolios/<uuid:portfolio_id>/members",
            "portfolios/<uuid:portfolio_id>/members/<uuid:member_id>",
            "portfolios/<uuid:portfolio_id>/permissions",
            "portfolios/<uuid:portfolio_id>/invitations",
            "portfolios/<uuid:portfolio_id>/invitations/<uuid:invitation_id>",
            "invitations",
            "accounts",
            "accounts/<uuid:account_id>",
        ),
        PERSON,
    ),
    **dict.fromkeys(
        (
            "portfolios/<uuid:portfolio_id>/benchmarks",
            "portfolios/<uuid:portfolio_id>/costs",
            "saved-views",
            "saved-views/<uuid:view_id>",
            "schedules",
            "schedules/<int:schedule_id>",
            "reports/templates",
            "reports/schedules",
        ),
        SETTING,
    ),
    **dict.fromkeys(
        (
            "portfolios/<uuid:portfolio_id>/imports",
            "imports",
            "imports/<uuid:import_id>",
            "imports/<uuid:import_id>/mapping",
            "imports/<uuid:import_id>/rows",
            "imports/<uuid:import_id>/rows/<int:row>",
            "imports/<uuid:import_id>/errors.csv",
            "jobs",  # its `as_of` is a filter: the session a run is for
            "jobs/<uuid:job_id>",
            "jobs/<uuid:job_id>/items",
            "jobs/<uuid:job_id>/result",
            "admin/batch/status",
            "audit",
            "audit/verify",
        ),
        WORK,
    ),
    **dict.fromkeys(
        ("data/quality", "data/providers", "data/quarantine", "data/status", "admin/clock"), FEED
    ),
    **dict.fromkeys(
        ("instruments", "instruments/<str:symbol>", "market/sectors", "search", "glossary"), MASTER
    ),
    **dict.fromkeys(
        (
            "reports",
            "reports/<uuid:report_id>",
            "reports/<uuid:report_id>/status",
            "reports/<uuid:report_id>/download",
            "export/history",
        ),
        FIXED,
    ),
    **dict.fromkeys(("version", "health", "schema", "docs", "redoc"), "about the service itself"),
    **dict.fromkeys(
        ("calendar", "calendar/is-trading-day"), "its dates are what is asked, ahead of time too"
    ),
    **dict.fromkeys(
        ("tags", "tags/<uuid:tag_id>"),
        "names and colours of labels; which position had which stands in positions and strategies",
    ),
    **dict.fromkeys(
        (
            "watchlists",
            "watchlists/<uuid:watchlist_id>",
            "watchlist-items",
            "watchlist-items/<uuid:item_id>",
        ),
        "names without prices, and no former members are kept; quotes have the closes",
    ),
    "export/portfolio/<uuid:portfolio_id>": "a file to be imported again: positions have a format",
    **dict.fromkeys(
        ("baskets/<uuid:basket_id>", "portfolios/<uuid:portfolio_id>/baskets"),
        "orders sent together, as they were sent; orders and trades have their state of then",
    ),
}
NEEDED = {
    "quotes": "symbols=AAA,BBB",
    "data/prices/quotes": "symbols=AAA,BBB",
    "market/current-prices": "symbols=AAA,BBB",
    "quotes/history": "symbol=AAA",
    "positions/grouped": "group_by=tag,strategy,sector",
    "portfolios/<uuid:portfolio_id>/positions/grouped": "group_by=tag,strategy,sector",
}
# not on this stage: bonds and options have tests of their own
NOT_STAGED = {
    "bonds/<uuid:bond_id>": 404,
    "options/<str:symbol>": 404,
    "portfolios/<uuid:portfolio_id>/greeks/<str:underlying>": 200,
    "covariance/stressed": 422,
    "orders/by-client-id/<str:cid>": 200,
}
STOPS = "portfolios/<uuid:portfolio_id>/stop-loss"
# when it was worked out, and how often its row was changed: not what was known
VOLATILE = {"computed_at", "latency_ms", "version", "updated_at", "number"}


def reads() -> list[Operation]:
    return [each for each in matrix.operations() if each.method == "get"]


def name_of(each: Operation) -> str:
    return each.route.removeprefix("api/v1/")


def in_time() -> list[Operation]:
    return [each for each in reads() if name_of(each) not in TIMELESS]


def plain(document: Any) -> Any:
    """A document without the moments at which it was worked out."""
    if isinstance(document, dict):
        return {key: plain(each) for key, each in document.items() if key not in VOLATILE}
    return [plain(each) for each in document] if isinstance(document, list) else document


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    return as_of_stage.make(settings)


def address(stage: SimpleNamespace, each: Operation) -> str:
    paper = stage.client.get(f"{V1}/cash-transactions").json()["results"][-1]["id"]
    return each.path(
        {
            "portfolio_id": stage.book.pk,
            "position_id": stage.held.pk,
            "transaction_id": paper,
            "order_id": stage.order.pk,
            "trade_id": stage.trade.pk,
            "alert_id": stage.alert.pk,
            "limit_id": stage.limit.pk,
            "valuation_id": stage.value.pk,
            "price_id": f"{stage.held.instrument_id}:{DAY}:bundled",
            "symbol": "AAA",
            "underlying": "AAA",
            "cid": "then",
        }
    )


def told(stage: SimpleNamespace, query: str) -> dict[str, tuple[int, Any]]:
    found = {}
    for each in in_time():
        more = NEEDED.get(name_of(each), "")
        answer = stage.client.get(f"{address(stage, each)}?{query}&{more}".rstrip("&"))
        found[name_of(each)] = (answer.status_code, plain(answer.json()))
        if answer.status_code == 200:
            assert answer["X-As-Of"], name_of(each)
    return found


def test_a_read_takes_a_past_close_or_says_why_it_has_none() -> None:
    taking = {
        name_of(each) for each in reads() if "as_of" in lists.known_parameters(each.view, "GET")
    }
    every = {name_of(each) for each in reads()}

    assert every - taking - set(TIMELESS) == set()
    assert taking & set(TIMELESS) == {"jobs"}
    assert set(TIMELESS) <= every
    assert all(len(why) > 20 for why in TIMELESS.values())


def test_no_write_takes_a_past_close(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    admin = world.make_user("root@example.com", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(admin)
    writes = [each for each in matrix.operations() if each.method != "get"]
    assert len(writes) > 100
    for each in writes:
        send = getattr(client, each.method)
        answer = send(f"{each.path({})}?as_of={DAY}", {}, content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter"), str(each)


def _known(answers: dict[str, tuple[int, Any]]) -> dict[str, Any]:
    told = {name: document for name, (status, document) in answers.items() if status == 200}
    del told[STOPS]  # where a stop stood is kept until it moves: see its own test
    return told


def _differing(before: Any, after: Any, place: str = "") -> list[str]:
    """Where two documents are not the same."""
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        return [
            each for key in before for each in _differing(before[key], after[key], f"{place}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [each for at, (a, b) in pairs for each in _differing(a, b, f"{place}[{at}]")]
    return [] if before == after else [f"{place}: {before!r:.80} -> {after!r:.80}"]


def test_what_was_known_at_a_close_stays_what_it_was(stage: SimpleNamespace) -> None:
    before = told(stage, f"as_of={DAY}")
    now = told(stage, f"as_of={world.TODAY}")

    everything_happens(stage)

    after = told(stage, f"as_of={DAY}")
    statuses = {name: status for name, (status, _) in before.items()}
    assert statuses == {name: NOT_STAGED.get(name, 200) for name in before}
    leaks = _differing(_known(before), _known(after))
    assert not leaks, "\n".join(leaks)
    later = told(stage, f"as_of={world.TODAY}")
    same = {name for name in later if later[name][1] == now[name][1]}
    assert len(same) < len(later) / 3  # the day changed what is known now
    assert _known(told(stage, "as_of=2016-06-23T10:00:00-04:00")) == _known(after)


def test_the_figures_of_a_close_are_those_of_its_snapshot(stage: SimpleNamespace) -> None:
    everything_happens(stage)
    row = stage.book.snapshots.get(session_date=DAY)
    lines = {
        each.instrument.symbol: each
        for each in PositionSnapshot.objects.filter(snapshot=row).select_related("instrument")
    }

    def ask(path: str) -> Any:
        sign = "&" if "?" in path else "?"
        answer = stage.client.get(f"{V1}/{path}{sign}as_of={DAY}")
        assert answer.status_code == 200, answer.content
        return answer.json()

    base = f"portfolios/{stage.book.pk}"
    nav = row.nav
    assert Decimal(ask(base)["nav"]) == Decimal(ask(f"{base}/summary")["data"]["nav"]) == nav
    assert Decimal(ask(base)["cash"]) == row.cash
    assert (ask(base)["state"], ask(base)["reasons"]["state"]) == (None, "not_kept")
    [listed] = ask("portfolios")["results"]
    assert (Decimal(listed["nav"]), listed["nav_session_date"]) == (nav, str(DAY))
    data = ask(f"{base}/exposures")["data"]
    for name in ("long_exposure", "short_exposure", "gross_exposure", "net_exposure"):
        assert Decimal(data[name]) == getattr(row, name)
    for path in (f"{base}/positions", "positions", "data/positions/details"):
        page = ask(path)
        assert page["as_of"] == "2016-06-22T20:00:00.000Z"
        for each in page["results"]:
            line = lines[each["symbol"]]
            assert Decimal(each["quantity"]) == line.quantity
            assert Decimal(each["price"]) == line.price
            assert Decimal(each["exposure"]) == line.exposure
    one = ask(f"positions/{stage.held.pk}")
    assert Decimal(one["exposure"]) == lines["AAA"].exposure
    assert one["realized_pnl"] is None
    assert ask(f"{base}/history")["data"]["points"][-1]["session_date"] == str(DAY)
    assert [each["session_date"] for each in ask(f"{base}/snapshots")["results"]] == [str(DAY)]
    quotes = ask("quotes?symbols=AAA,BBB")
    assert set(quotes) == {"AAA", "BBB"}
    assert {each: Decimal(quotes[each]["price"]) for each in quotes} == world.PRICES
    assert ask("market/bars/AAA")["bars"][-1]["at"] == str(DAY)
    assert {each["session_date"] for each in ask("prices")["results"]} == {str(DAY)}
    assert ask("covariance")["session_date"] == str(DAY)


def test_tags_are_those_the_snapshot_kept(stage: SimpleNamespace) -> None:
    everything_happens(stage)
    client, base = stage.client, f"{V1}/portfolios/{stage.book.pk}"

    then = client.get(f"{V1}/positions/{stage.held.pk}/tags?as_of={DAY}").json()
    grouped = client.get(f"{base}/positions/grouped?group_by=tag,strategy&as_of={DAY}").json()
    rows = client.get(f"{base}/positions?tag=core&as_of={DAY}").json()["results"]
    [plan] = client.get(f"{V1}/strategies?as_of={DAY}").json()["results"]

    assert [each["word"] for each in then["tags"]] == ["core", "#strategy:carry"]
    assert {each["label"] for each in grouped["data"]["groups"]["tag"]} == {"core", "No tag"}
    assert {each["code"] for each in grouped["meta"]["warnings"]} == {"overlapping_groups"}
    assert [(each["symbol"], each["tags"]) for each in rows] == [
        ("AAA", ["core", "#strategy:carry"])
    ]
    assert (plan["name"], [each["symbol"] for each in plan["legs"]]) == ("carry", ["AAA"])
    assert Tag.objects.filter(name="core").count() == 0

    PositionSnapshot.objects.update(tags=None)  # as sessions from before have it
    old = client.get(f"{base}/positions/grouped?group_by=tag&as_of={DAY}").json()
    gone = client.get(f"{V1}/positions/{stage.held.pk}/tags?as_of={DAY}")
    assert "tags_of_today" in {each["code"] for each in old["meta"]["warnings"]}
    assert (gone.status_code, gone.json()["reason"]) == (422, "not_kept")


def test_a_snapshot_taken_again_keeps_the_tags_it_had(stage: SimpleNamespace) -> None:
    everything_happens(stage)
    PositionSnapshot.objects.filter(snapshot__session_date=DAY).update(price=1)

    snapshots.retake(portfolio_id=stage.book.pk, start=DAY)

    rows = PositionSnapshot.objects.filter(snapshot__session_date=DAY, instrument__symbol="AAA")
    assert [[mark["name"] for mark in each.tags] for each in rows] == [["carry", "core"]]
    assert [each.price for each in rows] == [100]  # the row was written anew


def test_an_alert_stands_as_it_stood(stage: SimpleNamespace) -> None:
    acknowledged = stage.client.get(f"{V1}/alerts?state=open&as_of={DAY}").json()["results"]
    everything_happens(stage)
    ask = stage.client.get

    [then] = ask(f"{V1}/alerts?as_of={DAY}").json()["results"]
    assert (then["state"], then["acknowledged_label"], then["note"]) == ("open", "", "")
    assert (then["severity"], then["reasons"]) == ("warning", {})
    assert [each["id"] for each in acknowledged] == [str(stage.alert.pk)]
    assert ask(f"{V1}/alerts?state=acknowledged&as_of={DAY}").json()["count"] == 0
    assert ask(f"{V1}/alerts?state=open&as_of={DAY}").json()["count"] == 1
    assert ask(f"{V1}/alerts").json()["count"] == 2

    alerts.raise_once(
        portfolio_id=stage.book.pk, kind="limit", key="limit:gross", severity="critical",
        title="Gross exposure is above its limit", detail="", as_of=sessions.now(), session_date=world.TODAY,
    )  # fmt: skip
    later = ask(f"{V1}/alerts/{stage.alert.pk}?as_of={DAY}").json()
    assert (later["state"], later["severity"], later["count"]) == ("open", None, None)
    assert later["reasons"]["severity"] == "not_kept"
    assert ask(f"{V1}/alerts?severity=critical&as_of={DAY}").json()["count"] == 0
    newer = Alert.objects.get(key="stop:AAA")
    assert ask(f"{V1}/alerts/{newer.pk}?as_of={DAY}").status_code == 404


def test_a_stop_is_told_as_far_as_it_is_kept(stage: SimpleNamespace) -> None:
    url = f"{V1}/portfolios/{stage.book.pk}/stop-loss?as_of={DAY}"
    kept = {each["symbol"]: each for each in stage.client.get(url).json()["results"]}
    assert kept["AAA"]["stop_price"]
    assert kept["AAA"]["reason"] is None

    everything_happens(stage)

    moved = {each["symbol"]: each for each in stage.client.get(url).json()["results"]}
    assert set(moved) == {"AAA", "BBB"}
    assert (moved["AAA"]["state"], moved["AAA"]["stop_price"]) == ("near", "95.00")
    assert (moved["AAA"]["close"], moved["AAA"]["distance"]) == ("100.00", pytest.approx(0.05))
    assert moved["AAA"]["extreme"] is None
    assert (moved["BBB"]["state"], moved["BBB"]["stop_price"]) == (None, None)
    assert {each["reason"] for each in moved.values()} == {"not_kept"}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("soon", "as_of_malformed"),
        ("2016-02-30", "as_of_malformed"),
        ("20160622", "as_of_malformed"),
        ("2016-06-22T20:00:00", "as_of_malformed"),
        ("2016-06-19", "as_of_no_session"),
        ("1999-06-22", "as_of_no_session"),
        ("0001-01-01T00:00:00Z", "as_of_no_session"),
        ("2016-06-24", "as_of_in_future"),
        ("2016-06-23T20:00:00Z", "as_of_in_future"),
    ],
)
def test_what_is_no_close_is_refused_the_same_way_everywhere(
    stage: SimpleNamespace, asked: str, code: str
) -> None:
    for each in in_time():
        more = NEEDED.get(name_of(each), "")
        answer = stage.client.get(f"{address(stage, each)}?as_of={asked}&{more}".rstrip("&"))
        found = answer.json()
        assert answer.status_code == 400, (name_of(each), found)
        assert (found["errors"][0]["attr"], found["errors"][0]["code"]) == ("as_of", code)


def test_before_a_book_began_its_figures_are_refused_and_its_lists_empty(
    stage: SimpleNamespace,
) -> None:
    early = "2016-06-21"
    base = f"{V1}/portfolios/{stage.book.pk}"
    for tail in ("", "/summary", "/exposures", "/positions", "/greeks", "/data-quality"):
        answer = stage.client.get(f"{base}{tail}?as_of={early}")
        assert (answer.status_code, answer.json()["reason"]) == (422, "as_of_before_book"), tail
    for path in ("portfolios", "positions", "orders", "trades", "alerts", "cash-transactions"):
        assert stage.client.get(f"{V1}/{path}?as_of={early}").json()["results"] == [], path


def test_the_running_session_is_the_present(stage: SimpleNamespace) -> None:
    world.quote("AAA", Decimal(101))
    url = f"{V1}/portfolios/{stage.book.pk}/summary"

    now, asked = (stage.client.get(url + query) for query in ("", f"?as_of={world.TODAY}"))

    assert plain(now.json()) == plain(asked.json())
    assert "X-As-Of" not in now
    assert asked["X-As-Of"] == now.json()["as_of"]


def test_a_file_of_a_past_list_names_its_close(stage: SimpleNamespace) -> None:
    answer = stage.client.get(f"{V1}/portfolios/{stage.book.pk}/positions?format=csv&as_of={DAY}")

    assert answer["X-As-Of"] == "2016-06-22T20:00:00.000Z"
    assert b"AAA" in answer.content
