"""T-19, small: two editors with one ETag; one change is kept, the other is told what stands now.

Seeded fault it must catch: the version is compared before the lock and not again under it.
"""

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django_celery_beat.models import PeriodicTask

from etftrader.core.api.registry import UNCHANGED, tags_of
from etftrader.services import timetable
from etftrader.services.acts import setup_schedules
from etftrader.testing import matrix
from etftrader.tests import (
    book_cases,
    import_cases,
    market_cases,
    order_cases,
    report_cases,
    tag_cases,
)
from marketdata.models import Bond, Instrument
from portfolios.models import Invitation, Membership, Portfolio, Watchlist, WatchlistItem
from risk.models import RiskLimit
from risk.services import stop_loss
from trading.models import Order
from trading.tests import world

P = "/api/v1/portfolios/<uuid:portfolio_id>"
WAITING_S = 0.6  # long enough for both editors to reach the lock


def of_book(stage: SimpleNamespace) -> int:
    return Portfolio.objects.get(pk=stage.book.pk).version


def of_member(stage: SimpleNamespace) -> int:
    return Membership.objects.get(pk=stage.ids["member_id"]).version


def of_invitation(stage: SimpleNamespace) -> int:
    return Invitation.objects.get(pk=stage.ids["invitation_id"]).version


def of_limit(stage: SimpleNamespace) -> int:
    return RiskLimit.objects.get(portfolio=stage.book, closed_at=None).version


def of_schedule(stage: SimpleNamespace) -> int:
    return timetable.entry(stage.ids["schedule_id"]).version


def of_bond(stage: SimpleNamespace) -> int:
    return Bond.objects.get(pk=stage.ids["bond_id"]).instrument.version


def of_list(stage: SimpleNamespace) -> int:
    return Watchlist.objects.get(pk=stage.ids["watchlist_id"]).version


def of_item(stage: SimpleNamespace) -> int:
    return WatchlistItem.objects.get(pk=stage.ids["item_id"]).version


W, WI = "/api/v1/watchlists/<uuid:watchlist_id>", "/api/v1/watchlist-items/<uuid:item_id>"
# what each editor sends, and where the version stands
EDITABLE: dict[str, tuple[list[dict[str, Any]], Callable[[SimpleNamespace], int]]] = {
    f"PATCH {P}": ([{"name": "Left"}, {"name": "Right"}], of_book),
    f"DELETE {P}": ([{}, {}], of_book),
    f"PATCH {P}/members/<uuid:member_id>": ([{"role": "editor"}, {"role": "viewer"}], of_member),
    f"DELETE {P}/members/<uuid:member_id>": ([{}, {}], of_member),
    f"DELETE {P}/invitations/<uuid:invitation_id>": ([{}, {}], of_invitation),
    f"PATCH {P}/risk/limits/<uuid:limit_id>": (
        [{"value": "0.4", "reason": "left"}, {"value": "0.5", "reason": "right"}],
        of_limit,
    ),
    f"DELETE {P}/risk/limits/<uuid:limit_id>": (
        [{"reason": "left"}, {"reason": "right"}],
        of_limit,
    ),
    f"PUT {P}/benchmarks": ([{"symbols": ["AAA"]}, {"symbols": ["BBB"]}], of_book),
    f"PUT {P}/stop-loss": (
        [
            {"enabled": True, "mode": stop_loss.MODES[0], "ratchet": True},
            {"enabled": False, "mode": stop_loss.MODES[0], "ratchet": True},
        ],
        lambda stage: 0,
    ),
    "PATCH /api/v1/schedules/<int:schedule_id>": (
        [{"time": "16:16"}, {"enabled": False}],
        of_schedule,
    ),
    "PATCH /api/v1/bonds/<uuid:bond_id>": (
        [{"coupon_rate": "0.01"}, {"coupon_rate": "0.02"}],
        of_bond,
    ),
    f"PUT {W}": ([{"name": "Left"}, {"name": "Right"}], of_list),
    f"PATCH {W}": ([{"name": "Left"}, {"name": "Right"}], of_list),
    f"PUT {WI}": ([{"symbol": "AAA"}, {"symbol": "BBB"}], of_item),
    f"PATCH {WI}": ([{"note": "Left"}, {"note": "Right"}], of_item),
    **market_cases.EDITABLE,
    **tag_cases.EDITABLE,
    **import_cases.EDITABLE,
    **book_cases.EDITABLE,
    **order_cases.EDITABLE,
}
# their documents have computed figures: a digest stands in the tag beside the version
FIGURED = {
    f"{method} {address}"
    for method in ("PUT", "PATCH", "DELETE")
    for address in (P, market_cases.C, market_cases.B, book_cases.ROW)
}
# gone when they are deleted: the second of two finds nothing
GONE: dict[str, Callable[[SimpleNamespace], int]] = {
    f"DELETE {W}": of_list,
    f"DELETE {WI}": of_item,
    **market_cases.GONE,
    **tag_cases.GONE,
}
# many rows at once: each carries its own version
BATCHES = {
    "PATCH /api/v1/watchlists/batch",
    "DELETE /api/v1/watchlists/batch",
    "PATCH /api/v1/watchlist-items/batch",
    "DELETE /api/v1/watchlist-items/batch",
    *market_cases.BATCHES,
    *tag_cases.BATCHES,
    *book_cases.BATCHES,
}
# ended, not edited: they have no version, and ending them twice is ending them
ENDED = {
    "DELETE /api/v1/auth/tokens/<uuid:token_id>",
    "DELETE /api/v1/auth/sessions",
    "DELETE /api/v1/auth/sessions/<uuid:sign_in_id>",
    *book_cases.ENDED,
    *report_cases.ENDED,
}
CHANGES = {
    str(each): each for each in matrix.operations() if each.method in ("put", "patch", "delete")
}


