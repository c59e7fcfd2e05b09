"""T-20: every operation × every kind of actor × every place an id can stand.

Seeded faults it must catch: a filter that looks a foreign id up, a read without its scope, an
operation or a parameter nobody has classified.
"""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from etftrader.core.actor import Actor
from etftrader.core.api import registry
from etftrader.core.api.registry import CLASSES
from etftrader.core.records import AuditEvent, JobRun
from etftrader.testing import matrix, places
from etftrader.tests import book_cases, import_cases, order_cases, report_cases, tag_cases
from marketdata.models import Instrument, Valuation
from marketdata.selectors import sessions
from marketdata.services import instruments as instrument_service
from portfolios.constants import ROLES
from portfolios.models import (
    Account,
    ApiToken,
    CashTransaction,
    Customer,
    Invitation,
    Membership,
    Portfolio,
    TokenFamily,
    User,
    Watchlist,
    WatchlistItem,
)
from portfolios.services import csv_import, ledger, tokens
from risk.models import Alert, PreTradeCheck, RiskLimit
from trading.models import Trade
from trading.services import orders
from trading.tests import world

pytestmark = pytest.mark.django_db
INSIDE = {"owner", "owner_group_viewer", "editor_trading", "editor", "viewer", "read_token"}
STAFF = {"staff_reader", "superuser"}
READERS = INSIDE | STAFF
# who may, by the table of the permissions; written out here, not read from the product
MAY: dict[str, set[str]] = {
    "view": READERS,
    "view_audit": {"owner", "owner_group_viewer", "read_token"} | STAFF,
    "note": {"owner", "editor_trading", "editor"},
    "trade": {"owner", "editor_trading"},
    "calculate": {"owner"},
    "manage": {"owner"},
    "limit": {"owner"},
    "share": {"owner"},
    "revoke": {"owner"},
    "leave": INSIDE - {"read_token"},
    "halt": {"owner"},
}
CLOSED = {"registration_closed"}
OWNER = {"owner", "read_token"}
# who may read a thing by its own address; everything else of a portfolio is for its readers
SEEN_BY = {
    "token_id": OWNER,
    "sign_in_id": OWNER,
    "symbol": OWNER,
    "invitation_id": set(),  # to an address none of them has
    "job_id": OWNER | STAFF,
    "account_id": OWNER | STAFF,
    "watchlist_id": OWNER,
    "item_id": OWNER,
    "price_id": OWNER,
    "tag_id": OWNER,
    "view_id": OWNER,
    "valuation_id": OWNER,
}
LEAST_CHECKS = 6_000
SECRET = "Zebra"  # in every name of the owner's things
FILE = "ticker,quantity,entry_price,entry_date\nBBB,10,50,2016-06-22\n"
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    "POST /api/v1/portfolios/<uuid:portfolio_id>/cash/<uuid:transaction_id>/reverse": {
        "reason": "typing error"
    },
    "POST /api/v1/portfolios": {"name": "New"},
    "POST /api/v1/portfolios/<uuid:portfolio_id>/invitations": {
        "email": "new@example.com",
        "role": "viewer",
    },
    "POST /api/v1/watchlists": {"name": "New"},
    **tag_cases.BODIES,
    **report_cases.BODIES,
    **import_cases.BODIES,
    **book_cases.BODIES,
    **order_cases.BODIES,
    "POST /api/v1/watchlist-items": {"symbol": "AAA"},
    "POST /api/v1/imports": {"content": FILE},
    "POST /api/v1/portfolios/<uuid:portfolio_id>/imports": {"content": FILE},
    "POST /api/v1/portfolios/<uuid:portfolio_id>/upload": {"content": FILE},
    "POST /api/v1/portfolio/upload": {"content": FILE},
}


@pytest.fixture
def cast(settings: Any) -> matrix.Cast:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    return matrix.cast()


def test_every_address_declares_exactly_the_methods_it_has() -> None:
    assert not matrix.undeclared()


def test_every_declaration_names_a_known_class_and_action() -> None:
    found = list(matrix.operations())
    assert len(found) >= 15
    for each in found:
        assert each.op.kind in CLASSES
        if each.op.kind == "portfolio":
            assert each.op.word in {str(action) for action in ROLES}, str(each)


def test_what_changes_the_house_needs_more_than_a_token_that_reads() -> None:
    for each in matrix.operations():
        if each.op.kind in ("staff", "operator") and each.method != "get":
            assert each.op.word in ("trade", "admin"), str(each)
    with pytest.raises(ValueError, match="names no scope"):
        registry.operation(post="operator")


