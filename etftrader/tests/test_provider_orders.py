"""Which source serves which dataset: the general order, orders of one dataset, what is refused."""

from typing import Any

import pytest

from etftrader import checks
from etftrader.core.errors import BadInput
from marketdata.providers import sources
from marketdata.providers.sources import ACTIONS, BARS, CHAINS, FUND_DATA, QUOTES, VIX, YIELDS
from marketdata.selectors import provider_states


@pytest.mark.parametrize(
    ("setting", "said", "orders"),
    [
        ("BARS", "yfinance,csv", {BARS: ["yfinance", "csv"], VIX: ["yfinance", "csv"]}),
        ("BARS", "yfinance", {BARS: ["yfinance"], CHAINS: ["yfinance"]}),
        ("YIELDS", "yfinance, fred", {YIELDS: ["yfinance", "fred"], BARS: ["csv", "yfinance"]}),
        ("ACTIONS", "yfinance", {ACTIONS: ["yfinance"], BARS: ["csv", "yfinance"]}),
        ("CHAINS", "yfinance", {CHAINS: ["yfinance"], QUOTES: ["yfinance"]}),
        ("QUOTES", " ", {QUOTES: ["yfinance"], FUND_DATA: ["yfinance"], YIELDS: ["csv", "yfinance"]}),
    ],
)  # fmt: skip
def test_a_dataset_may_have_an_order_of_its_own(
    settings: Any, setting: str, said: str, orders: dict[str, list[str]]
) -> None:
    settings.MARKETDATA_PROVIDER = "csv,yfinance"
    setattr(settings, f"MARKETDATA_PROVIDER_{setting}", said)

    assert sources.problems() == []
    assert {dataset: list(sources.serving(dataset)) for dataset in orders} == orders


def test_a_source_of_one_dataset_is_a_source_like_the_others(settings: Any, db: None) -> None:
    settings.MARKETDATA_PROVIDER, settings.MARKETDATA_PROVIDER_YIELDS = "yfinance", "fred,yfinance"

    assert sources.everybody() == ("yfinance", "fred")
    assert list(sources.serving(YIELDS)) == ["fred", "yfinance"]
    assert [(each.provider, each.rank) for each in provider_states.states()] == [
        ("yfinance", 1),
        ("fred", 2),
    ]


@pytest.mark.parametrize(
    ("general", "setting", "said", "words"),
    [
        ("yfinance", "BARS", "yahoo", "MARKETDATA_PROVIDER_BARS: No provider is called yahoo. "
         "Name one or more of bundled, yfinance, csv, fred, separated by commas."),
        ("yfinance", "CHAINS", "csv", "MARKETDATA_PROVIDER_CHAINS: csv has no option chains. "
         "Name one or more of yfinance, separated by commas."),
        ("yfinance", "QUOTES", "yfinance,fred", "MARKETDATA_PROVIDER_QUOTES: fred has no quotes. "
         "Name one or more of yfinance, separated by commas."),
        ("bundled", "CHAINS", "yfinance", "MARKETDATA_PROVIDER_CHAINS: The bundled history ends in "
         "2016 and goes with no other provider."),
        ("yfinance", "BARS", "bundled", "MARKETDATA_PROVIDER_BARS: The bundled history ends in "
         "2016 and goes with no other provider."),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_followed_refuses_every_start(
    settings: Any, general: str, setting: str, said: str, words: str
) -> None:
    settings.MARKETDATA_PROVIDER = general
    setattr(settings, f"MARKETDATA_PROVIDER_{setting}", said)

    assert sources.problems() == [words]
    assert [(each.id, each.msg) for each in checks.settings_gate()] == [("etftrader.E025", words)]
    with pytest.raises(checks.ImproperlyConfigured, match="MARKETDATA_PROVIDER"):
        checks.refuse_unsafe_start()


def test_a_general_order_that_names_nobody_known_is_one_problem(settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "yahoo"

    [problem] = sources.problems()

    assert problem.startswith("MARKETDATA_PROVIDER: No provider is called yahoo.")
    with pytest.raises(BadInput):
        sources.serving(FUND_DATA)


def test_the_order_of_actions_is_asked_beside_the_bars(settings: Any, tmp_path: Any) -> None:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv,yfinance", str(tmp_path)
    assert sources.chain(until=sources.date(2020, 1, 2))._actions == ()

    settings.MARKETDATA_PROVIDER_ACTIONS = "yfinance"

    [named] = sources.chain(until=sources.date(2020, 1, 2))._actions
    assert named.name == "yfinance"
