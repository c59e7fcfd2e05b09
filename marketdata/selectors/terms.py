"""What option instruments are contracts of, in figures and in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from marketdata.choices import InstrumentKind, OptionRight
from marketdata.models import Instrument, OptionContract

BATCH = 500


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one listed option."""

    underlying_id: UUID
    underlying: str  # symbol
    expiry: date
    strike: Decimal
    right: str  # call, put

    @property
    def is_call(self) -> bool:
        """Whether it is a right to buy."""
        return self.right == OptionRight.CALL

    @property
    def words(self) -> str:
        """As people say it: SPY 19 Aug 2016 212 call."""
        strike = format(self.strike.normalize(), "f")
        return f"{self.underlying} {self.expiry:%-d %b %Y} {strike} {self.right}"


def of_contract(contract: OptionContract) -> Terms:
    """Terms of a contract that was read with its underlying."""
    return Terms(
        contract.underlying_id,
        contract.underlying.symbol,
        contract.expiry,
        contract.strike,
        contract.right,
    )


def words_of(thing: Instrument) -> str:
    """An option that was read with its contract in words; empty of everything else."""
    contract = getattr(thing, "option", None) if thing.kind == InstrumentKind.OPTION else None
    return of_contract(contract).words if contract is not None else ""


def of_instruments(instrument_ids: Iterable[UUID]) -> dict[UUID, Terms]:
    """Terms by instrument; what is no option is absent. No query for none."""
    wanted = list(instrument_ids)
    found: dict[UUID, Terms] = {}
    for start in range(0, len(wanted), BATCH):
        rows = OptionContract.objects.filter(instrument__in=wanted[start : start + BATCH])
        columns = ("underlying_id", "underlying__symbol", "expiry", "strike", "right")
        for key, *values in rows.values_list("instrument_id", *columns):
            found[key] = Terms(*values)
    return found


def names(things: Iterable[Instrument]) -> dict[UUID, str]:
    """What people call instruments: an option by its terms, everything else by its symbol."""
    found = {each.pk: each for each in things}
    options = (key for key, each in found.items() if each.kind == InstrumentKind.OPTION)
    contracts = of_instruments(options)
    return {
        key: contracts[key].words if key in contracts else each.symbol
        for key, each in found.items()
    }
