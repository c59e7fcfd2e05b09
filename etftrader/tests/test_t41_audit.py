"""T-41: every operation that changes something leaves one audit line, and nobody rewrites it.

Seeded faults it must catch: audit skipped in one endpoint, trigger dropped, a changed byte.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django_celery_beat.models import PeriodicTask

from etftrader.core import audit, clock
from etftrader.core.actor import Actor, system
from etftrader.core.records import AuditEvent, JobRun
from etftrader.services.acts import setup_schedules
from etftrader.testing import matrix
from etftrader.testing.plugin import lift_triggers
from etftrader.tests import (
    book_cases,
    import_cases,
    market_cases,
    order_cases,
    report_cases,
    tag_cases,
)
from etftrader.tests.test_house import APPEND_ONLY
from marketdata.models import CorporateAction, Instrument, QuarantinedPrice
from marketdata.services import contracts
from portfolios.models import (
    CashTransaction,
    Invitation,
    LedgerEntry,
    Membership,
    Portfolio,
    TokenFamily,
    User,
    Watchlist,
    WatchlistItem,
)
from portfolios.services import accounts, ledger, tokens, verification
from risk.models import Alert, LimitBreach, RiskLimit, StopEvent
from risk.services import stop_loss
from trading.models import Order
from trading.tests import world

pytestmark = pytest.mark.django_db
PASSWORD = "a-long-password-1"
FILE = "ticker,quantity,entry_price,entry_date\nBBB,10,50,2016-06-22\n"
PRICES = "date,symbol,close\n2016-06-21,AAA,99\n"
ANY = {"HTTP_IF_MATCH": "*"}
BOND = {"instrument": "ACME-26", "coupon_rate": 0.045, "maturity": "2026-05-15"}
OPTION = {"symbol": "AAA160819C00100000"}
ACTION = {"symbol": "AAA", "kind": "split", "ex_date": "2016-06-22", "ratio": "4"}


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    """A funded book in session, and one of everything an address may name."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    settings.REGISTRATION_OPEN = True
    world.make_market()
    book = world.make_portfolio()
    world.lift_var_limit(book)
    owner = book.account.customer.user
    world.add_to_group(owner, "Operator")
    mine = Actor.of_user(owner)
    friend = world.make_user("friend@example.com")
    row, _ = tokens.create_personal(user=owner, name="other", scopes=["read"], by=mine)
    token = tokens.create_personal(
        user=owner, name="t", scopes=["read", "trade", "admin"], by=mine
    )[1]
    made = SimpleNamespace(
        book=book,
        owner=owner,
        friend=friend,
        pair=tokens.issue(user=owner),
        headers={"HTTP_AUTHORIZATION": f"Token {token}"},
        ids={"portfolio_id": book.pk, "token_id": row.pk},
    )
    made.ids |= _rows(made)
    return made


def _rows(made: SimpleNamespace) -> dict[str, Any]:
    """What the addresses name beside the portfolio."""
    moment = datetime(2016, 6, 22, 20, tzinfo=UTC)
    part = Membership.objects.create(portfolio=made.book, user=made.friend, role="viewer")
    order = Order.objects.create(
        portfolio=made.book,
        instrument=Instrument.objects.get(symbol="AAA"),
        client_order_id="waits",
        side="buy",
        quantity=1,
        state="accepted",
        placed_as_of=moment,
        session_date=moment.date(),
    )
    alert = Alert.objects.create(
        portfolio=made.book,
        kind="limit",
        key="a",
        severity="warning",
        title="A",
        session_date=moment.date(),
        first_seen=moment,
        last_seen=moment,
        number=1,
    )
    followed = Watchlist.objects.create(user=made.owner, name="Followed")
    item = WatchlistItem.objects.create(watchlist=followed, symbol="AAA")
    return {
        "watchlist_id": followed.pk,
        "item_id": item.pk,
        "member_id": part.pk,
        "order_id": order.pk,
        "alert_id": alert.pk,
        "limit_id": RiskLimit.objects.get(portfolio=made.book).pk,
        "transaction_id": CashTransaction.objects.get(portfolio=made.book).pk,
        "sign_in_id": TokenFamily.objects.get(user=made.owner).pk,
    }


