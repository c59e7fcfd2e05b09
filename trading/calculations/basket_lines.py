"""Lines of a basket as people type or paste them: side, quantity, symbol, perhaps a limit."""

import re
from dataclasses import dataclass
from decimal import Decimal

from etftrader.core.money import parse_amount

SIDES = {"buy": "buy", "b": "buy", "sell": "sell", "s": "sell"}
_AT = ("@", "limit", "at")
_CELLS = re.compile(r"[\t;]+|\s+")


@dataclass(frozen=True, slots=True)
class Line:
    """One leg as typed."""

    number: int  # of the text, from 1
    side: str
    quantity: Decimal
    symbol: str
    limit_price: Decimal | None = None


def read(text: str) -> tuple[list[Line], list[str]]:
    """Read lines such as ``buy 100 SPY`` or ``sell 40 TLT @ 138.50``.

    Parameters
    ----------
    text : str
        Cells stand between spaces, tabs or semicolons, or all between commas; thousands may have
        a comma. Empty lines count for nothing.

    Returns
    -------
    lines : list of Line
        What was understood, in order; quantities and prices as typed, of any sign.
    errors : list of str
        A sentence for every other line, beginning with its number.
    """
    lines, errors = [], []
    for number, written in enumerate(text.splitlines(), start=1):
        if not written.strip():
            continue
        try:
            lines.append(_line(number, _cells(written.strip())))
        except ValueError as error:
            errors.append(f"Line {number}: {error}.")
    return lines, errors


def _cells(written: str) -> list[str]:
    cells = [each for each in _CELLS.split(written) if each]
    if len(cells) == 1 or all(each.endswith(",") for each in cells[:-1]):
        cells = [each.strip() for each in written.split(",")]
    return [each for each in cells if each and each.lower() not in _AT]


def _line(number: int, cells: list[str]) -> Line:
    if not 3 <= len(cells) <= 4:
        raise ValueError("write side, quantity, symbol and perhaps a limit: buy 100 SPY 203.5")
    side = SIDES.get(cells[0].lower())
    if side is None:
        raise ValueError(f'"{cells[0][:20]}" is neither buy nor sell')
    price = _amount(cells[3].removeprefix("@")) if len(cells) == 4 else None
    return Line(number, side, _amount(cells[1]), cells[2].upper(), price)


def _amount(text: str) -> Decimal:
    return parse_amount(text.replace(",", ""))
