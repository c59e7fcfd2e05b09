"""Histories as sources and people tell them: Yahoo's answer, a file, a split entered by hand."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from etftrader.core.actor import system
from etftrader.testing.yahoo_server import Reply, YahooServer
from marketdata.models import CorporateAction, Instrument
from marketdata.services import action_edits, price_import
from marketdata.services.action_edits import Wish
from marketdata.services.price_import import Imported

BY = system("tests")


def retell(yahoo: YahooServer, told: dict[str, Any], symbol: str = "SPY") -> None:
    """From now on Yahoo answers this for the chart of a symbol."""
    yahoo.forget(f"/chart/{symbol}")
    yahoo.say(f"/chart/{symbol}", Reply.json(told))


def bring(path: Path, head: str, rows: Iterable[str], until: date) -> Imported:
    """Write a file and import it."""
    path.write_text("\n".join([head, *rows, ""]))
    return price_import.import_file(path=path, until=until)


def split(instrument: Instrument, ratio: object, ex_date: date, *, latest: date) -> CorporateAction:
    """A split that a person enters."""
    wish = Wish(instrument=instrument, kind="split", ex_date=ex_date, ratio=Decimal(str(ratio)))
    return action_edits.enter(wish=wish, latest=latest, by=BY)
