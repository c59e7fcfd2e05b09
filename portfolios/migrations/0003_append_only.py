"""Guards the append-only tables."""

from django.db import migrations

from etftrader.core.triggers import append_only


class Migration(migrations.Migration):
    dependencies = [("portfolios", "0002_groups")]
    operations = [append_only("portfolios_ledgerentry", "portfolios_cashtransaction")]
