"""Matrices and open alerts under an instrument's new symbol: they are told apart by symbols."""

from django.db.models import F

from etftrader.core import clock
from risk.choices import AlertState
from risk.models import Alert, CovarianceSnapshot

STOP = "stop:"


def relabel(old: str, new: str) -> None:
    """Put the new symbol where the old one stood; the caller holds the transaction."""
    for row in CovarianceSnapshot.objects.only("labels", "flags").iterator(200):
        if old in row.labels and new not in row.labels:
            flags = {new if name == old else name: flag for name, flag in row.flags.items()}
            CovarianceSnapshot.objects.filter(pk=row.pk).update(
                labels=[new if name == old else name for name in row.labels],
                flags=flags,
                revision=F("revision") + 1,
                updated_at=clock.now(),
            )
    for alert in Alert.objects.filter(symbol=old).exclude(state=AlertState.RESOLVED):
        key = alert.key
        if key.startswith(STOP):
            key = STOP + new + key.removeprefix(STOP + old)
        Alert.objects.filter(pk=alert.pk).update(
            symbol=new, key=key, updated_at=clock.now(), version=F("version") + 1
        )
