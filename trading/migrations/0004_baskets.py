"""Baskets of orders and spreads of options."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models

from etftrader.core.triggers import append_only


class Migration(migrations.Migration):

    dependencies = [
        ('portfolios', '0011_invitations'),
        ('risk', '0004_limits_at_a_close'),
        ('trading', '0003_order_types'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='leg',
            field=models.PositiveSmallIntegerField(blank=True, null=True),
        ),
        migrations.CreateModel(
            name='Basket',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('client_basket_id', models.CharField(max_length=60)),
                ('kind', models.CharField(choices=[('basket', 'Basket'), ('spread', 'Option spread')], max_length=8)),
                ('spread_name', models.CharField(blank=True, choices=[('vertical', 'Vertical'), ('straddle', 'Straddle'), ('strangle', 'Strangle'), ('calendar', 'Calendar'), ('custom', 'Custom spread')], max_length=10)),
                ('note', models.CharField(blank=True, max_length=300)),
                ('placed_as_of', models.DateTimeField()),
                ('session_date', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('check_made', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='risk.pretradecheck')),
                ('placed_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('portfolio', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='portfolios.portfolio')),
            ],
        ),
        migrations.AddField(
            model_name='order',
            name='basket',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='legs', to='trading.basket'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.UniqueConstraint(fields=('basket', 'leg'), name='legs_are_numbered'),
        ),
        migrations.AddConstraint(
            model_name='order',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('basket__isnull', True), ('leg__isnull', True)), models.Q(('basket__isnull', False), ('leg__gte', 1), ('leg__isnull', False)), _connector='OR'), name='a_leg_has_a_basket'),
        ),
        migrations.AddIndex(
            model_name='basket',
            index=models.Index(fields=['portfolio', '-created_at'], name='newest_baskets'),
        ),
        migrations.AddConstraint(
            model_name='basket',
            constraint=models.UniqueConstraint(fields=('portfolio', 'client_basket_id'), name='client_basket_id_once'),
        ),
        migrations.AddConstraint(
            model_name='basket',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'basket'), ('spread_name', '')), models.Q(('kind', 'spread'), ('spread_name__in', ['vertical', 'straddle', 'strangle', 'calendar', 'custom'])), _connector='OR'), name='a_spread_has_a_name'),
        ),
        append_only('trading_basket'),
    ]
