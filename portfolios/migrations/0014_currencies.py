"""The exchange rate of a booking, and of a valued position."""

import etftrader.core.fields
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('portfolios', '0013_snapshot_tags'),
    ]

    operations = [
        migrations.AddField(
            model_name='ledgerentry',
            name='exchange_rate',
            field=etftrader.core.fields.ExactField(blank=True, null=True, places=12),
        ),
        migrations.AddField(
            model_name='positionsnapshot',
            name='exchange_rate',
            field=etftrader.core.fields.ExactField(blank=True, null=True, places=12),
        ),
    ]
