"""Files brought in by the tests of the wizard."""

from portfolios.models import ImportBatch
from portfolios.services import csv_import, import_booking
from portfolios.tests.factories import WEDNESDAY, actor, make_user

POSITIONS = "ticker,quantity,entry_price,entry_date,tags\n"
TRADES = "ticker,side,quantity,price,trade_date,fee\n"
CASH = "date,type,amount,reason\n"


def check(portfolio, text, *, kind="positions", user=None, **given) -> ImportBatch:
    """A checked file of the portfolio's owner."""
    user = user or make_user()
    data = text if isinstance(text, bytes) else text.encode()
    return csv_import.check(
        portfolio_id=portfolio.pk,
        user=user,
        file_name="mine.csv",
        file=csv_import.read(data=data, user=user, kind=kind, **given),
        session_date=WEDNESDAY,
    )


def commit(batch, **given) -> ImportBatch:
    """The same, booked."""
    return import_booking.commit(batch_id=batch.pk, by=actor(), **given)


def bring(portfolio, text, **given) -> ImportBatch:
    """Checked and booked."""
    return commit(check(portfolio, text, **given))


def verdicts(batch) -> list[str]:
    """Of each row in the order of the file."""
    return list(batch.rows.order_by("ordinal").values_list("verdict", flat=True))


def codes(batch, ordinal) -> list[tuple[str, str]]:
    """Cell and code of a row's messages."""
    row = batch.rows.get(ordinal=ordinal)
    return [(each["field"], each["code"]) for each in row.messages]
