"""T-41 in the admin: every edit leaves one line with what changed, and never a secret.

Seeded fault it must catch: an admin that writes by itself and not through the audited one.
"""

from typing import Any

import pytest
from django.test import Client
from django.utils.formats import localize_input

from etftrader.core import audit
from etftrader.core.records import AuditEvent
from etftrader.tests.test_t40_admin import EDITED, REGISTERED, address, people, rows
from marketdata.models import Instrument, Universe
from portfolios.models import User, Watchlist

pytestmark = pytest.mark.django_db
__all__ = ["people", "rows"]  # fixtures
# one field of each model and what is typed into it; a model without an entry makes the test red
TYPED: dict[str, dict[str, Any]] = {
    "auth.Group": {"name": "Watchers"},
    "django_celery_beat.CrontabSchedule": {"hour": "3"},
    "django_celery_beat.IntervalSchedule": {"every": "47"},
    "django_celery_beat.PeriodicTask": {"description": "Later"},
    "marketdata.Instrument": {"name": "Renamed"},
    "marketdata.InstrumentAlias": {"alias": "AAA.X"},
    "marketdata.SessionOverride": {"reason": "Heavy snow"},
    "marketdata.Universe": {"name": "Some"},
    "portfolios.Account": {"name": "Savings"},
    "portfolios.Customer": {"kyc_status": "passed"},
    "portfolios.ImportAlias": {"alias": "bought on"},
    "portfolios.Tag": {"colour": "#000000"},
    "portfolios.User": {"name": "Somebody Else"},
    "portfolios.UserPreference": {"density": "comfortable"},
    "portfolios.Watchlist": {"name": "Yours"},
    "trading.CostModel": {"half_spread_bp": "2.5"},
}
CHANGED = {label for label, rights in EDITED.items() if "change" in rights}
DELETED = {
    "django_celery_beat.PeriodicTask",
    "marketdata.SessionOverride",
    "marketdata.InstrumentAlias",
    "portfolios.ImportAlias",
    "portfolios.Tag",
    "portfolios.Watchlist",
    "trading.CostModel",
}


def filled(page: Any) -> dict[str, Any]:
    """What a browser would send back of a page, unchanged."""
    sent: dict[str, Any] = {}
    formsets = [each.formset for each in page.context["inline_admin_formsets"]]
    forms = [page.context["adminform"].form, *(form for each in formsets for form in each)]
    for form in [*forms, *(each.management_form for each in formsets)]:
        for bound in form:
            value = bound.value()
            if value is None or value is False or bound.field.disabled:
                continue
            if isinstance(value, list | tuple):
                value = [getattr(each, "pk", each) for each in value]
            widgets = getattr(bound.field.widget, "widgets", None)
            if widgets:
                parts = bound.field.widget.decompress(value)
                sent |= {f"{bound.html_name}_{n}": part for n, part in enumerate(parts)}
            else:
                sent[bound.html_name] = value if isinstance(value, list) else localize_input(value)
    return sent


def change(client: Client, label: str, key: Any, **typed: Any) -> list[AuditEvent]:
    """Open, type, save; the lines it left beside the one of looking."""
    path = address(label, "change", key)
    sent = filled(client.get(path)) | typed
    before = AuditEvent.objects.count()
    answer = client.post(path, sent)
    assert answer.status_code == 302, answer.context["errors"]
    return list(AuditEvent.objects.order_by("pk")[before:])


def test_every_model_that_may_be_changed_is_typed_into() -> None:
    assert set(TYPED) == CHANGED


@pytest.mark.parametrize("label", sorted(TYPED))
def test_a_change_leaves_one_line_with_before_and_after(
    label: str, rows: dict[str, Any], people: dict[str, Client]
) -> None:
    [(name, value)] = TYPED[label].items()
    row = REGISTERED[label].model._base_manager.get(pk=rows[label])
    was = getattr(row, name)

    [line] = change(people["superuser"], label, rows[label], **TYPED[label])

    assert (line.action, line.object_type) == ("admin.changed", label.split(".")[1].lower())
    assert line.object_id == str(rows[label])
    assert line.actor_label == "root@example.com"
    assert set(line.before) == set(line.after) == {name}
    assert str(line.before[name]) == str(was)
    assert str(line.after[name]) == value
    row.refresh_from_db()
    assert str(getattr(row, name)) == value
    assert audit.verify() == []


