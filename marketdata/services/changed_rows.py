"""Write only what differs from what is stored: a second run writes nothing."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.db import models, transaction

BATCH = 500

Row = TypeVar("Row", bound=models.Model)


def upsert(
    rows: Iterable[Row],
    *,
    stored: Mapping[Any, Row],
    key: Callable[[Row], Hashable],
    unique: Sequence[str],
    figures: Sequence[str],
    beside: Sequence[str] = (),
) -> int:
    """Insert new rows and replace changed ones; the answer counts both.

    `figures` decide whether a row changed, `beside` are written with them. Of two runs at once
    the later one's figures stay; the table's unique key keeps it at one row.
    """
    fresh = []
    for row in rows:
        known = stored.get(key(row))
        if known is None or any(getattr(known, name) != getattr(row, name) for name in figures):
            fresh.append(row)
    if not fresh:
        return 0
    with transaction.atomic():
        type(fresh[0])._default_manager.bulk_create(
            fresh,
            batch_size=BATCH,
            update_conflicts=True,
            unique_fields=list(unique),
            update_fields=[*figures, *beside],
        )
    return len(fresh)
