"""Every field of the description has a word, the right one, and its unit."""

import json
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from etftrader.api.description import DOCS
from etftrader.core.api import samples, shapes, words
from etftrader.core.api.words import Word
from etftrader.management.commands import write_openapi

Description = dict[str, Any]
# names that mean many things: a unit of theirs stands under a place
GENERIC = {
    *("after", "amount", "before", "change", "close", "contracts", "count", "expected", "first"),
    *("held", "last", "limit", "measured", "missing", "now", "observed", "open", "order", "status"),
    *("there", "threshold", "total", "value", "version", "warnings"),
}
# place and field: the beginning of its text, and its unit
SAID = {
    ("PortfolioRisk.data", "limit"): ("Limit of the VaR", "currency"),
    ("PortfolioRisk.data", "watch"): ("VaR from which", "currency"),
    ("PortfolioRisk.data.limits", "limit"): ("The limit, in its unit.", None),
    ("PortfolioRisk.data.limits", "watch"): ("Share of the limit", "fraction"),
    ("PortfolioRisk.data.limits", "observed"): ("What was measured", None),
    ("VarComponents.data", "total"): ("VaR of the book", "currency"),
    ("VarComponents.data.components", "share"): ("Component as a share", "fraction"),
    ("PreTradeDocument.exposure.nav", "change"): ("What the order changes.", "currency"),
    ("PreTradeDocument.exposure.nav", "before"): ("Before the order.", "currency"),
    ("PreTradeDocument.limits", "before"): ("What is measured before", None),
    ("PreTradeDocument.limits", "limit"): ("The limit, in its unit.", None),
    ("PreTradeDocument.solvency", "held"): ("Units held", "units"),
    ("PreTradeDocument", "pricing"): ("What each order is priced with.", None),
    ("Quote", "change"): ("Price less the close before.", "currency per unit"),
    ("Job", "status"): ("queued, running,", None),
    ("JobItem", "status"): ("ok, skipped or failed.", None),
    ("OptionSide", "last"): ("Price of the last trade.", "currency per unit"),
    ("OptionChain.results.put", "last"): ("Price of the last trade.", "currency per unit"),
    ("OptionChain.expiries", "contracts"): ("How many contracts expire", None),
    ("Series", "last"): ("Session of its newest price.", None),
    ("Import", "warnings"): ("How many rows have a warning.", None),
    ("WholeListRequest", "order"): ("Place in the order, from 0; the first without it.", None),
    ("WholeItemRequest", "order"): ("Place in the order, from 0; the first without it.", None),
    ("NewListRequest", "order"): ("Place in the order; at the end without it.", None),
    ("Trade", "order"): ("Id of the order", None),
    ("Schedule", "version"): ("Changes with every change", None),
    ("Version", "version"): ("Version of the product.", None),
    ("Doubt", "shares"): ("Shares of today", "shares per share"),
    ("Doubt", "value"): ("The figure that was not believed", None),
    ("ChartBars.held_back", "value"): ("The figure that was not believed", None),
    ("LimitInForce", "value"): ("The limit, in its unit.", None),
    ("Sessions.results", "close"): ("When the session closes", None),
    ("Price", "close"): ("Last price.", "currency per unit"),
    ("Action", "amount"): ("Dividend of one unit", "currency per unit"),
    ("CashTransaction", "amount"): ("Positive where cash came in", "currency"),
    ("MarketClock", "bars"): ("Bars of the session", None),
    ("UnderlyingSums", "contracts"): ("Contracts held.", "contracts"),
    ("Import", "dialect"): ("How the file was read.", None),
    ("Alert", "key"): ("Names what it is about", None),
    ("Check", "document"): ("The whole verdict", None),
    ("ChartBars", "held_back"): ("Prices that were not believed", None),
    ("NewOptionRequest", "delta"): ("Not used: computed at every close", None),
    ("OptionChangeRequest", "rho"): ("Not used: computed at every close", None),
    ("Option", "delta"): ("Change of the price for 1.00", "currency per 1.00"),
    ("PatchedBondTermsRequest", "convexity"): ("Not used: computed from terms", None),
    ("PriceChangeRequest", "change_pct"): ("Not used: computed from the close", None),
}

UNITS = {
    ("Bond", "duration"): "years",
    ("Bond", "clean_price"): "per 100 of face",
    ("Bond", "coupon_rate"): "fraction a year",
    ("Option", "theta"): "currency a day",
    ("Price", "close"): "currency per unit",
    ("Price", "change_pct"): "percent",
    ("NewBondRequest", "ytm"): "fraction a year",
    ("Position", "weight"): "share of NAV",
    ("TreasuryCurve", "age_days"): "days",
}


@pytest.fixture(scope="module")
def description() -> Description:
    return json.loads(write_openapi.text())


def fields(description: Description) -> Iterator[tuple[str, str, Description]]:
    """Every object's place, and each of its fields."""
    for name, schema in description["components"]["schemas"].items():
        yield from _within(name, schema)


def _within(place: str, schema: Description) -> Iterator[tuple[str, str, Description]]:
    for name, each in schema.get("properties", {}).items():
        yield place, name, each
        yield from _within(f"{place}.{name}", each)
    ways = (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ()))
    for inner in ways:
        if isinstance(inner, dict):
            yield from _within(place, inner)


def told() -> dict[str, dict[str, Any]]:
    """fields.toml, by heading."""
    return tomllib.loads((DOCS / "fields.toml").read_text(encoding="utf-8"))


