"""History that starts over: what later actions did to prices, terms and symbols is taken back."""

from datetime import date

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.money import plain
from marketdata.calculations.option_symbols import CALL, PUT, OptionSymbol
from marketdata.calculations.splits import exact_ratio, times
from marketdata.choices import ActionKind, ActionStatus, OptionRight
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    MinuteBar,
    OptionContract,
    PriceSeries,
    Tick,
)
from marketdata.selectors import corporate_actions as actions
from marketdata.services import renaming
from marketdata.services.corporate_actions import STRIKE

STORED = (DailyBar, MinuteBar, Tick, PriceSeries)


@transaction.atomic
def take_back(*, after: date, by: Actor) -> list[str]:
    """Make actions after a session pending again, as if the session were the last.

    Stored prices of what was split are dropped: arithmetic does not give back what was rounded.
    The caller fetches them again, by the symbols that are the answer. Raises Conflict where a
    former symbol is another instrument's by now.
    """
    applied = CorporateAction.objects.filter(status=ActionStatus.APPLIED, ex_date__gt=after)
    split = set()
    # the other way round than they were applied
    for action in applied.order_by("-ex_date", "-kind", "-pk"):
        if action.kind == ActionKind.SPLIT:
            split.add(action.instrument_id)
            _unsplit(action)
        elif action.kind == ActionKind.SYMBOL:
            _rename_back(action)
        CorporateAction.objects.filter(pk=action.pk).update(
            status=ActionStatus.PENDING,
            applied_at=None,
            updated_at=clock.now(),
            version=F("version") + 1,
        )
        audit.record(
            by=by,
            action="corporate_action.taken_back",
            object_type="corporate_action",
            object_id=action.pk,
            after={
                "symbol": action.instrument.symbol,
                "kind": action.kind,
                "ex_date": action.ex_date.isoformat(),
                "ratio": plain(action.ratio),
            },
        )
    renamed = Instrument.objects.filter(pk__in=split)
    return sorted(renamed.values_list("symbol", flat=True))


def _rename_back(action: CorporateAction) -> None:
    """The former symbol again; the options follow, and all who keep things by symbol."""
    old = actions.symbol_before(action)
    if old is not None:
        renaming.rename(instrument=action.instrument, symbol=old, since=action.ex_date)


def _unsplit(action: CorporateAction) -> None:
    for table in STORED:
        table._default_manager.filter(instrument=action.instrument).delete()
    changed, _ = actions.adjusted_options(action)
    for contract in changed:
        # who came after the split was listed with the terms it has
        if action.applied_at is not None and contract.created_at <= action.applied_at:
            _old_terms(contract, action)


def _old_terms(contract: OptionContract, action: CorporateAction) -> None:
    assert action.ratio is not None
    strike = times(contract.strike, exact_ratio(action.ratio), STRIKE)
    right = CALL if contract.right == OptionRight.CALL else PUT
    symbol = OptionSymbol(contract.root, contract.expiry, right, strike).compact
    now = clock.now()
    OptionContract.objects.filter(pk=contract.pk).update(
        strike=strike, updated_at=now, version=F("version") + 1
    )
    Instrument.objects.filter(pk=contract.instrument_id).update(
        symbol=symbol, updated_at=now, version=F("version") + 1
    )
