"""Other names of a file's fields are edited in the admin, and every edit leaves a line."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from etftrader import roles
from etftrader.core.records import AuditEvent
from portfolios.models import ImportAlias, User
from trading.tests import world

pytestmark = pytest.mark.django_db
ADD = "/admin/portfolios/importalias/add/"
LIST = "/admin/portfolios/importalias/"
SAID = {"kind": "positions", "field": "quantity", "alias": "number held"}


def told(row: ImportAlias) -> list[str]:
    lines = AuditEvent.objects.filter(object_type="importalias", object_id=str(row.pk))
    return list(lines.order_by("pk").values_list("action", flat=True))


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a-long-password-1"))
    return client


@pytest.fixture
def operator() -> Client:
    roles.assign()
    user = world.make_user("clerk@example.com", is_staff=True)
    user.groups.set([Group.objects.get(name="Operator")])
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("who", ["root", "operator"])
def test_who_may_adds_changes_and_deletes_and_each_leaves_a_line(
    who: str, request: pytest.FixtureRequest
) -> None:
    client = request.getfixturevalue(who)

    added = client.post(ADD, SAID | {"alias": " Number  HELD "})
    row = ImportAlias.objects.get(alias="number held")
    page = reverse("admin:portfolios_importalias_change", args=[row.pk])
    changed = client.post(page, SAID | {"alias": "held now"})
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    deleted = client.post(LIST, chosen)

    assert [each.status_code for each in (added, changed, deleted)] == [302] * 3
    assert not ImportAlias.objects.filter(pk=row.pk).exists()
    assert told(row) == ["admin.added", "admin.changed", "admin.deleted"]


def test_a_name_is_given_once_and_to_a_field_that_files_have(root: Client) -> None:
    assert root.post(ADD, SAID).status_code == 302

    again = root.post(ADD, SAID | {"alias": "Number HELD"})
    strange = root.post(ADD, SAID | {"alias": "colour", "field": "colour"})

    assert b"already exists" in again.content
    assert b"One of ticker" in strange.content
    assert list(ImportAlias.objects.filter(alias__in=["number held", "colour"])) == [
        ImportAlias.objects.get(alias="number held")
    ]


def test_other_staff_change_none() -> None:
    reader = Client()
    roles.assign()
    user = world.make_user("reader@example.com", is_staff=True)
    user.groups.set([Group.objects.get(name="Auditor")])
    reader.force_login(user)

    assert reader.get(LIST).status_code == 200
    assert reader.post(ADD, SAID).status_code == 403