def job(status: str) -> Callable[[SimpleNamespace], dict[str, Any]]:
    def make(stage: SimpleNamespace) -> dict[str, Any]:
        run = JobRun.objects.create(
            job="etftrader.run_day",
            as_of=world.YESTERDAY,
            status=status,
            requested_by=stage.owner.pk,
        )
        return {"job_id": run.pk}

    return make


def checked_file(stage: SimpleNamespace) -> dict[str, Any]:
    answer = Client().post(
        f"/api/v1/portfolios/{stage.book.pk}/imports",
        {"content": FILE},
        "application/json",
        **stage.headers,
    )
    assert answer.status_code == 201, answer.content
    return {"import_id": answer.json()["id"]}


def halted(stage: SimpleNamespace) -> dict[str, Any]:
    answer = Client().post(
        f"/api/v1/portfolios/{stage.book.pk}/halt",
        {"reason": "a look"},
        "application/json",
        **stage.headers,
    )
    assert answer.status_code == 200, answer.content
    return {}


def known_before(stage: SimpleNamespace) -> dict[str, Any]:
    """The one who gets a part had one before: others are invited."""
    user = User.objects.get(email="third@example.com")
    Membership.objects.create(
        portfolio=stage.book, user=user, role="viewer", revoked_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    return {}


def part_of_friend(stage: SimpleNamespace) -> dict[str, Any]:
    book = world.make_portfolio(cash="0", user=stage.friend, name="Friend's")
    Membership.objects.create(portfolio=book, user=stage.owner, role="viewer")
    return {"portfolio_id": book.pk}


def invitation(book: Portfolio, by: User, email: str) -> dict[str, Any]:
    row = Invitation.objects.create(
        portfolio=book,
        email=email,
        role="viewer",
        hash="0" * 64,
        sent_at=datetime(2016, 6, 22, 20, tzinfo=UTC),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        invited_by=by,
    )
    return {"invitation_id": row.pk}


def invited(stage: SimpleNamespace) -> dict[str, Any]:
    return invitation(stage.book, stage.owner, "guest@example.com")


def invited_by_friend(stage: SimpleNamespace) -> dict[str, Any]:
    book = world.make_portfolio(cash="0", user=stage.friend, name="Friend's")
    return invitation(book, stage.friend, stage.owner.email)


def empty_book(stage: SimpleNamespace) -> dict[str, Any]:
    return {"portfolio_id": world.make_portfolio(cash="0", user=stage.owner, name="Empty").pk}


def known_bond(stage: SimpleNamespace) -> dict[str, Any]:
    answer = Client().post("/api/v1/bonds", BOND, "application/json", **stage.headers)
    assert answer.status_code == 201, answer.content
    return {"bond_id": answer.json()["id"]}


def refresh_body(stage: SimpleNamespace) -> dict[str, Any]:
    return {"refresh": stage.pair.refresh}


def held_price(stage: SimpleNamespace) -> dict[str, Any]:
    doubt = QuarantinedPrice.objects.create(
        instrument=Instrument.objects.get(symbol="AAA"),
        symbol="AAA",
        dataset="daily_bars",
        session_date=world.YESTERDAY,
        source="csv",
        price_basis="close",
        raw={"close": "200.0"},
        value="200.0",
        compared_with="100",
        reason="split_without_action",
    )
    return {"doubt_id": doubt.pk}


def announced(stage: SimpleNamespace) -> dict[str, Any]:
    action = CorporateAction.objects.create(
        instrument=Instrument.objects.get(symbol="AAA"),
        kind="dividend",
        ex_date=world.YESTERDAY,
        amount=1,
        source="csv",
    )
    return {"action_id": action.pk}


def held_option(stage: SimpleNamespace) -> dict[str, Any]:
    made = contracts.ensure(symbols=[OPTION["symbol"]], by=Actor.of_user(stage.owner)).contracts
    [option] = made.values()
    ledger.book_opening(
        portfolio_id=stage.book.pk,
        instrument=option.instrument,
        quantity=Decimal(2),
        price=Decimal(3),
        session_date=world.YESTERDAY,
        source="t:option",
    )
    return {}


def symbol(stage: SimpleNamespace) -> dict[str, Any]:
    return {"symbol": "BBB", "watchlist": str(stage.ids["watchlist_id"])}


def one_of(key: str, **fields: Any) -> Callable[[SimpleNamespace], list[Any]]:
    """A batch of one row."""
    return lambda stage: [{"id": str(stage.ids[key]), **fields}]


def held_prices(stage: SimpleNamespace) -> dict[str, Any]:
    return {"doubt_ids": [str(held_price(stage)["doubt_id"])], "verdict": "accept"}


def planned(stage: SimpleNamespace) -> dict[str, Any]:
    setup_schedules()
    return {"schedule_id": PeriodicTask.objects.get(name="day: prices").pk}


def chained(stage: SimpleNamespace) -> dict[str, Any]:
    return {"symbol": "AAA"}


P = "/api/v1/portfolios/<uuid:portfolio_id>"
W, WI = "/api/v1/watchlists", "/api/v1/watchlist-items"
# operation -> body (or a function of the stage), headers, what to prepare first
How = tuple[Any, dict[str, str], Callable[[SimpleNamespace], dict[str, Any]] | None]
AUDITED: dict[str, How] = {
    "POST /api/v1/auth/register": (
        {"email": "new@example.com", "password": "brand-new-words-9", "name": "New"},
        {},
        None,
    ),
    "POST /api/v1/auth/change-password": (
        {"old_password": PASSWORD, "new_password": "other-words-of-mine-7"},
        {},
        None,
    ),
    "POST /api/v1/auth/tokens": ({"name": "mine", "scopes": ["read"]}, {}, None),
    "DELETE /api/v1/auth/tokens/<uuid:token_id>": ({}, {}, None),
    "DELETE /api/v1/auth/sessions": ({}, {}, None),
    f"POST {P}/members": ({"email": "third@example.com", "role": "viewer"}, {}, known_before),
    f"POST {P}/leave": ({}, {}, part_of_friend),
    f"POST {P}/invitations": ({"email": "new@example.com", "role": "viewer"}, {}, None),
    f"POST {P}/invitations/<uuid:invitation_id>/resend": ({}, {}, invited),
    f"DELETE {P}/invitations/<uuid:invitation_id>": ({}, ANY, invited),
    "POST /api/v1/invitations/<uuid:invitation_id>/accept": ({}, {}, invited_by_friend),
    "POST /api/v1/invitations/<uuid:invitation_id>/decline": ({}, {}, invited_by_friend),
    f"PATCH {P}/members/<uuid:member_id>": ({"role": "editor"}, ANY, None),
    f"DELETE {P}/members/<uuid:member_id>": ({}, ANY, None),
    "POST /api/v1/portfolios": ({"name": "Second"}, {}, None),
    f"PATCH {P}": ({"name": "Other"}, ANY, None),
    f"DELETE {P}": ({}, ANY, empty_book),
    f"POST {P}/cash": ({"type": "deposit", "amount": "5"}, {}, None),
    f"POST {P}/cash/<uuid:transaction_id>/reverse": ({"reason": "typing error"}, {}, None),
    f"POST {P}/upload": ({"content": FILE}, {}, None),
    f"POST {P}/halt": ({"reason": "a look"}, {}, None),
    f"POST {P}/resume": ({}, {}, halted),
    "POST /api/v1/imports/<uuid:import_id>/commit": ({}, {}, checked_file),
    "POST /api/v1/portfolio/upload": ({"content": FILE}, {}, None),
    f"POST {P}/risk/limits": (
        {"measure": "gross", "value": "2", "reason": "a tighter book"},
        {},
        None,
    ),
    f"PATCH {P}/risk/limits/<uuid:limit_id>": (
        {"value": "0.5", "reason": "a tighter book"},
        ANY,
        None,
    ),
    f"DELETE {P}/risk/limits/<uuid:limit_id>": ({"reason": "not needed"}, ANY, None),
    f"PUT {P}/benchmarks": ({"symbols": ["BBB"]}, ANY, None),
    f"PUT {P}/stop-loss": (
        {"enabled": True, "mode": stop_loss.MODES[0], "ratchet": True},
        ANY,
        None,
    ),
    "POST /api/v1/alerts/<uuid:alert_id>/acknowledge": ({"note": "seen"}, {}, None),
    "POST /api/v1/options": (OPTION, {}, None),
    "POST /api/v1/options/batch": ([OPTION], {}, None),
    "POST /api/v1/bonds": (BOND, {}, None),
    "POST /api/v1/bonds/batch": ([BOND], {}, None),
    "PATCH /api/v1/bonds/<uuid:bond_id>": ({"coupon_rate": 0.05}, ANY, known_bond),
    "POST /api/v1/data/quarantine/<uuid:doubt_id>/accept": ({"note": "a split"}, {}, held_price),
    "POST /api/v1/data/quarantine/<uuid:doubt_id>/reject": ({}, {}, held_price),
    "POST /api/v1/data/actions": (ACTION, {}, None),
    "POST /api/v1/data/actions/<uuid:action_id>/reject": ({"reason": "a rumour"}, {}, announced),
    f"POST {W}": ({"name": "Mine"}, {}, None),
    f"PUT {W}/<uuid:watchlist_id>": ({"name": "Whole"}, ANY, None),
    f"PATCH {W}/<uuid:watchlist_id>": ({"name": "Other"}, ANY, None),
    f"DELETE {W}/<uuid:watchlist_id>": ({}, ANY, None),
    f"POST {W}/batch": ([{"name": "Mine"}], {}, None),
    f"PATCH {W}/batch": (one_of("watchlist_id", name="Other"), {}, None),
    f"DELETE {W}/batch": (one_of("watchlist_id"), {}, None),
    f"POST {WI}": (symbol, {}, None),
    f"PUT {WI}/<uuid:item_id>": ({"symbol": "BBB"}, ANY, None),
    f"PATCH {WI}/<uuid:item_id>": ({"note": "a hedge"}, ANY, None),
    f"DELETE {WI}/<uuid:item_id>": ({}, ANY, None),
    f"POST {WI}/batch": (lambda stage: [symbol(stage)], {}, None),
    f"PATCH {WI}/batch": (one_of("item_id", note="a hedge"), {}, None),
    f"DELETE {WI}/batch": (one_of("item_id"), {}, None),
    "POST /api/v1/data/quarantine/decide": (held_prices, {}, None),
    "POST /api/v1/data/import": ({"content": PRICES}, {}, None),
    "PATCH /api/v1/schedules/<int:schedule_id>": ({"enabled": False}, ANY, planned),
    "POST /api/v1/jobs/<uuid:job_id>/cancel": ({}, {}, job("queued")),
    "POST /api/v1/jobs/<uuid:job_id>/retry": ({}, {}, job("failed")),
    **market_cases.AUDITED,
    **order_cases.AUDITED,
    **book_cases.AUDITED,
    **tag_cases.AUDITED,
    **report_cases.AUDITED,
    **import_cases.AUDITED,
}
# one act, two objects, each with its line
SEVERAL = {
    **order_cases.SEVERAL,
    **book_cases.SEVERAL,
    "POST /api/v1/auth/register": ["user.created", "portfolio.create"],
    f"POST {import_cases.ONE}/undo": import_cases.UNDONE,
}
JOB = "a wish: the run keeps who asked and when, and what it changes is audited where it happens"
SIGN_IN = "a sign-in is a row of its own, with when it began and when it ended"
FREE: dict[str, tuple[str, How]] = {
    "POST /api/v1/auth/login": (
        SIGN_IN,
        ({"email": "owner@example.com", "password": PASSWORD}, {}, None),
    ),
    "POST /api/v1/auth/refresh": (SIGN_IN, (refresh_body, {}, None)),
    "POST /api/v1/auth/logout": (SIGN_IN, (refresh_body, {}, None)),
    "DELETE /api/v1/auth/sessions/<uuid:sign_in_id>": (SIGN_IN, ({}, {}, None)),
    "POST /api/v1/ws-tickets": (
        "a ticket lives thirty seconds, outside the database",
        ({}, {}, None),
    ),
    f"POST {P}/snapshots": (JOB, ({"session_date": "2016-06-22"}, {}, None)),
    f"POST {P}/greeks/calculate": (JOB, ({}, {}, held_option)),
    f"POST {P}/imports": (order_cases.CHECK, ({"content": FILE}, {}, None)),
    "POST /api/v1/imports": (order_cases.CHECK, ({"content": FILE}, {}, None)),
    "POST /api/v1/data/update": (JOB, ({}, {}, None)),
    "POST /api/v1/market/refresh": (JOB, ({}, {}, None)),
    "POST /api/v1/market/options/<str:symbol>/refresh": (JOB, ({}, {}, chained)),
    "POST /api/v1/admin/clock": (JOB, ({}, {}, None)),
    "POST /api/v1/schedules/<int:schedule_id>/run": (JOB, ({}, {}, planned)),
    "POST /api/v1/admin/batch/market-data": (JOB, ({}, {}, None)),
    "POST /api/v1/admin/batch/greeks": (JOB, ({}, {}, None)),
    "POST /api/v1/admin/batch/risk-metrics": (JOB, ({}, {}, None)),
    "POST /api/v1/admin/batch/snapshots": (JOB, ({}, {}, None)),
}
FREE |= {name: (JOB, how) for name, how in market_cases.ASKED.items()}
FREE |= import_cases.FREE | order_cases.FREE
CHANGING = {str(each): each for each in matrix.operations() if each.method != "get"}


def run(stage: SimpleNamespace, name: str, how: How) -> list[AuditEvent]:
    """Do it once; the lines it wrote."""
    body, extra, prepare = how
    known = stage.ids | (prepare(stage) if prepare else {})
    if callable(body):
        body = body(stage)
    operation = CHANGING[name]
    path = operation.path(known)
    seen = set(AuditEvent.objects.values_list("pk", flat=True))
    send = getattr(Client(), operation.method)
    answer = send(path, body, "application/json", **stage.headers, **extra)
    assert answer.status_code in (200, 201, 202, 204), answer.content
    return [row for row in AuditEvent.objects.order_by("pk") if row.pk not in seen]


def test_every_operation_that_may_change_something_is_on_one_of_the_lists() -> None:
    assert not set(AUDITED) & set(FREE)
    assert set(AUDITED) | set(FREE) == set(CHANGING)


@pytest.mark.parametrize("name", AUDITED)
def test_a_change_leaves_exactly_one_line_that_says_who_and_what(
    stage: SimpleNamespace, name: str
) -> None:
    accounts.create_user(email="third@example.com", password=PASSWORD, by=system("tests"))

    lines = run(stage, name, AUDITED[name])

    actions = [each.action for each in lines]
    assert actions == SEVERAL.get(name, actions[:1])
    assert actions
    for line in lines:
        assert line.action
        assert line.object_id
        assert line.actor_label
    if name not in SEVERAL:
        assert lines[0].actor_id == stage.owner.pk
        assert lines[0].request_id
    assert audit.verify() == []


@pytest.mark.parametrize("name", FREE)
def test_what_is_excused_works_and_leaves_none(stage: SimpleNamespace, name: str) -> None:
    assert [each.action for each in run(stage, name, FREE[name][1])] == []


def test_a_refused_change_leaves_no_line(stage: SimpleNamespace) -> None:
    before = AuditEvent.objects.count()
    path = f"/api/v1/portfolios/{stage.book.pk}/cash"
    body = {"type": "withdrawal", "amount": "100000000"}

    answer = Client().post(path, body, "application/json", **stage.headers)

    assert answer.status_code == 422
    assert AuditEvent.objects.count() == before


# --- nobody rewrites it -------------------------------------------------------------------------


@pytest.fixture
def history(stage: SimpleNamespace) -> SimpleNamespace:
    """At least one row in every append-only table."""
    for name in (
        f"POST {P}/orders",
        f"POST {P}/orders/check",
        f"POST {P}/baskets",
        f"POST {P}/cash",
        f"POST {P}/transfers",
    ):
        run(stage, name, (AUDITED | {key: how for key, (_, how) in FREE.items()})[name])
    fund = Instrument.objects.get(symbol="AAA")
    moment = clock.now()
    common = {
        "portfolio": stage.book,
        "session_date": world.YESTERDAY,
        "recorded_at": moment,
    }
    LimitBreach.objects.create(
        measure="var",
        from_state="ok",
        to_state="breach",
        observed=2.0,
        threshold=1.0,
        as_of=moment,
        **common,
    )
    StopEvent.objects.create(
        instrument=fund, kind="triggered", close=90, stop_price=95, regime="calm", **common
    )
    return stage


def columns(table: str) -> list[str]:
    [model] = [each for each in apps.get_models() if each._meta.db_table == table]
    return [field.column for field in model._meta.concrete_fields]


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_no_row_of_an_append_only_table_is_rewritten_or_deleted(
    history: SimpleNamespace, table: str
) -> None:
    """By raw SQL, column for column: what no door offers the database refuses too."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        before = cursor.fetchall()
        assert before
        statements = [f"UPDATE {table} SET {name} = {name}" for name in columns(table)]
        for statement in [*statements, f"DELETE FROM {table}"]:
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(statement)
        cursor.execute(f"SELECT * FROM {table}")
        assert cursor.fetchall() == before


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_dropped_trigger_would_be_noticed(history: SimpleNamespace, table: str) -> None:
    """The refusal above is the trigger's: without it the same statement goes through."""
    with lift_triggers(connection), transaction.atomic(), connection.cursor() as cursor:
        name = columns(table)[0]
        cursor.execute(f"UPDATE {table} SET {name} = {name}")
        assert cursor.rowcount > 0


def changed(field: Any, value: Any) -> Any:
    """The smallest other value: one character, one unit, one second."""
    if field.null and value is None:
        return None
    if isinstance(value, bool):
        return not value
    if isinstance(value, datetime):
        return value + timedelta(seconds=1)
    if isinstance(value, date):
        return value + timedelta(days=1)
    if isinstance(value, Decimal):
        return value + Decimal("0.000001")
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, uuid.UUID):
        return uuid.UUID(int=value.int ^ 1)
    if isinstance(value, dict):
        return value | {"more": 1}
    text = str(value)
    return (chr(ord(text[0]) ^ 1) + text[1:]) if text else "x"


