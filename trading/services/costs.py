"""Choosing what trading costs in a portfolio: a preset, or figures of its own."""

from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, VersionMismatch
from portfolios.services import locking
from trading.calculations.cost_presets import CUSTOM, PRESETS, Rates
from trading.choices import CostPreset
from trading.models import CostModel
from trading.selectors import costs as read

MOST = {
    "commission_per_trade": 1_000,
    "commission_per_share": 100,
    "commission_minimum": 1_000,
    "commission_per_contract": 100,
    "half_spread_bp": 1_000,
    "impact_y": 10,
}


@transaction.atomic
def choose(
    *,
    portfolio_id: UUID,
    preset: str,
    figures: dict[str, Any] | None = None,
    if_match_version: int | None = None,
    by: Actor,
) -> CostModel:
    """Set a portfolio's costs; trades that are booked keep theirs.

    `figures` are the fields of `Rates` for the preset `custom`, each of which defaults to what
    holds now. Version 0 stands for a portfolio that has not chosen yet.
    Raises BadInput naming the field, NotFound and VersionMismatch.
    """
    locking.lock_portfolios(portfolio_id)
    row = read.row(portfolio_id=portfolio_id)
    version = row.version if row is not None else 0
    if if_match_version is not None and if_match_version != version:
        raise VersionMismatch("The costs were changed since they were read.", version=version)
    before = read.rates(row)
    after = _rates(preset, figures or {}, before)
    row = row or CostModel(portfolio_id=portfolio_id)
    for name, value in asdict(after).items():
        setattr(row, name, value)
    row.version = version + 1
    row.save()
    audit.record(
        by=by,
        action="costs.chosen",
        object_type="cost_model",
        object_id=row.pk,
        chain=portfolio_id,
        before=_told(before),
        after=_told(after),
    )
    return row


def _rates(preset: str, figures: dict[str, Any], before: Rates) -> Rates:
    if preset not in CostPreset.values:
        raise BadInput(f"A preset is one of {', '.join(CostPreset.values)}.", attr="preset")
    if preset != CUSTOM:
        if figures:
            raise BadInput(
                f"The preset {preset} has its own figures; choose custom to give others.",
                attr=next(iter(figures)),
            )
        return PRESETS[preset]
    known = {each.name for each in fields(Rates)} - {"preset"}
    for name, value in figures.items():
        if name not in known:
            raise BadInput("There is no such cost.", attr=name)
        _check(name, value)
    return replace(before, **figures, preset=CUSTOM)


def _check(name: str, value: Decimal | float | None) -> None:
    words = name.replace("_", " ")
    if value is None:
        if name != "half_spread_bp":
            raise BadInput(f"Give the {words}.", attr=name)
    elif name == "max_participation":
        if not 0 < value <= 1:
            raise BadInput("A share of the volume is above 0 and at most 1.", attr=name)
    elif not 0 <= value <= MOST[name]:
        raise BadInput(f"The {words} is from 0 to {MOST[name]:,}.", attr=name)


def _told(rates: Rates) -> dict[str, Any]:
    return {name: None if value is None else str(value) for name, value in asdict(rates).items()}
