"""The order of the files of a run, and what a second run of the suite need not repeat.

The suite runs on both engines. With ETF_SECOND_LEG set, what knows neither a database nor a live
store is left out, and so are the two long walks over who may see what (T-20, T-40). Files that
take long begin first, so that no process works alone at the end.
"""

import os
from pathlib import Path

import pytest

BEGIN_FIRST = (
    "test_live_profile.py",
    "test_t05_kills.py",
    "test_t01_double_spend.py",
    "test_t20_access.py",
    "test_live_market.py",
    "test_t02_ledger_storm.py",
    "test_story.py",
    "test_launcher.py",
    "test_faults_launcher.py",
    "test_faults_day.py",
    "test_faults_jobs.py",
    "test_faults_live.py",
    "test_t22_sockets.py",
    "test_t45_hangs.py",
    "test_t03_idempotency.py",
    "test_t18_ticks.py",
    "test_t17_price_gate.py",
    "test_order_walk.py",
    "test_bench.py",
)
ONCE_PLACES = ("/tests/calculations/", "/tests/providers/", "/tests/data/")
ONCE_FILES = (
    "test_live_profile.py",
    "test_launcher.py",
    "test_faults_launcher.py",
    "test_house.py",
    "test_t36_static.py",
    "test_front_end.py",
    "test_ui_kit.py",
    "test_vectors.py",
    "test_display.py",
    "test_core_svg.py",
    "test_option_charts.py",
    "test_compose.py",
    "test_core_outbound.py",
    "test_core_outbound_tls.py",
    "test_t33_outbound.py",
    "test_t35_settings.py",
    "test_t40_admin.py",
    "test_openapi.py",
    "test_openapi_examples.py",
    "test_bench.py",
    "test_t20_access.py",
    "test_openapi_fields.py",
    "test_openapi_figures.py",
    "test_permission_table.py",
    "test_viewer_walk.py",
    "test_t27_csv_in.py",
    "test_t27_generated.py",
    "test_t28_files_out.py",
    "test_year_of_trades.py",
)
# a week played to its end: every step of a day has run on both engines before it
ONCE_TESTS = ("test_after_the_last_session_there_is_no_more_history",)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read what this run has nothing of: browser tests have names of their own."""
    if not collection_path.name.startswith("test_"):
        return None
    if config.getoption("markexpr") == "browser":
        return True if not collection_path.name.startswith("test_browser") else None
    return True if _second() and _is_once(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the files, and leave out what the other leg has run."""
    if _second():
        left_out = [item for item in items if item.name in ONCE_TESTS]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item.name not in ONCE_TESTS]
    place = {name: order for order, name in enumerate(BEGIN_FIRST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def _second() -> bool:
    return bool(os.environ.get("ETF_SECOND_LEG"))


def _is_once(path: Path) -> bool:
    return path.name in ONCE_FILES or any(part in path.as_posix() for part in ONCE_PLACES)
