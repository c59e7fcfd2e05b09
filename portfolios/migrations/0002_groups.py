"""Site roles: what kind of act a user may do at all; membership says on which portfolio."""

from django.db import migrations

GROUPS = ("Viewer", "Trader", "Risk manager", "Operator", "Admin")


def add(apps, editor):
    """Create the groups that are not there."""
    group = apps.get_model("auth", "Group")
    for name in GROUPS:
        group.objects.get_or_create(name=name)


class Migration(migrations.Migration):
    dependencies = [("portfolios", "0001_initial"), ("auth", "0012_alter_user_first_name_max_length")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