@pytest.mark.parametrize("label", sorted(TYPED))
def test_saving_without_a_change_leaves_none(
    label: str, rows: dict[str, Any], people: dict[str, Client]
) -> None:
    assert change(people["superuser"], label, rows[label]) == []


@pytest.mark.parametrize("label", sorted(DELETED))
def test_a_deleted_row_is_kept_in_its_line(
    label: str, rows: dict[str, Any], people: dict[str, Client]
) -> None:
    before = AuditEvent.objects.count()
    one = people["superuser"].post(address(label, "delete", rows[label]), {"post": "yes"})

    [line] = AuditEvent.objects.order_by("pk")[before:]
    assert one.status_code == 302
    assert (line.action, line.object_id) == ("admin.deleted", str(rows[label]))
    assert line.before
    assert not REGISTERED[label].model._base_manager.filter(pk=rows[label]).exists()


def test_rows_deleted_together_have_a_line_each(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    owner = User.objects.get(email="owner@example.com")
    more = Watchlist.objects.create(user=owner, name="More")
    chosen = [rows["portfolios.Watchlist"], more.pk]

    people["superuser"].post(
        address("portfolios.Watchlist", "changelist"),
        {"action": "delete_selected", "_selected_action": chosen, "post": "yes"},
    )

    lines = AuditEvent.objects.filter(action="admin.deleted", object_type="watchlist")
    assert {line.object_id for line in lines} == {str(each) for each in chosen}


def test_a_row_of_an_inline_stands_in_the_line(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    key = rows["marketdata.Universe"]
    fund = Instrument.objects.get(symbol="AAA")
    page = people["superuser"].get(address("marketdata.Universe", "change", key))
    prefix = page.context["inline_admin_formsets"][0].formset.prefix

    [line] = change(
        people["superuser"],
        "marketdata.Universe",
        key,
        **{
            f"{prefix}-TOTAL_FORMS": "1",
            f"{prefix}-0-instrument": str(fund.pk),
            f"{prefix}-0-valid_from": "2016-01-04",
        },
    )

    assert Universe.objects.get(pk=key).members.count() == 1
    assert line.after["universemember"][0]["added"]["instrument_id"] == str(fund.pk)


def test_new_rights_stand_in_the_line_by_name(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    person = User.objects.get(email="user@example.com")
    group = REGISTERED["auth.Group"].model.objects.get(name="Operator")

    [line] = change(
        people["superuser"], "portfolios.User", person.pk, is_staff="on", groups=[group.pk]
    )

    assert line.before == {"is_staff": False, "groups": ["Trader"]}
    assert line.after == {"is_staff": True, "groups": ["Operator"]}


def test_a_password_is_in_no_line(people: dict[str, Client]) -> None:
    secret = "quite-another-secret-7"
    sent = {
        "email": "new@example.com",
        "name": "New",
        "usable_password": "true",
        "password1": secret,
        "password2": secret,
    }

    answer = people["superuser"].post(address("portfolios.User", "add"), sent)

    assert answer.status_code == 302
    line = AuditEvent.objects.get(action="admin.added")
    assert line.object_id == str(User.objects.get(email="new@example.com").pk)
    assert line.after["email"] == "new@example.com"
    assert secret not in str(list(AuditEvent.objects.values("before", "after")))
    assert User.objects.get(email="new@example.com").password not in str(line.after)


def test_who_read_a_version_before_is_told_that_it_moved_on(
    rows: dict[str, Any], people: dict[str, Client]
) -> None:
    fund = Instrument.objects.get(pk=rows["marketdata.Instrument"])
    change(people["superuser"], "marketdata.Instrument", fund.pk, name="Renamed")
    assert Instrument.objects.get(pk=fund.pk).version == fund.version + 1