@pytest.fixture
def stage(transactional_db: None, settings: Any) -> SimpleNamespace:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    world.make_market()
    book = world.make_portfolio()
    world.lift_var_limit(book)
    owner = book.account.customer.user
    world.add_to_group(owner, "Operator")
    friend = world.make_user("friend@example.com")
    part = Membership.objects.create(portfolio=book, user=friend, role="viewer")
    note = Instrument.objects.create(symbol="NOTE", name="Note", kind="bond", price_basis="close")
    bond = Bond.objects.create(
        instrument=note, coupon_rate="0.03", frequency=2, maturity="2026-06-15", face_value="100"
    )
    invited = Invitation.objects.create(
        portfolio=book,
        email="guest@example.com",
        role="viewer",
        hash="0" * 64,
        sent_at=datetime(2016, 6, 22, 20, tzinfo=UTC),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        invited_by=owner,
    )
    limit = RiskLimit.objects.get(portfolio=book)
    setup_schedules()
    followed = Watchlist.objects.create(user=owner, name="Followed")
    item = WatchlistItem.objects.create(watchlist=followed, symbol="ZZZ")
    waits = Order.objects.create(
        portfolio=book,
        instrument=Instrument.objects.get(symbol="AAA"),
        client_order_id="rests",
        side="buy",
        quantity=1,
        order_type="limit",
        limit_price=90,
        state="accepted",
        placed_as_of=datetime(2016, 6, 22, 20, tzinfo=UTC),
        session_date=date(2016, 6, 22),
    )
    ids = {
        "order_id": waits.pk,
        "watchlist_id": followed.pk,
        "item_id": item.pk,
        "portfolio_id": book.pk,
        "member_id": part.pk,
        "invitation_id": invited.pk,
        "limit_id": limit.pk,
        "bond_id": bond.pk,
        "schedule_id": PeriodicTask.objects.get(name="day: prices").pk,
        **market_cases.make(),
        **tag_cases.make(book, owner),
        **import_cases.make(book, owner),
        **book_cases.make(book),
        **order_cases.make(book, owner),
    }
    return SimpleNamespace(book=book, owner=owner, ids=ids)


