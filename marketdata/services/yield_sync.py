"""Treasury yields: fetched where sessions are missing, judged, written in bulk."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import F

from marketdata.calculations.bar_gate import FUTURE
from marketdata.calculations.price_checks import NOT_FINITE
from marketdata.constants import TENORS
from marketdata.models import QuarantinedPrice, TreasuryYield
from marketdata.providers.base import YieldRow

RANGE = (-2.0, 25.0)  # percent; quant.md 24
OUT_OF_RANGE, UNKNOWN_TENOR = "out_of_range", "unknown_tenor"
DATASET = "yields"


@dataclass(frozen=True, slots=True)
class Written:
    """What changed, and what was refused with its reason."""

    changed: list[YieldRow]
    refused: list[tuple[YieldRow, str]]
    quarantined: int  # of the refused, those that were not known yet


def write(rows: Sequence[YieldRow], *, until: date, run_id: UUID | None = None) -> Written:
    """Store what may be believed. An equal yield is left alone; a refused one is kept, once."""
    good: list[YieldRow] = []
    refused: list[tuple[YieldRow, str]] = []
    for row in rows:
        reason = _refusal(row, until)
        if reason is None:
            good.append(row)
        else:
            refused.append((row, reason))
    fresh = _changed(good)
    with transaction.atomic():
        TreasuryYield.objects.bulk_create(
            [
                TreasuryYield(
                    session_date=row.session_date,
                    tenor=row.tenor,
                    percent=row.percent,
                    source=row.source,
                )
                for row in fresh
            ],
            batch_size=1000,
            update_conflicts=True,
            unique_fields=["session_date", "tenor"],
            update_fields=["percent", "source"],
        )
        kept = _keep([_doubt(row, reason, run_id) for row, reason in refused])
    return Written(fresh, refused, kept)


def _refusal(row: YieldRow, until: date) -> str | None:
    low, high = RANGE
    if not math.isfinite(row.percent):
        return NOT_FINITE
    if row.session_date > until:
        return FUTURE
    if not low <= row.percent <= high:
        return OUT_OF_RANGE
    return None if row.tenor in TENORS else UNKNOWN_TENOR


def _changed(rows: Sequence[YieldRow]) -> list[YieldRow]:
    """The rows that differ from what is stored; of two for one tenor and day, the later."""
    last = {(row.session_date, row.tenor): row for row in rows}
    if not last:
        return []
    days = [day for day, _ in last]
    stored = {
        (day, tenor): (percent, source)
        for day, tenor, percent, source in TreasuryYield.objects.filter(
            session_date__range=(min(days), max(days))
        ).values_list("session_date", "tenor", "percent", "source")
    }
    return [row for key, row in last.items() if stored.get(key) != (row.percent, row.source)]


def _keep(doubts: Sequence[QuarantinedPrice]) -> int:
    """Count a known doubt once more, keep a new one; the answer counts the new ones."""
    fresh = 0
    for each in doubts:
        known = QuarantinedPrice.objects.filter(
            symbol=each.symbol,
            dataset=DATASET,
            session_date=each.session_date,
            source=each.source,
            value=each.value,
        )
        if not known.update(times_seen=F("times_seen") + 1):
            each.save()
            fresh += 1
    return fresh


def _doubt(row: YieldRow, reason: str, run_id: UUID | None) -> QuarantinedPrice:
    return QuarantinedPrice(
        symbol=row.tenor[:32],
        dataset=DATASET,
        session_date=row.session_date,
        source=row.source,
        raw={"percent": repr(row.percent), "tenor": row.tenor[:32]},
        value=repr(row.percent)[:40],
        reason=reason,
        run_id=run_id,
    )
