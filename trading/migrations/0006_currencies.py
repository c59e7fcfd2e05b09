"""The exchange rate of a trade."""

import etftrader.core.fields
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('trading', '0005_import_source'),
    ]

    operations = [
        migrations.AddField(
            model_name='trade',
            name='exchange_rate',
            field=etftrader.core.fields.ExactField(blank=True, null=True, places=12),
        ),
    ]
