"""Guards the append-only tables."""

from django.db import migrations

from etftrader.core.triggers import append_only


class Migration(migrations.Migration):
    dependencies = [("risk", "0001_initial")]
    operations = [append_only("risk_limitbreach", "risk_stopevent", "risk_pretradecheck")]
