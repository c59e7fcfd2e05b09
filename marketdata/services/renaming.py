"""An instrument under a new symbol: it stays what it is, and the old symbol still finds it.

Until another instrument bears the old symbol: then it means that one.
"""

from datetime import date

from django.db.models import F

from etftrader.core import clock
from etftrader.core.errors import Conflict
from marketdata.calculations.option_symbols import CALL, PUT, ROOT, OptionSymbol
from marketdata.choices import OptionRight
from marketdata.events import followers
from marketdata.models import Instrument, InstrumentAlias, OptionContract, QuarantinedPrice
from marketdata.services import symbols


def rename(*, instrument: Instrument, symbol: str, since: date) -> dict[str, object]:
    """Give an instrument another symbol, and its living options their new root.

    Bars, ticks, quotes and books go by the instrument's id and stay. Whoever keeps something by
    symbol changes it in the same transaction. An option that cannot be spelled by the new symbol
    keeps the old root and is flagged. Raises Conflict where the symbol is another's.
    """
    old = instrument.symbol
    require_free(instrument, symbol)
    _move(instrument, symbol)
    options = _options(instrument, old, since)
    left = [each for each in options if not _follow(each, symbol)]
    for each in left:
        flag(each)
    for follow in followers:
        follow(old, symbol)
    return {
        "old_symbol": old,
        "new_symbol": symbol,
        "options": len(options) - len(left),
        "contracts_to_review": len(left),
    }


def require_free(instrument: Instrument, symbol: str) -> None:
    """Raise Conflict where a symbol is another instrument's; a former one may be taken."""
    taken = Instrument.objects.filter(symbol__iexact=symbol).exclude(pk=instrument.pk)
    if taken.exists():
        raise Conflict(
            f"{instrument.symbol} cannot become {symbol}. {symbols.not_free(symbol)} One that you "
            "see under it can be renamed first.",
            code="symbol_taken",
            attr="new_symbol",
        )


def flag(contract: OptionContract) -> int:
    """Mark a contract whose real terms are no longer the stored ones: a person must look."""
    return OptionContract.objects.filter(pk=contract.pk, adjusted=False).update(
        adjusted=True, updated_at=clock.now(), version=F("version") + 1
    )


def _move(instrument: Instrument, symbol: str) -> None:
    old = instrument.symbol
    # who bears a symbol is found by it, and who bore it last by a former one
    InstrumentAlias.objects.filter(alias__iexact=symbol).delete()
    if old != symbol:
        InstrumentAlias.objects.update_or_create(alias=old, defaults={"instrument": instrument})
    Instrument.objects.filter(pk=instrument.pk).update(
        symbol=symbol, updated_at=clock.now(), version=F("version") + 1
    )
    # what a person decided of its prices stays decided
    QuarantinedPrice.objects.filter(instrument=instrument, symbol=old).update(symbol=symbol)


def _options(instrument: Instrument, root: str, since: date) -> list[OptionContract]:
    alive = OptionContract.objects.filter(underlying=instrument, root=root, expiry__gte=since)
    return list(alive.select_related("instrument").order_by("instrument__symbol"))


def _follow(contract: OptionContract, root: str) -> bool:
    """Spell a contract by its underlying's new symbol; False where that cannot be done."""
    right = CALL if contract.right == OptionRight.CALL else PUT
    symbol = OptionSymbol(root, contract.expiry, right, contract.strike).compact
    if not root.isalpha() or len(root) > ROOT:
        return False
    if Instrument.objects.filter(symbol__iexact=symbol).exists():
        return False
    _move(contract.instrument, symbol)
    OptionContract.objects.filter(pk=contract.pk).update(
        root=root, updated_at=clock.now(), version=F("version") + 1
    )
    return True
