"""Symbols of listed options as the Options Clearing Corporation writes them (OCC)."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

CALL, PUT = "C", "P"
TAIL = 15  # YYMMDD, C or P, eight digits of strike
ROOT = 6
PER_UNIT = 1000
LARGEST_STRIKE = Decimal(10**8 - 1) / PER_UNIT
CENTURY = 2000
EXAMPLE = "AAPL240119C00150000"
# Roots that name a series of an index, not the index.
SERIES = {"SPXW": "SPX", "NDXP": "NDX", "RUTW": "RUT", "VIXW": "VIX", "XSPW": "XSP"}
_ROOT = re.compile(r"([A-Z]{1,6})([1-9]?)")
_CLASSED = re.compile(r"([A-Z]{1,4})[.\-/]([A-Z])")


class SymbolProblem(ValueError):
    """A text that is no option symbol: which part of it, and what would be one."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True)
class OptionSymbol:
    """The parts of an option symbol. `compact` is the one form we write."""

    root: str  # letters, then the adjustment digit if there is one; at most 6 characters
    expiry: date
    right: str  # C or P
    strike: Decimal  # currency a share, at most 3 places
    warnings: tuple[str, ...] = ()

    @property
    def compact(self) -> str:
        """Root, YYMMDD, right and the strike in thousandths, eight digits."""
        return (
            f"{self.root}{self.expiry:%y%m%d}{self.right}{int(self.strike * PER_UNIT):0{TAIL - 7}d}"
        )

    @property
    def padded(self) -> str:
        """The 21-character form: the root filled up with blanks to six."""
        return f"{self.root:<{ROOT}}{self.compact[len(self.root) :]}"

    @property
    def adjusted(self) -> bool:
        """Whether a corporate action changed what the contract delivers."""
        return self.root[-1:].isdigit()

    @property
    def underlying(self) -> str:
        """The root without adjustment digit, and the index of a weekly series."""
        letters = self.root.rstrip("0123456789")
        return SERIES.get(letters, letters)


def parse(text: str) -> OptionSymbol:
    """Read an option symbol in any accepted form.

    Parameters
    ----------
    text : str
        Compact or padded with blanks after the root, upper or lower case. A share-class mark in
        the root (BRK.B, BRK-B, BRK/B) is dropped, as the clearing house does.

    Returns
    -------
    OptionSymbol
        With a warning when the root is adjusted.

    Raises
    ------
    SymbolProblem
        `field` is symbol, root, expiry, right or strike; the words say what is expected there.
    """
    symbol = text.strip(" \t").upper()
    if not symbol.isascii() or len(symbol) <= TAIL:
        raise SymbolProblem(
            "symbol",
            f"{_shown(text)} is too short or not plain text; write root, YYMMDD, C or P and the "
            f"strike in thousandths with eight digits, such as {EXAMPLE}",
        )
    head, tail = symbol[:-TAIL], symbol[-TAIL:]
    root = _root(head.rstrip(" "))
    expiry = _expiry(tail[:6])
    right = tail[6]
    if right not in (CALL, PUT):
        raise SymbolProblem("right", f"{right!r} is neither C (call) nor P (put)")
    strike = _strike(tail[7:])
    warnings: tuple[str, ...] = ()
    if root[-1].isdigit():
        warnings = (
            f"{root} is an adjusted root: its multiplier may differ from 100, "
            "look the contract's terms up",
        )
    return OptionSymbol(root, expiry, right, strike, warnings)


def build(root: str, expiry: date, right: str, strike: Decimal | int | str) -> OptionSymbol:
    """An option symbol from its parts.

    Parameters
    ----------
    root : str
        As `parse` takes it.
    expiry : date
        From 2000 to 2099.
    right : str
        C or P, either case.
    strike : Decimal, int or str
        Currency a share; positive, at most 99,999.999, in steps of 0.001.

    Raises
    ------
    SymbolProblem
        A part cannot be written in a symbol.
    """
    if not CENTURY <= expiry.year < CENTURY + 100:
        raise SymbolProblem("expiry", f"{expiry} is not between 2000 and 2099")
    amount = Decimal(strike)
    if not amount.is_finite() or not 0 < amount <= LARGEST_STRIKE:
        raise SymbolProblem("strike", f"{strike} is not between 0.001 and {LARGEST_STRIKE}")
    thousandths = amount * PER_UNIT
    if thousandths != thousandths.to_integral_value():
        raise SymbolProblem("strike", f"{strike} has more than three decimal places")
    return parse(f"{root}{expiry:%y%m%d}{right}{int(thousandths):08d}")


def _root(head: str) -> str:
    classed = _CLASSED.fullmatch(head)
    plain = classed[1] + classed[2] if classed else head
    if len(plain) > ROOT or not _ROOT.fullmatch(plain):
        raise SymbolProblem(
            "root",
            f"{_shown(head)} is not one to six letters, the last of which may be a digit from 1 "
            "to 9 for adjusted contracts",
        )
    return plain


def _expiry(digits: str) -> date:
    if not digits.isdigit():
        raise SymbolProblem("expiry", f"{_shown(digits)} is not a date written YYMMDD")
    year, month, day = CENTURY + int(digits[:2]), int(digits[2:4]), int(digits[4:])
    try:
        return date(year, month, day)
    except ValueError:
        raise SymbolProblem(
            "expiry", f"{digits} is not a day of the calendar; write YYMMDD, such as 240119"
        ) from None


def _strike(digits: str) -> Decimal:
    if not digits.isdigit():
        raise SymbolProblem(
            "strike", f"{_shown(digits)} is not eight digits; a strike of 150 is 00150000"
        )
    if int(digits) == 0:
        raise SymbolProblem("strike", "a strike of 0 is none; a strike of 150 is 00150000")
    return Decimal(int(digits)) / PER_UNIT


def _shown(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:27] + "...")
