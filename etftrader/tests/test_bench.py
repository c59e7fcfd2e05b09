"""What the benchmark suite concludes from its timings, and that the product does without it."""

import ast
from pathlib import Path

import pytest

from etftrader.bench import harness

ROOT = Path(__file__).resolve().parents[2]
APPS = ("etftrader", "marketdata", "portfolios", "factors", "risk", "trading")


def test_the_exponent_of_a_square_law_is_two():
    assert harness.exponent([10, 100, 1_000], [3e-6, 3e-4, 3e-2]) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.004, "4 ms"), (3.2e-5, "32 us"), (7e-9, "7 ns")]
)
def test_a_time_is_shown_in_the_unit_that_suits_it(seconds, text):
    assert harness.readable(seconds) == text


def test_an_answer_that_disagrees_never_holds():
    side = harness.Side(lambda: None)
    case = harness.Case("disagrees", side, side, 0.001, lambda: 1.0, 0.5)

    assert not harness.run(case, rounds=1).holds


def test_every_second_round_runs_in_reverse_order():
    seen = []
    sides = [harness.Side(lambda: seen.append("a")), harness.Side(lambda: seen.append("b"))]
    harness.SLICE_S, before = 0.0, harness.SLICE_S
    try:
        harness.interleaved(sides, 2)
    finally:
        harness.SLICE_S = before

    assert "".join(seen[-4:]) == "abba"


@pytest.mark.parametrize(("seconds", "repeats"), [(2.0, 1), (0.25, 4), (0.001, 1_000)])
def test_a_call_is_repeated_until_it_fills_a_slice(monkeypatch, seconds, repeats):
    now = [0.0]
    monkeypatch.setattr(harness, "SLICE_S", 1.0)
    monkeypatch.setattr(harness.time, "perf_counter", lambda: now[0])

    def call():
        now[0] += seconds

    assert harness._repeats(call) == repeats


def test_nothing_of_the_product_imports_the_bench():
    product = [
        path
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if not {"bench", "tests"} & set(path.relative_to(ROOT).parts)
    ]
    imported = {
        name
        for path in product
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in [getattr(node, "module", None), *(alias.name for alias in node.names)]
    }

    assert len(product) > 20
    assert not [name for name in imported if name and name.startswith("etftrader.bench")]