def edit_at_once(stage: SimpleNamespace, name: str, version: int) -> list[Any]:
    """Both editors pass the first look, then wait for the lock that is held here."""
    bodies = EDITABLE[name][0] if name in EDITABLE else [{}, {}]
    operation = CHANGES[name]
    path, answers = operation.path(stage.ids), []
    clients = [Client() for _ in bodies]
    for client in clients:
        client.force_login(stage.owner)

    def edit(client: Client, body: dict[str, Any]) -> None:
        try:
            send = getattr(client, operation.method)
            answers.append(send(path, body, "application/json", HTTP_IF_MATCH=f'"v{version}"'))
        finally:
            connection.close()

    editors = [
        threading.Thread(target=edit, args=pair) for pair in zip(clients, bodies, strict=True)
    ]
    with transaction.atomic():
        Portfolio.objects.select_for_update().get(pk=stage.book.pk)
        Instrument.objects.select_for_update().get(symbol="NOTE")
        Bond.objects.select_for_update().get(pk=stage.ids["bond_id"])
        Watchlist.objects.select_for_update().get(pk=stage.ids["watchlist_id"])
        PeriodicTask.objects.select_for_update().get(pk=stage.ids["schedule_id"])
        market_cases.lock(stage.ids)
        tag_cases.lock(stage.ids)
        book_cases.lock(stage.ids)
        for editor in editors:
            editor.start()
        time.sleep(WAITING_S)
        assert not answers, "nobody waited for the lock"
    for editor in editors:
        editor.join()
    return answers


def test_what_stands_is_not_sent_again_and_keeps_its_tag(stage: SimpleNamespace) -> None:
    order = Order.objects.create(
        portfolio=stage.book,
        instrument=Instrument.objects.get(symbol="AAA"),
        client_order_id="waits",
        side="buy",
        quantity=1,
        state="accepted",
        placed_as_of=datetime(2016, 6, 22, 20, tzinfo=UTC),
        session_date=date(2016, 6, 22),
    )
    ids = stage.ids | {"order_id": order.pk, "cid": order.client_order_id}
    client, told = Client(), 0
    client.force_login(stage.owner)
    for each in matrix.operations():
        address = "/" + matrix._PARAMETER.sub(r"{\2}", each.route)
        if each.method != "get" or tags_of(each.view, "GET", address) != UNCHANGED:
            continue
        read = client.get(each.path(ids))
        assert (read.status_code, "ETag" in read) == (200, True), each
        same = client.get(each.path(ids), HTTP_IF_NONE_MATCH=read["ETag"])
        assert (same.status_code, same.get("ETag"), same.content) == (304, read["ETag"], b""), each
        other = client.get(each.path(ids), HTTP_IF_NONE_MATCH='"v0"')
        assert (other.status_code, other["ETag"]) == (200, read["ETag"]), each
        told += 1
    assert told >= 8


def test_every_change_of_a_row_is_on_one_of_the_lists() -> None:
    lists = [set(EDITABLE), set(GONE), ENDED, BATCHES]
    assert sum(map(len, lists)) == len(set().union(*lists))
    assert set().union(*lists) == set(CHANGES)


@pytest.mark.parametrize("name", EDITABLE)
def test_of_two_editors_with_one_version_one_is_told_what_stands_now(
    stage: SimpleNamespace, name: str
) -> None:
    version = EDITABLE[name][1](stage)

    answers = edit_at_once(stage, name, version)

    statuses = sorted(each.status_code for each in answers)
    assert statuses in ([200, 412], [204, 412]), [each.content for each in answers]
    [refused] = [each.json() for each in answers if each.status_code == 412]
    assert refused["code"] == "version_mismatch"
    assert refused["version"] != version
    tag = str(refused["version"]) if name not in FIGURED else rf"{refused['version']}\.[0-9a-f]+"
    assert re.fullmatch(f'"v{tag}"', refused["current"])
    assert refused["object"], "the current object is missing"


@pytest.mark.parametrize("name", GONE)
def test_of_two_who_delete_a_row_one_finds_it_gone(stage: SimpleNamespace, name: str) -> None:
    answers = edit_at_once(stage, name, GONE[name](stage))

    assert sorted(each.status_code for each in answers) == [204, 404]


@pytest.mark.parametrize("name", [*EDITABLE, *GONE])
def test_a_stale_version_is_refused_with_the_current_object(
    stage: SimpleNamespace, name: str
) -> None:
    bodies, version_of = EDITABLE[name] if name in EDITABLE else ([{}], GONE[name])
    operation = CHANGES[name]
    client = Client()
    client.force_login(stage.owner)
    send = getattr(client, operation.method)
    before = version_of(stage)
    path = operation.path(stage.ids)

    answer = send(path, bodies[0], "application/json", HTTP_IF_MATCH='"v999"')

    assert answer.status_code == 412
    assert answer.json()["version"] == before
    assert answer.json()["object"]
    assert version_of(stage) == before
