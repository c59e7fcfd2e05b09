"""What the examples show is bundled history, or says by its symbol that it was made up."""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import marketdata
from etftrader.api.description import DOCS
from etftrader.core.api import shapes
from etftrader.core.records import JobRun
from marketdata import choices
from marketdata.providers import sources
from marketdata.selectors import freshness
from portfolios.choices import AccountType, ImportStatus, Quality, Role, RowVerdict
from risk.choices import Measure, Severity, StopState, Unit
from trading.choices import OrderState, Side

BUNDLE = Path(marketdata.__file__).parent / "data" / "daily_close.csv.gz"
# what no bundled file has: beside a figure of these no real symbol may stand
NOT_BUNDLED = {
    *("aum", "clean_price", "compared_with", "ev", "ex_date", "high", "low", "pb", "pe"),
    *("target_price", "top_holdings"),
}
MADE_UP = re.compile(r"NEW(CO|ETF)(-\d{4})?")
PRICES = ("close", "price", "level")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT")
# ends of a document's name and a field: what is stored and can be filtered by
CHOICES: dict[tuple[str, str], set[str]] = {
    ("Doubt", "dataset"): set(sources.DATASETS),
    ("ChartBars.held_back", "dataset"): set(sources.DATASETS),
    ("Providers.results", "serves"): set(sources.DATASETS),
    ("DataStatus.datasets", "dataset"): {each for each, _ in freshness._LABELS.values()},
    ("DataQuality.datasets", "dataset"): {each for each, _ in freshness._LABELS.values()},
    ("Doubt", "state"): set(choices.QuarantineState.values),
    ("Action", "kind"): set(choices.ActionKind.values),
    ("Action", "state"): set(choices.ActionStatus.values),
    ("ChartBars.actions", "status"): set(choices.ActionStatus.values),
    ("Instrument", "kind"): set(choices.InstrumentKind.values),
    ("Position", "kind"): set(choices.InstrumentKind.values),
    ("Position", "price_class"): set(choices.PriceClass.values),
    ("Quote", "quality"): set(choices.PriceClass.values),
    ("Option", "vol_source"): set(choices.VolSource.values),
    ("Option", "option_type"): set(choices.OptionRight.values),
    ("Option", "style"): set(choices.ExerciseStyle.values),
    ("Option", "settlement"): set(choices.Settlement.values),
    ("Bond", "basis"): set(choices.DayCount.values),
    ("Price", "price_basis"): set(choices.PriceBasis.values),
    ("Price", "source"): set(choices.Source.values),
    ("Fundamentals", "source"): set(choices.Source.values),
    ("Job", "status"): set(JobRun.Status.values),
    ("Step", "status"): set(JobRun.Status.values),
    ("Import", "status"): set(ImportStatus.values),
    ("ImportRow", "verdict"): set(RowVerdict.values),
    ("Snapshot", "quality"): set(Quality.values),
    ("Member", "role"): set(Role.values),
    ("Account", "account_type"): set(AccountType.values),
    ("Order", "side"): set(Side.values),
    ("Order", "state"): set(OrderState.values),
    ("Alert", "severity"): set(Severity.values),
    ("LimitInForce", "measure"): set(Measure.values),
    ("LimitInForce", "unit"): set(Unit.values),
    ("Stops.results", "state"): set(StopState.values),
}


def documents() -> dict[str, Any]:
    """Every example as it is read, by the name of its component."""
    known = shapes.KNOWN
    told = {each.name: each.example for each in known.parts.values()}
    told |= {each.name: each.example for each in known.answers.values()}
    return {name: shapes.shown(each) for name, each in (told | known.bodies).items()}


