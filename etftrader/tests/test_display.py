"""The formats of numbers, against the table that the browser's formats follow too."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.template import Context, Template

from etftrader.templatetags import display

CASES = json.loads((Path(__file__).parent / "data" / "format_cases.json").read_text())


def render(text: str, **context: object) -> str:
    return Template("{% load display ui %}" + text).render(Context(context))


@pytest.mark.parametrize(("name", "value", "expected"), CASES)
def test_a_value_reads_as_the_table_says(name, value, expected):
    assert display.show(value, name) == expected


@pytest.mark.parametrize("kind", sorted(display.NUMBER_FORMATS))
def test_every_format_is_a_filter_and_dashes_what_is_missing(kind):
    assert render(f"{{{{ value|{kind} }}}}", value=None) == "—"


@pytest.mark.parametrize("kind", sorted(display.NUMBER_FORMATS))
def test_no_format_writes_an_ascii_minus(kind):
    assert "-" not in display.show(Decimal("-12345.678"), kind)


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), "abc", True, Decimal("NaN")])
def test_what_is_no_number_is_a_dash(broken):
    assert display.show(broken, "money2") == "—"


def test_decimal_float_and_text_of_the_same_number_read_alike():
    shown = {display.show(value, "money2") for value in (Decimal("1234.50"), 1234.5, "1234.5")}

    assert shown == {"$1,234.50"}


def test_a_session_date_stays_its_own_day():
    assert display.show(date(2016, 6, 24), "et:date") == "24 Jun 2016"


def test_an_age_may_be_a_timedelta():
    assert display.show(timedelta(minutes=3, seconds=59), "age") == "3 min"


def test_a_moment_shows_new_york_and_keeps_utc_in_its_title():
    # 13:30 UTC in June is 09:30 in New York (daylight saving time, UTC-4).
    shown = render("{% moment at %}", at=datetime(2016, 6, 24, 13, 30, tzinfo=UTC))

    assert shown == (
        '<time datetime="2016-06-24T13:30:00Z" title="2016-06-24 13:30:00 UTC">09:30:00 ET</time>'
    )


def test_a_live_value_carries_what_the_page_needs_to_patch_it():
    shown = render('{% value x "money0" live="risk.var" max_age=30 %}', x=Decimal("15416.2"))

    assert shown == (
        '<span data-fmt="money0" data-live="risk.var" data-max-age="30">$15,416</span>'
    )


def test_a_missing_value_says_why_and_its_reason_is_escaped():
    shown = render('{% value x "money0" reason=why %}', x=None, why='no <price> of "X"')

    assert "—" in shown
    assert 'title="no &lt;price&gt; of &quot;X&quot;"' in shown
    assert "missing" in shown


@pytest.mark.parametrize(("value", "tone"), [(5, "up"), ("-0.01", "dn"), (0, ""), (None, "")])
def test_a_gain_and_a_loss_have_their_class(value, tone):
    assert display.tone_of(value) == tone


@pytest.mark.parametrize(
    ("used", "state"),
    [("0.79", "within"), ("0.8", "watch"), ("1", "watch"), ("1.0001", "breach"), (None, "missing")],
)
def test_a_limit_stands_by_the_fraction_used(used, state):
    assert display.used_state(used) == state


def test_a_share_of_nothing_is_not_a_number():
    assert display.share(5, 0) is None
    assert display.share(5, None) is None
    assert display.share(Decimal(15416), 20000) == Decimal("0.7708")
