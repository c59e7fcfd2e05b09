"""T-40, small: every ModelAdmin, for every role, at every view; names are escaped.

Seeded faults it must catch: a read-only admin made writable, a library's admin registered as it
comes, a name drawn without escaping.
"""

import uuid
from datetime import date
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from etftrader import admin_borrowed, schedule
from etftrader.core import jobs
from etftrader.core.records import AuditEvent, JobRun
from etftrader.tests import book_cases, order_cases, report_cases
from marketdata.models import Instrument, InstrumentAlias, SessionOverride, Universe
from marketdata.selectors import sessions
from portfolios.models import (
    Account,
    Customer,
    ImportAlias,
    Portfolio,
    Tag,
    User,
    UserPreference,
    Watchlist,
)
from trading.models import CostModel
from trading.services import orders
from trading.tests import world

pytestmark = pytest.mark.django_db
ROLES = ("anonymous", "user", "staff", "reader", "superuser")
# what a superuser may do; a model that is on neither list makes the test red
EDITED: dict[str, set[str]] = {
    "auth.Group": {"add", "change", "delete"},
    "django_celery_beat.CrontabSchedule": {"add", "change", "delete"},
    "django_celery_beat.IntervalSchedule": {"add", "change", "delete"},
    "django_celery_beat.PeriodicTask": {"add", "change", "delete"},
    "marketdata.Instrument": {"add", "change"},
    "marketdata.InstrumentAlias": {"add", "change", "delete"},
    "marketdata.SessionOverride": {"add", "change", "delete"},
    "marketdata.Universe": {"add", "change", "delete"},
    "portfolios.Account": {"add", "change", "delete"},
    "portfolios.Customer": {"add", "change", "delete"},
    "portfolios.ImportAlias": {"add", "change", "delete"},
    "portfolios.Tag": {"change", "delete"},
    "portfolios.User": {"add", "change"},
    "portfolios.UserPreference": {"change", "delete"},
    "portfolios.Watchlist": {"add", "change", "delete"},
    "trading.CostModel": {"add", "change", "delete"},
}
SHOWN = {
    "axes.AccessAttempt", "axes.AccessFailureLog", "axes.AccessLog",
    "etftrader.AuditEvent", "etftrader.IdempotencyKey", "etftrader.JobRun",
    "etftrader.OutboxEvent", "etftrader.ReportFile", "etftrader.ReportRun",
    "etftrader.ReportSchedule",
    "marketdata.Bond", "marketdata.CorporateAction", "marketdata.DataRefresh",
    "marketdata.Fundamental", "marketdata.OptionContract", "marketdata.OptionGreeks",
    "marketdata.OptionQuote", "marketdata.PriceSeries", "marketdata.QuarantinedPrice",
    "marketdata.Quote", "marketdata.ReplayClock", "marketdata.UniverseMember",
    "marketdata.Valuation",
    "portfolios.ApiToken", "portfolios.CashTransaction", "portfolios.ImportBatch",
    "portfolios.ImportMapping", "portfolios.ImportRow", "portfolios.Invitation",
    "portfolios.LedgerEntry", "portfolios.Membership", "portfolios.Portfolio",
    "portfolios.PortfolioBenchmark", "portfolios.PortfolioSnapshot", "portfolios.Position",
    "portfolios.PositionSnapshot", "portfolios.PositionTag", "portfolios.TokenFamily", "portfolios.Transfer",
    "portfolios.WatchlistItem", "portfolios.SavedView",
    "risk.Alert", "risk.CovarianceSnapshot", "risk.LimitBreach", "risk.PositionRisk",
    "risk.PreTradeCheck", "risk.RiskLimit", "risk.RiskMetric", "risk.StopEvent",
    "risk.StopLossLevel", "risk.StopLossRule", "risk.VarResult",
    "token_blacklist.BlacklistedToken", "token_blacklist.OutstandingToken",
    "trading.Basket", "trading.Order", "trading.OrderEvent", "trading.Trade",
    "trading.TradingHalt",
}  # fmt: skip
SUPERUSERS_ONLY = {name for name in EDITED if name.startswith("django_celery_beat.")}
ACTIONS: dict[str, set[str]] = {
    "etftrader.JobRun": {"run_again"},
    "portfolios.Portfolio": {"halt", "resume", "check_books", "take_snapshots"},
    "django_celery_beat.PeriodicTask": {"delete_selected", "switch_on", "switch_off"},
}
# shown inside their instrument: the admin takes no model with a composite key
INSIDE = {
    "marketdata.DailyBar",
    "marketdata.MinuteBar",
    "marketdata.Tick",
    "marketdata.TreasuryYield",
}
OURS = ("etftrader", "marketdata", "portfolios", "factors", "risk", "trading")
IMMUTABLE = (
    "portfolios.LedgerEntry",
    "portfolios.CashTransaction",
    "portfolios.Transfer",
    "trading.Basket",
    "trading.Order",
    "trading.OrderEvent",
    "trading.Trade",
    "etftrader.AuditEvent",
    "etftrader.JobRun",
)
EVIL = "<script>alert('x')</script>"
REGISTERED = {model._meta.label: page for model, page in admin.site._registry.items()}