def objects(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """An example's objects, each with its place; lists are left out of it."""
    if isinstance(value, dict):
        yield place, value
        for name, each in value.items():
            yield from objects(each, f"{place}.{name}")
    elif isinstance(value, list):
        for each in value:
            yield from objects(each, place)


def everything() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, example in documents().items():
        yield from objects(example, name)


@cache
def closes() -> dict[str, dict[str, str]]:
    """The bundled closes: by date, then by symbol."""
    with gzip.open(BUNDLE, "rt", encoding="utf-8") as file:
        return {row.pop("date"): row for row in csv.DictReader(file)}


def bundled(symbol: str, day: str) -> Decimal:
    return Decimal(closes()[day][symbol])


def before(day: str) -> str:
    return max(each for each in closes() if each < day)


def day_of(each: dict[str, Any]) -> str | None:
    """The session an object's price is of."""
    named = each.get("session_date") or each.get("price_as_of") or each.get("timestamp")
    return str(named or each.get("as_of"))[:10] if named or each.get("as_of") else None


def test_prices_of_real_symbols_are_the_bundled_ones() -> None:
    wrong, compared = [], 0
    real = set(next(iter(closes().values())))
    for place, each in everything():
        day = day_of(each)
        if each.get("symbol") not in real or day not in closes():
            continue
        for name in set(PRICES) & {key for key, value in each.items() if value is not None}:
            compared += 1
            if Decimal(str(each[name])) != bundled(each["symbol"], day):
                wrong.append(f"{place}.{name}: {each[name]}")
        if each.get("previous_close"):
            compared += 1
            if Decimal(each["previous_close"]) != bundled(each["symbol"], before(day)):
                wrong.append(f"{place}.previous_close")
    assert wrong == []
    assert compared >= 10
    vix, curve = documents()["Vix"], documents()["TreasuryCurve"]
    assert Decimal(str(vix["level"])) == bundled("^VIX", vix["session_date"])
    assert curve["percent"]["10Y"] == 1.57


def test_figures_nobody_bundled_stand_under_symbols_that_are_made_up() -> None:
    real = set(next(iter(closes().values())))
    wrong = []
    for name, example in documents().items():
        inner = [each for _, each in objects(example, name)]
        if not any(each.get(field) for each in inner for field in NOT_BUNDLED):
            continue
        named = {each.get(key) for each in inner for key in ("symbol", "instrument")}
        wrong += [f"{name}: {each}" for each in named & real]
        said = {str(each["symbol"]) for each in inner if each.get("symbol")}
        wrong += [f"{name}: {each}" for each in said if not MADE_UP.fullmatch(each)]
    assert wrong == []
    text = (DOCS / "examples.json").read_text(encoding="utf-8")
    assert "yfinance" not in text
    assert "fred" not in text


def test_what_was_held_back_is_compared_with_its_own_session() -> None:
    doubt, kept = documents()["Doubt"], documents()["ChartBars"]["held_back"][0]
    assert doubt["symbol"] == "NEWCO"
    assert kept["session_date"] == documents()["ChartBars"]["bars"][-1]["at"]


def test_moments_are_utc() -> None:
    wrong = []
    for place, each in everything():
        for name, value in each.items():
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str) or not MOMENT.match(text) or "/" in text:
                    continue
                if datetime.fromisoformat(text).utcoffset() != timedelta(0):
                    wrong.append(f"{place}.{name}: {text}")
    assert wrong == []


def test_words_for_programs_are_those_that_are_stored() -> None:
    wrong, met = [], set()
    for place, each in everything():
        for (at, field), known in CHOICES.items():
            if place != at or each.get(field) is None:
                continue
            met.add((at, field))
            value = each[field]
            wrong += [
                f"{place}.{field}: {one}"
                for one in (value if isinstance(value, list) else [value])
                if one not in known
            ]
    assert wrong == []
    assert met == set(CHOICES)


def test_examples_do_not_contradict_themselves() -> None:
    wrong = []
    for place, each in everything():
        rows = each.get("results", each.get("bars"))
        if isinstance(each.get("count"), int) and isinstance(rows, list):
            wrong += [place] if each["count"] != len(rows) else []
        if "missing" in each and "covered" in each:
            lacking = each["total"] - each["covered"]
            wrong += [place] if lacking != len(each["missing"]) else []
        if "late" in each.get("complaints", ()):
            wrong += [place] if not each["lag_sessions"] else []
        if "short_history" in each.get("complaints", ()):
            wrong += [place] if each["sessions"] >= 30 else []
        if "without_prices" in each:
            wrong += [place] if each["there"] == each["expected"] else []
        if {"total", "good", "complaints"} <= set(each):
            wrong += [place] if each["total"] - each["good"] != len(each["complaints"]) else []
    assert wrong == []


def test_no_object_is_told_twice() -> None:
    told = json.loads((DOCS / "examples.json").read_text(encoding="utf-8"))
    seen: dict[str, str] = {}
    twice = []
    for place, each in objects(told["answers"] | told["parts"], ""):
        if len(each) < 5:
            continue
        text = json.dumps(each, sort_keys=True)
        if text in seen:
            twice.append(f"{seen[text]} and {place}")
        seen[text] = place
    assert twice == []
