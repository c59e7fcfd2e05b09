"""The small reviewed tables beside the prices: instruments, liquidity classes, the option smile."""

import csv
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from marketdata.providers.base import (
    InstrumentRow,
    LiquidityClassRow,
    ProviderFailed,
    SmileRow,
)

Number = TypeVar("Number", int, float)

DATA = Path(__file__).resolve().parents[1] / "data"
NOTICE = "Bundled historical prices for demonstration; not current, not for investment decisions."


@lru_cache(maxsize=4)
def instrument_rows(folder: Path = DATA) -> tuple[InstrumentRow, ...]:
    """Read the symbol table, in order of symbol."""
    rows = tuple(
        InstrumentRow(
            symbol=row["symbol"],
            name=row["name"],
            kind=row["kind"],
            asset_class=row["asset_class"],
            sector=row["sector"] or None,
            segment=row["segment"] or None,
            region=row["region"] or None,
            factor_tilt=row["factor_tilt"] or None,
            exchange=row["exchange"] or None,
            currency=row["currency"],
            price_basis=row["price_basis"],
            liquidity_class=_or_none(int, row["liquidity_class"]),
            assumed_dividend_yield=_or_none(float, row["assumed_dividend_yield"]),
            lot_size=int(row["lot_size"]),
        )
        for row in _rows(folder / "instruments.csv")
    )
    if len({row.symbol for row in rows}) != len(rows):
        raise ProviderFailed("a symbol stands twice in the symbol table")
    return tuple(sorted(rows, key=lambda row: row.symbol))


@lru_cache(maxsize=4)
def known_funds(folder: Path = DATA) -> dict[str, tuple[str, str]]:
    """Name and asset class of exchange-traded funds by symbol; the bundle has prices of few."""
    rows = _rows(folder / "known_funds.csv")
    return {row["symbol"]: (row["name"], row["asset_class"]) for row in rows}


@lru_cache(maxsize=4)
def liquidity_rows(folder: Path = DATA) -> dict[int, LiquidityClassRow]:
    """Read the assumed volume and half-spread of each liquidity class."""
    rows = [
        LiquidityClassRow(
            liquidity_class=int(row["liquidity_class"]),
            adv_shares=int(row["adv_shares"]),
            half_spread_bp=float(row["half_spread_bp"]),
            source=row["source"],
        )
        for row in _rows(folder / "liquidity_classes.csv")
    ]
    return {row.liquidity_class: row for row in rows}


@lru_cache(maxsize=4)
def smile_rows(folder: Path = DATA) -> tuple[SmileRow, ...]:
    """Read the one bundled SPY volatility smile, in the file's order."""
    numbers = ("t_years", "forward", "discount", "strike", "bid_iv", "ask_iv")
    return tuple(
        SmileRow(
            tenor=row["tenor"],
            right=row["right"],
            **{name: float(row[name]) for name in numbers},
        )
        for row in _rows(folder / "spy_option_vols_20220715.csv")
    )


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    except OSError as failure:
        raise ProviderFailed("a bundled file cannot be read", file=path.name) from failure


def _or_none(kind: Callable[[str], Number], text: str) -> Number | None:
    return kind(text) if text else None