def test_no_field_is_without_a_word(description: Description) -> None:
    silent = [
        f"{place}.{name}"
        for place, name, each in fields(description)
        if not each.get("description")
    ]
    assert silent == []


def test_words_and_units_are_those_of_the_place(description: Description) -> None:
    known = {(place, name): each for place, name, each in fields(description)}
    wrong = []
    for at, (text, unit) in SAID.items():
        each = known[at]
        if not each["description"].startswith(text) or each.get("x-unit") != unit:
            wrong.append((at, each["description"], each.get("x-unit")))
    assert wrong == []


def test_figures_carry_their_units(description: Description) -> None:
    schemas = description["components"]["schemas"]
    for (component, field), unit in UNITS.items():
        assert schemas[component]["properties"][field]["x-unit"] == unit, (component, field)
    assert "x-unit" not in schemas["NewOptionRequest"]["properties"]["delta"]


def test_names_that_mean_many_things_have_no_unit_of_their_own() -> None:
    assert {name for name in GENERIC if words.WORDS.get(name, Word("")).unit} == set()


def test_the_exact_place_counts_before_a_pattern_and_that_before_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(words, "WORDS", {})
    monkeypatch.setattr(words, "AT", {})
    words.learn({"value": Word("any")})
    words.learn({"value": Word("job")}, ["Job"])
    words.learn({"value": Word("request")}, ["*Request"])
    words.learn({"value": Word("option")}, ["*Option*Request"])
    words.learn({"value": Word("part")}, ["Job.parts"])
    expected = {
        "Job": "job",
        "JobItem": "any",
        "Job.parts": "part",
        "Job.other": "any",
        "LimitRequest": "request",
        "NewOptionRequest": "option",
    }
    for place, text in expected.items():
        assert words.word_for(place, "value") == Word(text), place
    assert words.word_for("Job", "other") is None


def test_a_figure_whose_example_is_null_has_its_unit_all_the_same(
    description: Description,
) -> None:
    known = {(place, name): each for place, name, each in fields(description)}
    assert known["Price", "high"]["x-unit"] == "currency per unit"
    assert "x-unit" not in known["PreTradeDocument", "exposure"]


def test_each_word_is_said_once_and_of_something(description: Description) -> None:
    known = [(place, name) for place, name, _ in fields(description)]
    headings = told()
    unused = set(headings.pop("all")) - {name for _, name in known}
    said: dict[tuple[str, str], list[str]] = {}
    for heading, each in headings.items():
        places = heading.split()
        at = {field for place, field in known for one in places if fnmatchcase(place, one)}
        unused |= {f"{heading}: {field}" for field in set(each) - at}
        unused |= {
            f"{heading}: {one}"
            for one in places
            if not any(fnmatchcase(place, one) and field in each for place, field in known)
        }
        for field, text in each.items():
            said.setdefault((field, str(text)), []).append(heading)
    assert unused == set()
    assert {key: places for key, places in said.items() if len(places) > 1} == {}


def test_every_request_of_the_samples_has_a_key_of_its_own(description: Description) -> None:
    keyed = 0
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            curl, python = (each["source"] for each in operation["x-codeSamples"])
            names = {each["name"] for each in operation.get("parameters", ())}
            if "Idempotency-Key" in names:
                assert '-H "Idempotency-Key: $(uuidgen)"' in curl, f"{method} {path}"
                assert '"Idempotency-Key": str(uuid.uuid4())' in python, f"{method} {path}"
                keyed += 1
            else:
                assert "Idempotency-Key" not in curl + python, f"{method} {path}"
    assert keyed >= 50
    assert "import uuid\n" in samples.HOW


def test_only_a_request_in_progress_says_when_to_come_back(description: Description) -> None:
    refusals = description["components"]["responses"]
    waits = {name for name, each in refusals.items() if "Retry-After" in each["headers"]}
    assert waits == {"Conflict", "TooManyRequests", "Unavailable"}
    said = refusals["Conflict"]["headers"]["Retry-After"]["description"]
    assert "Only with `code` idempotency_in_progress" in said


def test_documents_say_which_members_are_always_there(description: Description) -> None:
    schemas = description["components"]["schemas"]
    documents = {each.name for each in shapes.KNOWN.answers.values()} & set(schemas)
    for name in documents - set(shapes.KNOWN.bodies):
        schema = schemas[name]
        if "properties" not in schema:
            continue
        loose: frozenset[str] = getattr(shapes.KNOWN.example(name), "loose", frozenset())
        assert set(schema.get("required", ())) == set(schema["properties"]) - loose, name
    job = schemas["Job"]
    assert "cancel_url" in job["required"]
    for name in ("id", "url", "kind", "status", "session_date"):
        assert job["properties"][name]["type"] == "string", name
    assert schemas["Quote"]["properties"]["symbol"]["type"] == "string"
    assert schemas["Quote"]["properties"]["session_date"]["type"] == ["string", "null"]
    assert schemas["LimitInForce"]["properties"]["id"]["type"] == ["string", "null"]
    assert "standing" not in schemas["LimitsInForce"]["properties"]["results"]["items"]["required"]
    assert "risk" not in schemas["WholePortfolio"]["required"]


def test_what_is_made_up_says_so() -> None:
    assert re.search(r"NEWCO or NEWETF.* made up", " ".join(samples.HOW.split()))
