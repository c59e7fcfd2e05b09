"""What of a checked file is to be booked, in which order, and in which parts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from portfolios.calculations import csv_layout
from portfolios.choices import Duplicates
from portfolios.models import ImportBatch
from portfolios.services import import_rows
from portfolios.services.import_rows import BOOKABLE

AT_ONCE = 2_000
_DATE = {
    csv_layout.POSITIONS: "entry_date",
    csv_layout.TRADES: "trade_date",
    csv_layout.CASH: "date",
}


@dataclass(slots=True)
class Plan:
    """Lines to be booked together, in the order of their booking."""

    units: list[tuple[int, ...]] = field(default_factory=list)  # rows to be merged are one
    tickers: set[str] = field(default_factory=set)
    oldest: date | None = None  # date of a row
    rows: int = 0
    repeated: int = 0  # rows that another file has booked meanwhile

    def parts(self, size: int) -> Iterator[list[int]]:
        """Lines of at most `size` rows a part, more where so many are merged."""
        part: list[int] = []
        for unit in self.units:
            if part and len(part) + len(unit) > size:
                yield part
                part = []
            part += unit
        if part:
            yield part


def of(batch: ImportBatch) -> Plan:
    """What of a file is not booked yet: positions as they stand, all else by date and time."""
    plan, meanwhile = Plan(), import_rows.booked(batch)
    due: list[tuple[Any, ...]] = []
    groups: dict[tuple[str, str, bool], int] = {}
    rows = batch.rows.filter(verdict__in=BOOKABLE, source="").order_by("ordinal")
    for line, mark, own, said in rows.values_list(
        "ordinal", "fingerprint", "decision", "parsed"
    ).iterator(AT_ONCE):
        assert said is not None  # it can be booked, so it was understood
        if mark in meanwhile and own in ("", Duplicates.SKIP):
            plan.repeated += 1
            continue
        _note(plan, batch.kind, said)
        if batch.kind == csv_layout.POSITIONS:
            choice = own or batch.duplicates
            _group(plan, groups, line, said, merge=choice == Duplicates.MERGE)
        else:
            due.append((said[_DATE[batch.kind]], said.get("executed_at", "end"), line))
    plan.units += [(each[2],) for each in sorted(due)]
    return plan


def _note(plan: Plan, kind: str, said: Mapping[str, Any]) -> None:
    day = date.fromisoformat(said[_DATE[kind]])
    plan.oldest = day if plan.oldest is None else min(plan.oldest, day)
    plan.rows += 1
    if said["ticker"]:
        plan.tickers.add(said["ticker"])


def _group(
    plan: Plan,
    groups: dict[tuple[str, str, bool], int],
    line: int,
    said: Mapping[str, Any],
    *,
    merge: bool,
) -> None:
    """Rows to be merged go with the first of their ticker, date and side."""
    key = (said["ticker"], said["entry_date"], not said["quantity"].startswith("-"))
    if merge and key in groups:
        plan.units[groups[key]] += (line,)
    else:
        groups.setdefault(key, len(plan.units))
        plan.units.append((line,))
