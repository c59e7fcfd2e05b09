"""What the site's groups may do in the admin after a migration."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from etftrader import roles
from portfolios.tests.factories import make_user

pytestmark = pytest.mark.django_db


def signed_in(*groups):
    user = make_user(f"{groups[0].lower().replace(' ', '_')}@example.com", is_staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def migrated():
    roles.assign()


@pytest.mark.parametrize("group", ["Risk manager", "Operator", "Admin", "Auditor"])
def test_staff_of_a_group_find_the_admin_filled(group):
    client = signed_in(group)

    assert b"have permission to view" not in client.get("/admin/").content
    assert client.get("/admin/portfolios/ledgerentry/").status_code == 200


def test_operators_keep_the_kill_switch_and_nobody_edits_the_books():
    switch = "/admin/trading/tradinghalt/switch/"

    assert b"Stop trading for everybody" in signed_in("Operator").get(switch).content
    assert signed_in("Risk manager").get(switch).status_code == 302
    assert signed_in("Admin").get("/admin/portfolios/ledgerentry/add/").status_code == 403


def test_auditors_read_everything_and_write_nothing():
    kinds = Group.objects.get(name="Auditor").permissions.values_list("codename", flat=True)

    assert len(kinds) > 30
    assert all(each.startswith("view_") for each in kinds)


def test_traders_have_no_place_in_the_admin():
    assert not Group.objects.get(name="Trader").permissions.exists()