def spoil(row: Any, field: Any) -> bool:
    """Change one field of one row past the triggers; False where there was nothing to change."""
    other = changed(field, getattr(row, field.attname))
    if other is None:
        return False
    with lift_triggers(connection):
        type(row).objects.filter(pk=row.pk).update(**{field.attname: other})
    return True


def fields(model: Any, *besides: str) -> list[Any]:
    return [each for each in model._meta.concrete_fields if each.name not in {"id", *besides}]


@pytest.mark.parametrize("field", fields(AuditEvent), ids=lambda field: field.name)
def test_a_changed_audit_line_is_found(history: SimpleNamespace, field: Any) -> None:
    rows = AuditEvent.objects.filter(chain=str(history.book.pk)).order_by("seq")
    assert audit.verify() == []
    for row in [*rows, *AuditEvent.objects.filter(chain=audit.SITE)]:
        if getattr(row, field.attname) is not None:
            assert spoil(row, field)
            break
    else:
        # no line has it: one that gets it is a changed line all the same
        with lift_triggers(connection):
            rows.filter(seq=1).update(**{field.attname: {"more": 1}})

    assert audit.verify()


# an instrument is a row elsewhere: the leg is made to name the other one of the market
@pytest.mark.parametrize(
    "field", fields(LedgerEntry, "portfolio", "instrument"), ids=lambda field: field.name
)
def test_a_changed_leg_of_the_ledger_is_found(history: SimpleNamespace, field: Any) -> None:
    assert verification.verify(portfolio_id=history.book.pk) == []
    row = LedgerEntry.objects.filter(portfolio=history.book).order_by("-seq", "leg").first()

    if getattr(row, field.attname) is None:
        # no leg of the book has it: one that gets it is a changed leg all the same
        with lift_triggers(connection):
            LedgerEntry.objects.filter(pk=row.pk).update(**{field.attname: Decimal("1.5")})
    else:
        assert spoil(row, field)

    assert verification.verify(portfolio_id=history.book.pk)


def test_a_leg_that_names_another_instrument_is_found(history: SimpleNamespace) -> None:
    legs = LedgerEntry.objects.filter(portfolio=history.book, instrument__symbol="AAA")
    with lift_triggers(connection):
        assert legs.update(instrument=Instrument.objects.get(symbol="BBB"))

    assert verification.verify(portfolio_id=history.book.pk)


def test_a_missing_line_is_found(history: SimpleNamespace) -> None:
    rows = AuditEvent.objects.filter(chain=str(history.book.pk)).order_by("seq")
    with lift_triggers(connection):
        rows.filter(pk=rows[0].pk).delete()

    assert audit.verify(chain=history.book.pk)
