"""Closes of many sessions at once, answered one session at a time."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np

from etftrader.core.money import to_money
from marketdata.choices import InstrumentKind, PriceClass, Pricing
from marketdata.constants import MAX_STALE_SESSIONS
from marketdata.models import Instrument
from marketdata.selectors import calendar, corporate_actions, prices, suspects
from marketdata.selectors.option_marks import OptionTape
from marketdata.selectors.prices import Mark

# calendar days before the first session that are enough to find the last close and its elder
_LOOK_BACK = timedelta(days=21)


class PriceTape:
    """Marks of instruments at the close of any session between two, from one read."""

    def __init__(self, instruments: Iterable[Instrument], first: date, last: date) -> None:
        asked = {each.pk: each for each in instruments}
        self.manual = [each for each in asked.values() if each.pricing == Pricing.MANUAL]
        options = [each for each in asked.values() if each.kind == InstrumentKind.OPTION]
        self.options = OptionTape(options, first, last) if options else None
        contracts = self.options.contracts if self.options is not None else {}
        under = {key: each.underlying_id for key, each in contracts.items()}
        self.doubts = suspects.Doubts(asked, until=last, options=under)
        self.listed = [
            each
            for each in asked.values()
            if each.pricing != Pricing.MANUAL and each.kind != InstrumentKind.OPTION
        ]
        panel = prices.panel(
            symbols=[each.symbol for each in self.listed], until=last, start=first - _LOOK_BACK
        )
        self.sessions = panel.sessions
        self.close = panel.close
        column = {symbol: place for place, symbol in enumerate(panel.symbols)}
        self.columns = {each.pk: column[each.symbol] for each in self.listed}
        self.splits = corporate_actions.factors(instruments=self.listed, session_date=first)
        rows = np.arange(self.close.shape[0])[:, None]
        # row of the newest close at or before each row, -1 where there is none yet
        self.newest = np.maximum.accumulate(np.where(np.isfinite(self.close), rows, -1), axis=0)

    def at(self, session_date: date) -> dict[UUID, Mark]:
        """Return the marks of one session, as `prices.closing_marks` would give them."""
        row = int(np.searchsorted(self.sessions, np.datetime64(session_date)))
        found = self.options.at(session_date) if self.options is not None else {}
        elsewhere = list(self.manual)
        for each in self.listed:
            newest = int(self.newest[row, self.columns[each.pk]])
            if newest < 0:
                elsewhere.append(each)
            else:
                mark = self._mark(each, row, newest)
                steps = self.splits.get(each.pk, ())
                later = corporate_actions.factor(steps, session_date)
                found[each.pk] = prices.in_units(mark, later)
        if elsewhere:
            found |= prices.marks(instruments=elsewhere, session_date=session_date)
        return self.doubts.marked(found, until=session_date)

    def _mark(self, each: Instrument, row: int, newest: int) -> Mark:
        column = self.columns[each.pk]
        before = int(self.newest[newest - 1, column]) if newest else -1
        age = row - newest
        session: date = self.sessions[newest].astype("datetime64[D]").item()
        return Mark(
            instrument_id=each.pk,
            symbol=each.symbol,
            price=self._price(newest, column),
            as_of=calendar.close_time(session),
            session_date=session,
            price_class=(PriceClass.STALE if age else PriceClass.EOD).value,
            source="",
            reason="price_stale" if age > MAX_STALE_SESSIONS else "",
            previous_close=self._price(before, column) if before >= 0 else None,
        )

    def _price(self, row: int, column: int) -> Decimal:
        return to_money(self.close[row, column])