@pytest.fixture
def scene(cast: matrix.Cast) -> SimpleNamespace:
    """The owner's one of everything, and for every actor the same question."""
    world.make_market()
    book, owner = cast.portfolio, User.objects.get(email="owner@example.com")
    Portfolio.objects.filter(pk=book.pk).update(name=f"{SECRET} book", whole_shares=True)
    User.objects.filter(pk=owner.pk).update(name=f"{SECRET} owner")
    by, moment = Actor.of_user(owner), sessions.moment()
    ledger.book_flow(
        portfolio_id=book.pk, amount=1000, session_date=world.YESTERDAY, source="t", by=by
    )
    for each in (book, *cast.own.values()):
        world.lift_var_limit(each)
    order = orders.submit(
        portfolio_id=book.pk,
        ticket=world.buy("1", client_order_id=f"{SECRET}-order"),
        by=by,
        moment=moment,
    )
    batch = csv_import.check(
        portfolio_id=book.pk,
        user=owner,
        file_name=f"{SECRET}.csv",
        file=csv_import.read(data=FILE.encode(), user=owner),
        session_date=moment.session_date,
    )
    batch.rows.update(ordinal=import_cases.LINE)
    tokens.issue(user=owner)
    private = Instrument.objects.create(
        symbol="QQZEBRAQQ",
        name=f"{SECRET} fund",
        kind="private_fund",
        price_basis="manual",
        pricing="manual",
        owner_id=owner.pk,
    )
    value = instrument_service.value_manually(
        instrument=private, session_date=world.YESTERDAY, price=Decimal(10)
    )
    worth = Valuation.objects.create(
        instrument=private, as_of_date=world.YESTERDAY, method="dcf", target_price=Decimal(11)
    )
    ids = _ids(book, owner) | {
        "price_id": f"{private.pk}:{value.session_date}:{value.source}",
        "valuation_id": worth.pk,
        "order_id": order.pk,
        "import_id": batch.pk,
        "row": import_cases.LINE,
        "cid": order.client_order_id,
        "symbol": private.symbol,
        "underlying": private.symbol,
    }
    # so that what is held by symbol is a thing of the owner's too
    ledger.book_opening(
        portfolio_id=book.pk,
        instrument=private,
        quantity=Decimal(1),
        price=Decimal(10),
        session_date=world.YESTERDAY,
        source="t:private",
    )
    marks = [
        SECRET.lower(),
        "owner@example.com",
        *(str(each).lower() for each in ids.values() if not isinstance(each, int)),
    ]
    return SimpleNamespace(cast=cast, ids=ids, marks=marks)


def _ids(book: Portfolio, owner: User) -> dict[str, Any]:
    moment = datetime(2016, 6, 22, 20, tzinfo=UTC)
    alert = Alert.objects.create(
        portfolio=book,
        kind="limit",
        key="matrix",
        severity="warning",
        title=f"{SECRET} alert",
        session_date=moment.date(),
        first_seen=moment,
        last_seen=moment,
        number=1,
    )
    followed = Watchlist.objects.create(user=owner, name=f"{SECRET} list")
    item = WatchlistItem.objects.create(watchlist=followed, symbol="AAA", note=SECRET)
    invited = Invitation.objects.create(
        portfolio=book,
        email=f"{SECRET}@example.com".lower(),
        role="viewer",
        hash="0" * 64,
        sent_at=moment,
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        invited_by=owner,
    )
    job = JobRun.objects.create(
        job="etftrader.run_day",
        scope=f"{SECRET}",
        as_of=moment.date(),
        status="succeeded",
        requested_by=owner.pk,
    )
    return {
        "portfolio_id": book.pk,
        "user_id": owner.pk,
        "alert_id": alert.pk,
        "job_id": job.pk,
        "invitation_id": invited.pk,
        "member_id": Membership.objects.get(portfolio=book, role="viewer").pk,
        "token_id": ApiToken.objects.filter(user=owner).first().pk,
        "sign_in_id": TokenFamily.objects.get(user=owner).pk,
        "transaction_id": CashTransaction.objects.get(portfolio=book).pk,
        "account_id": Account.objects.get(customer__user=owner).pk,
        "customer_id": Customer.objects.get(user=owner).pk,
        "watchlist_id": followed.pk,
        "item_id": item.pk,
        "limit_id": RiskLimit.objects.get(portfolio=book).pk,
        "trade_id": Trade.objects.get(portfolio=book).pk,
        **tag_cases.make(book, owner, name=f"{SECRET} word"),
        **report_cases.make(book, owner),
        **order_cases.make(book, owner, name=SECRET),
        "check_id": PreTradeCheck.objects.filter(portfolio=book).first().pk,
        "transfer_id": book_cases.make(book, name=f"{SECRET} kept")["transfer_id"],
    }