@pytest.fixture
def rows() -> dict[str, Any]:
    """A market, a book with a fill, a job, and one row for most models."""
    world.make_market()
    book = world.make_portfolio()
    world.lift_var_limit(book)
    by = world.actor(book.account.customer.user)
    orders.submit(portfolio_id=book.pk, ticket=world.buy("1"), by=by, moment=sessions.moment())
    order_cases.make(book, book.account.customer.user)
    jobs.request("portfolios.take_snapshots", as_of=world.YESTERDAY, requested_by=by.user_id)
    call_command("setup_schedules", verbosity=0)
    CostModel.objects.create(portfolio=book, commission_per_trade=0, half_spread_bp=1, impact_y=0)
    Watchlist.objects.create(user=book.account.customer.user, name="Mine")
    Tag.objects.create(user=book.account.customer.user, name="Core", kind="strategy")
    Universe.objects.create(name="All", kind=Universe.kind.field.choices[0][0])
    Group.objects.get_or_create(name="Viewer")
    InstrumentAlias.objects.create(instrument=Instrument.objects.get(symbol="AAA"), alias="TRIPLE")
    SessionOverride.objects.create(date=date(2016, 7, 5), closed=True, reason="A storm")
    UserPreference.objects.get_or_create(user=book.account.customer.user)
    ImportAlias.objects.get_or_create(kind="positions", alias="paper", field="ticker")
    book_cases.make(book)
    report_cases.make(book, book.account.customer.user)
    return {
        label: first.pk
        for label, page in REGISTERED.items()
        if (first := page.model._base_manager.first()) is not None
    }


