"""Figures in doubt: each has the unit it is known to have, and no other."""

import pytest

from etftrader.views import doubt_figures
from marketdata.models import Instrument, QuarantinedPrice


@pytest.mark.parametrize(
    ("dataset", "kind", "currency", "text", "written"),
    [
        ("daily_bars", "etf", "USD", "50", "$50.00"),
        ("quotes", "stock", "CHF", "50.125", "CHF 50.125"),
        ("daily_bars", "index", "USD", "2100.5", "2,100.50 points"),
        ("daily_bars", "bond", "EUR", "98.5", "98.50% of face"),
        ("yields", None, "", "80", "80.00%"),
        # nobody knows what it is of
        ("daily_bars", None, "", "200", "200.00"),
        # a price to earnings, or a fraction
        ("fund_data", "etf", "USD", "21.4", "21.40"),
        ("fund_data", None, "", "0.0945", "0.0945"),
        ("daily_bars", "etf", "USD", "nan", "nan"),
    ],
)
def test_a_figure_has_the_unit_of_what_it_is(dataset, kind, currency, text, written):
    of = Instrument(symbol="AAA", kind=kind, currency=currency) if kind else None
    doubt = QuarantinedPrice(symbol="AAA", dataset=dataset, value=text, instrument=of)

    assert doubt_figures.told(doubt, text) == written