def made_up(thing: str) -> Any:
    known = {"symbol": "QQABSENTQ", "cid": "Absent-order"}
    if thing == "price_id":
        return f"{uuid.uuid4()}:{world.YESTERDAY}:manual"
    return known.get(thing) or uuid.uuid4()


def _question(
    place: places.Place, asker: str, scene: SimpleNamespace, value: Any
) -> tuple[str, Any]:
    """Path and body with the value in its place and the asker's own book everywhere else."""
    operation = place.operation
    known = dict(scene.ids)
    known["portfolio_id"] = scene.cast.own[asker].pk
    body = BODIES.get(str(operation), {})
    if place.kind in ("path", "nested", "export"):
        return operation.path(known | {place.name: value}), body
    path = operation.path(known)
    if place.kind in ("query", "filter"):
        return f"{path}?{place.name}={value}", body
    if place.kind == "batch":
        return path, [body | {place.name: str(value)}]
    asked = [str(value)] if place.name in ("symbols", "positions") else str(value)
    if place.name == "symbol" and "portfolio_id" in places_of_body(operation):
        body = body | {"portfolio_id": str(scene.cast.own[asker].pk)}
    return path, body | {place.name: asked}


def places_of_body(operation: matrix.Operation) -> set[str]:
    return {"portfolio_id"} if operation.route in ("api/v1/orders", "api/v1/trades") else set()


def _answer(scene: SimpleNamespace, asker: str, method: str, path: str, body: Any) -> Any:
    return scene.cast.ask(asker, method, path, body)


def leaks(scene: SimpleNamespace, answer: Any, sent: str) -> list[str]:
    """Marks of the owner's things in an answer, beside those the asker wrote."""
    text = answer.content.decode().lower() + str(dict(answer.headers)).lower()
    return [mark for mark in scene.marks if mark in text and mark not in sent.lower()]


def test_every_parameter_of_every_operation_is_classified() -> None:
    found, unknown = places.found()
    assert not unknown
    kinds = {each.kind for each in found}
    assert kinds == {"path", "nested", "export", "query", "filter", "body", "batch"}


def fits(operation: matrix.Operation, actor: str, answer: Any) -> bool:
    """Whether an operation on the owner's own things answers this actor as the table says."""
    status, kind, word = answer.status_code, operation.op.kind, operation.op.word
    if status >= 500 and status != 503:
        return False
    if kind == "public":
        return status != 403 or answer.json()["code"] in CLOSED
    if actor in matrix.UNKNOWN:
        return status == 401
    names = [name for _, name in operation.parameters]
    if kind == "portfolio":
        return _fits_portfolio(names, word, actor, status)
    if kind in ("staff", "operator"):
        allowed = actor in (STAFF if kind == "staff" else {"superuser"})
        return (status == 403) != allowed and status != 401
    if actor == "read_token" and word not in ("", "read"):
        return status == 403
    thing = places.NAMES.get(names[0]) if names else None
    if thing is None or thing == "symbol":
        # a fund is no option: whether a symbol is of the right kind is not asked here
        return status not in (401, 403)
    if actor not in SEEN_BY.get(thing, READERS):
        return status == 404
    # what an act of theirs asks for beside seeing it, its own tests ask
    return status not in ((401, 403, 404) if operation.method == "get" else (401, 404))


def _fits_portfolio(names: list[str], word: str, actor: str, status: int) -> bool:
    if not names:
        return status != 401  # about a book of one's own, or one named in the body
    if actor in matrix.OUTSIDE:
        return status == 404
    if actor not in MAY[word]:
        return status == 403
    return status not in (401, 403, 404)


def test_nobody_outside_learns_anything_anywhere(scene: SimpleNamespace) -> None:
    """Every operation with the owner's real ids, then every place an id can stand."""
    wrong: list[str] = []
    checks = 0
    for operation in matrix.operations():
        path = operation.path(scene.ids)
        for actor in matrix.ACTORS:
            body = BODIES.get(str(operation), {})
            answer = _answer(scene, actor, operation.method, path, body)
            said = f"{operation} by {actor}"
            if not fits(operation, actor, answer):
                wrong.append(f"{said}: {answer.status_code} {answer.content[:120]!r}")
            if actor in matrix.OUTSIDE | matrix.UNKNOWN and leaks(scene, answer, path):
                wrong.append(f"{said} leaks {leaks(scene, answer, path)}")
            checks += 2
    checks += _aliases(scene, wrong) + _places(scene, wrong)
    assert not wrong, "\n".join(wrong)
    assert checks >= LEAST_CHECKS, checks