@pytest.fixture
def people() -> dict[str, Client]:
    found = {name: Client(raise_request_exception=False) for name in ROLES}
    found["user"].force_login(world.make_user("user@example.com"))
    found["staff"].force_login(world.make_user("staff@example.com", is_staff=True))
    reader = world.make_user("reader@example.com", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    found["reader"].force_login(reader)
    root = User.objects.create_superuser("root@example.com", "a-long-password-1")
    found["superuser"].force_login(root)
    return found


def address(label: str, view: str, key: Any = None) -> str:
    app, name = label.lower().split(".")
    return reverse(f"admin:{app}_{name}_{view}", args=[key] if key is not None else [])


def made_up(page: Any) -> Any:
    key = page.model._meta.pk
    return uuid.uuid4() if isinstance(key, models.UUIDField) else 987654


def views(label: str, key: Any) -> list[tuple[str, str, str]]:
    """(what it needs, method, address) of the eight views."""
    return [
        ("view", "get", address(label, "changelist")),
        ("add", "get", address(label, "add")),
        ("add", "post", address(label, "add")),
        ("view", "get", address(label, "change", key)),
        ("change", "post", address(label, "change", key)),
        ("view", "get", address(label, "history", key)),
        ("delete", "get", address(label, "delete", key)),
        ("delete", "post", address(label, "delete", key)),
    ]


def may(label: str, role: str, need: str) -> bool:
    if role == "superuser":
        return need == "view" or need in EDITED.get(label, set())
    return role == "reader" and need == "view" and label not in SUPERUSERS_ONLY


def test_every_model_of_the_admin_is_on_one_of_the_lists() -> None:
    assert not set(EDITED) & SHOWN
    assert set(EDITED) | SHOWN == set(REGISTERED)


def test_every_table_of_ours_is_in_the_admin() -> None:
    tables = {
        model._meta.label for name in OURS for model in apps.get_app_config(name).get_models()
    }
    assert tables - set(REGISTERED) == INSIDE


def test_no_admin_is_a_library_s_own_and_none_takes_raw_ids() -> None:
    for label, page in REGISTERED.items():
        assert type(page).__module__.split(".")[0] in OURS, label
        assert not page.raw_id_fields, label
        assert not page.list_editable, label


def test_everybody_gets_what_the_lists_say(rows: dict[str, Any], people: dict[str, Client]) -> None:
    wrong, checked = [], 0
    for label, page in REGISTERED.items():
        # asked for a made-up row, so that what is allowed changes nothing
        for need, method, path in views(label, made_up(page)):
            if path.endswith("/history/"):
                # who may is asked of a row only
                path = address(label, "history", rows.get(label, made_up(page)))
            for role, client in people.items():
                answer = getattr(client, method)(path)
                checked += 1
                if role in ("anonymous", "user"):
                    fits = answer.status_code == 302 and "/admin/login/" in answer["Location"]
                else:
                    fits = (answer.status_code in (200, 302)) == may(label, role, need)
                    fits = fits and answer.status_code in (200, 302, 403)
                    fits = fits or (path.endswith("/history/") and label not in rows)
                if not fits:
                    wrong.append(f"{role} {method} {path}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert checked == len(REGISTERED) * 8 * len(ROLES)


def test_every_list_and_every_row_opens_for_those_who_may(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    assert len(rows) > 25
    for role in ("reader", "superuser"):
        for label, key in rows.items():
            if may(label, role, "view"):
                for path in (address(label, "changelist"), address(label, "change", key)):
                    assert people[role].get(path).status_code == 200, f"{role} {path}"


@pytest.mark.parametrize("label", IMMUTABLE)
def test_not_even_a_superuser_changes_or_deletes_what_happened(
    label: str, rows: dict[str, Any], people: dict[str, Client]
) -> None:
    model = REGISTERED[label].model
    before = list(model._base_manager.filter(pk=rows[label]).values())
    root = people["superuser"]

    answers = [
        root.post(address(label, "change", rows[label]), {"reason": "x", "_save": "Save"}),
        root.post(address(label, "delete", rows[label]), {"post": "yes"}),
        root.post(
            address(label, "changelist"),
            {"action": "delete_selected", "_selected_action": [rows[label]], "post": "yes"},
        ),
    ]

    assert [each.status_code for each in answers[:2]] == [403, 403]
    assert list(model._base_manager.filter(pk=rows[label]).values()) == before


def test_every_action_is_known_and_asks_who_may(
    rows: dict[str, Any], people: dict[str, Client], rf: RequestFactory
) -> None:
    for label, page in REGISTERED.items():
        request = rf.get("/admin/")
        request.user = User.objects.get(email="root@example.com")
        known = {"delete_selected"} if "delete" in EDITED.get(label, set()) else set()
        assert set(page.get_actions(request)) == ACTIONS.get(label, known), label
        # a reader gets none that changes anything
        request = rf.get("/admin/")
        request.user = User.objects.get(email="reader@example.com")
        assert not set(page.get_actions(request)), label


def test_names_are_escaped_wherever_they_are_drawn(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    for model, field in (
        (Account, "name"), (Customer, "name"), (Portfolio, "name"), (User, "name"),
        (Tag, "name"), (Watchlist, "name"), (Universe, "name"), (Instrument, "name"),
        (Instrument, "sector"), (JobRun, "note"),
    ):  # fmt: skip
        assert model.objects.filter(pk=model.objects.first().pk).update(**{field: EVIL})
    drawn = 0
    for label, key in rows.items():
        for path in (address(label, "changelist"), address(label, "change", key)):
            text = people["superuser"].get(path).content.decode()
            assert EVIL not in text, path
            drawn += "&lt;script&gt;" in text
    assert drawn > 10


# --- the timetable ------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    row = PeriodicTask.objects.get(name="day: prices")
    kept = {"name": row.name, "entry": row.name, "enabled": "on", "crontab": row.crontab_id}
    return kept | changes


def test_the_timetable_s_choices_are_what_the_house_writes(rows: dict[str, Any]) -> None:
    assert len(admin_borrowed.ENTRIES) == len(schedule.STEPS) + len(schedule.TIMERS)
    for row in PeriodicTask.objects.all():
        assert admin_borrowed.entry_of(row) == row.name


def test_task_and_arguments_of_the_timetable_are_not_typed(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    row = PeriodicTask.objects.get(name="day: prices")
    page = address("django_celery_beat.PeriodicTask", "change", row.pk)

    smuggled = {"task": "os.system", "kwargs": '{"step": "risk"}', "args": "[1]", "queue": "x"}
    answer = people["superuser"].post(page, entry(**smuggled, description="later"))

    assert answer.status_code == 302
    row.refresh_from_db()
    assert (row.task, row.kwargs) == ("etftrader.run_step", '{"step": "prices"}')
    assert (row.args, row.queue, row.description) == ("[]", None, "later")
    refused = people["superuser"].post(page, entry(entry="etftrader.anything"))
    assert refused.status_code == 200
    assert "Select a valid choice" in refused.content.decode()
    people["superuser"].post(page, entry(entry="day: risk"))
    row.refresh_from_db()
    assert row.kwargs == '{"step": "risk"}'


def test_switching_entries_off_leaves_a_line_for_each(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    chosen = list(PeriodicTask.objects.order_by("pk").values_list("pk", flat=True)[:2])
    page = address("django_celery_beat.PeriodicTask", "changelist")

    people["superuser"].post(page, {"action": "switch_off", "_selected_action": chosen})

    assert PeriodicTask.objects.filter(enabled=False).count() == 2
    lines = AuditEvent.objects.filter(action="admin.changed", object_type="periodictask")
    assert {line.object_id for line in lines} == {str(each) for each in chosen}


# --- rights and history -------------------------------------------------------------------------


def test_what_bookings_rest_on_is_not_typed_over(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    fund = Instrument.objects.get(symbol="AAA")
    page = address("marketdata.Instrument", "change", fund.pk)
    form = people["superuser"].get(page).context["adminform"].form

    fixed = {"symbol", "kind", "multiplier", "pricing", "currency", "price_basis", "owner_id"}
    assert not fixed & set(form.fields)
    assert "name" in form.fields


def test_minutes_ticks_and_yields_stand_inside_the_instrument(people: dict[str, Client]) -> None:
    world.make_market()
    fund = Instrument.objects.get(symbol="AAA")
    text = people["superuser"].get(address("marketdata.Instrument", "change", fund.pk)).content
    assert b"Last minutes" in text
    assert b"Last ticks" in text
    assert b"Last Treasury yields" not in text
    index = Instrument.objects.create(symbol="^ZZZ", name="Z", kind="index", price_basis="close")
    text = people["superuser"].get(address("marketdata.Instrument", "change", index.pk)).content
    assert b"Last Treasury yields" in text


def test_only_a_superuser_makes_or_changes_one(people: dict[str, Client]) -> None:
    clerk = User.objects.get(email="reader@example.com")
    clerk.user_permissions.add(Permission.objects.get(codename="change_user"))
    root = User.objects.get(email="root@example.com")
    fields = {"email": clerk.email, "name": "", "is_active": "on", "is_staff": "on"}

    own = people["reader"].post(
        address("portfolios.User", "change", clerk.pk), fields | {"is_superuser": "on"}
    )
    above = people["reader"].post(address("portfolios.User", "change", root.pk), fields)
    password = people["reader"].post(f"/admin/portfolios/user/{root.pk}/password/", {})

    assert (own.status_code, above.status_code, password.status_code) == (302, 403, 403)
    assert not User.objects.get(pk=clerk.pk).is_superuser


def test_a_look_at_people_s_rows_leaves_one_line(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    before = AuditEvent.objects.count()

    people["reader"].get(address("portfolios.Position", "changelist"))
    people["reader"].get(address("trading.Order", "change", rows["trading.Order"]))
    people["reader"].get(address("marketdata.Instrument", "changelist"))

    lines = AuditEvent.objects.order_by("pk")[before:]
    assert [(line.action, line.object_type, line.object_id) for line in lines] == [
        ("staff.read", "position", "list"),
        ("staff.read", "order", str(rows["trading.Order"])),
    ]