def _aliases(scene: SimpleNamespace, wrong: list[str]) -> int:
    """The other addresses of an operation are no way round."""
    checks = 0
    for operation in matrix.aliases():
        path = operation.path(scene.ids)
        for actor in ("anonymous", "viewer", *sorted(matrix.OUTSIDE)):
            answer = _answer(scene, actor, operation.method, path, {})
            said = f"alias {operation} by {actor}"
            if not fits(operation, actor, answer):
                wrong.append(f"{said}: {answer.status_code} {answer.content[:120]!r}")
            if actor != "viewer" and leaks(scene, answer, path):
                wrong.append(f"{said} leaks {leaks(scene, answer, path)}")
            checks += 2
    return checks


def shape(document: Any) -> Any:
    """A document without what differs from one request to the next: its texts."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(value) for value in document]
    return "text" if isinstance(document, str) else document


def _places(scene: SimpleNamespace, wrong: list[str]) -> int:
    """A foreign id against a missing one: status, body, number of queries, and no word of it."""
    checks = 0
    for place in places.found()[0]:
        foreign, missing = scene.ids[place.thing], made_up(place.thing)
        for asker in sorted(matrix.OUTSIDE):
            found = []
            for value in (foreign, missing, foreign):
                if len(found) == 2 and found[0] == found[1]:
                    break  # the third question is for what the first one warmed
                path, body = _question(place, asker, scene, value)
                ask = partial(_answer, scene, asker, place.operation.method, path, body)
                status, document, queries = matrix.answer_of(ask)
                told = str(document).replace(str(value), "·")
                kept = document if status >= 400 else shape(document)
                found.append((status, str(kept).replace(str(value), "·"), queries))
                if any(m in told.lower() for m in scene.marks if m not in f"{path}{body}".lower()):
                    wrong.append(f"{place} by {asker} leaks: {told[:200]}")
            if found[-1] != found[1]:
                wrong.append(f"{place} by {asker}: {found[-1]} for {found[1]}")
            if place.kind in ("path", "nested", "export") and found[0][0] not in (401, 403, 404):
                wrong.append(f"{place} by {asker}: {found[0][0]}")
            checks += len(found) + 3  # a leak in each, status, body, number of queries
    return checks


def _lines(actor_email: str) -> int:
    return AuditEvent.objects.filter(action="staff.read", actor_label=actor_email).count()


def test_every_reading_of_staff_leaves_one_line(scene: SimpleNamespace) -> None:
    """Lists and details of other people's rows, one line a request; members leave none."""
    client, told = scene.cast, []
    for operation in matrix.operations():
        if operation.method != "get" or operation.op.kind not in ("signed_in", "portfolio"):
            continue
        if "/jobs" in operation.route:
            continue  # runs are the house's: staff read them as they read its timetable
        path = operation.path(scene.ids)
        if operation.route.endswith("api/v1/search"):
            path += f"?q={SECRET}"
        for actor, expected in (("staff_reader", 1), ("owner", 0)):
            email = f"{actor}@example.com"
            with matrix.undone():
                before = _lines(email)
                answer = client.ask_kept(actor, operation.method, path)
                lines = _lines(email) - before
                shown = answer.status_code == 200 and leaks(scene, answer, path)
                wanted = expected if shown else lines
                if lines != wanted or lines > 1 or (actor == "owner" and lines):
                    told.append(f"{operation} by {actor}: {lines} lines, {shown}")
    assert not told, "\n".join(told)


def test_every_read_works_in_both_forms_of_its_address(cast: matrix.Cast) -> None:
    for operation in matrix.operations():
        if operation.method != "get":
            continue
        known = {name: uuid.UUID(int=7) for kind, name in operation.parameters if kind == "uuid"}
        path = operation.path(known | {"portfolio_id": cast.portfolio.pk})
        plain, slash = (cast.ask("owner", "get", form) for form in (path, f"{path}/"))
        assert plain.status_code == slash.status_code, str(operation)
        assert plain.status_code not in (301, 302, 307, 308)
