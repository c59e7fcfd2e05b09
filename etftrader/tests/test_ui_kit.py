"""Panels, tables and charts: what a page can rely on in their markup."""

import re
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree

import pytest
from django.template import Context, Template
from django.template.loader import render_to_string

from etftrader.views.styleguide import board

OPEN = datetime(2016, 6, 22, 13, 30, tzinfo=UTC)


def render(text, **context):
    return Template("{% load ui display charts %}" + text).render(Context(context))


def line(**more):
    return {
        "id": "v",
        "title": "VaR",
        "conclusion": "It rose.",
        "x": [OPEN, OPEN + timedelta(minutes=1), OPEN + timedelta(minutes=2)],
        "series": [{"name": "VaR", "values": [100.0, None, 150.0]}],
        "fmt": "money0",
        **more,
    }


def test_a_panel_prints_its_slots_in_their_places():
    shown = render(
        '{% panel "Orders" id="orders" refresh="order.filled" poll=True %}'
        '{% slot "end" %}<b>end</b>{% endslot %}<i>inside</i>{% slot "footer" %}foot{% endslot %}'
        "{% endpanel %}"
    )

    assert 'hx-get="?panel=orders"' in shown
    assert "live:order.filled from:body throttle:1s" in shown
    assert "data-poll" in shown
    assert shown.index("<b>end</b>") < shown.index("<i>inside") < shown.index("<footer>foot")


def test_a_panel_escapes_its_title():
    assert "&lt;script&gt;" in render("{% panel name %}x{% endpanel %}", name="<script>")


def test_a_table_formats_aligns_and_explains_what_is_missing():
    table = {
        "id": "t",
        "caption": "Positions",
        "columns": [
            {"key": "symbol", "label": "Position"},
            {"key": "day", "label": "Day", "fmt": "signed:money0", "tone": True, "live": True},
        ],
        "rows": [
            {"symbol": "AMD", "url": "/p/1/", "day": -12, "live": "value.marks.AMD"},
            {"symbol": "<XYZ>", "day": None, "day_reason": "no price since 18 Jun"},
        ],
        "totals": {"symbol": "All", "day": -12},
    }

    shown = render("{% data_table table %}", table=table)

    assert '<a href="/p/1/">AMD</a>' in shown
    assert 'data-live="value.marks.AMD.day"' in shown
    assert '"r dn"' in shown
    assert "\u2212$12" in shown
    assert 'title="no price since 18 Jun"' in shown
    assert "&lt;XYZ&gt;" in shown
    assert "<tfoot>" in shown


def test_an_empty_table_says_what_will_be_here():
    table = {
        "columns": [],
        "rows": [],
        "empty": {"text": "No orders yet.", "url": "/t/", "label": "Trade"},
    }

    shown = render("{% data_table table %}", table=table)

    assert "No orders yet." in shown
    assert '<a class="btn" href="/t/">Trade</a>' in shown


def test_server_sorting_turns_heads_into_links_that_toggle():
    columns = [{"key": "n", "label": "N", "fmt": "int", "sort": True}]
    table = {"id": "t", "caption": "c", "columns": columns, "rows": [{"n": 1}], "sort": "-n"}

    shown = render("{% data_table table %}", table=table)

    assert 'aria-sort="descending"' in shown
    assert 'href="?sort=n"' in shown


def test_a_line_chart_says_its_conclusion_and_repeats_its_data():
    shown = render(
        "{% line_chart chart %}", chart=line(limit={"value": 200, "label": "Limit $200"})
    )

    assert '<title id="v-t">VaR</title>' in shown
    assert '<desc id="v-d">It rose.</desc>' in shown
    assert "Limit $200" in shown
    assert re.findall(r'<td[^>]*data-v="([\d.]+)"', shown) == ["100.0", "150.0"]
    assert shown.count("<tr data-x=") == 3


def test_a_line_chart_breaks_at_a_missing_value():
    shown = render("{% line_chart chart %}", chart=line())

    path = re.search(r'class="ln s1" d="([^"]+)"', shown).group(1)
    assert path.count("M") == 2


def test_a_chart_without_values_is_an_empty_state():
    chart = line(series=[{"name": "VaR", "values": [None] * 3}], empty="History starts tomorrow.")

    shown = render("{% line_chart chart %}", chart=chart)

    assert "History starts tomorrow." in shown
    assert "<svg" not in shown


def test_bars_meet_at_zero():
    rows = [
        {"label": "up", "value": 10},
        {"label": "down", "value": -10},
        {"label": "none", "value": None},
    ]
    chart = {"id": "b", "title": "P&L", "conclusion": "Even.", "rows": rows, "fmt": "moneyk"}

    shown = render("{% diverging_bars chart %}", chart=chart)

    bars = re.findall(r'<rect class="(\w+)" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', shown)
    (_, up_x, up_width), (_, down_x, down_width) = bars
    assert [name for name, _, _ in bars] == ["pos", "neg"]
    assert float(up_width) == float(down_width)
    assert float(down_x) + float(down_width) == pytest.approx(float(up_x))


def test_neutral_bars_take_neither_the_colour_of_a_gain_nor_of_a_loss():
    rows = [{"label": "long", "value": 0.6}, {"label": "short", "value": -0.2}]
    chart = {"id": "b", "title": "Weights", "conclusion": "", "rows": rows, "fmt": "pct1"}

    shown = render("{% diverging_bars chart %}", chart=chart | {"neutral": True})

    assert re.findall(r'<rect class="([\w ]+)"', shown) == ["f1", "f1"]


def test_the_label_of_a_line_stands_clear_of_the_line():
    days = [date(2016, 6, day) for day in range(1, 21)]
    peak = [1.0] * 17 + [9.0, 9.0, 1.0]  # under the label
    chart = {
        "id": "l",
        "title": "Two",
        "conclusion": "",
        "x": days,
        "series": [{"name": "peak", "values": peak}, {"name": "low", "values": [0.0] * 20}],
        "fmt": "ratio2",
    }

    shown = render("{% line_chart chart %}", chart=chart)

    top = min(float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", shown))
    label = re.search(r'y="([\d.]+)" dy="-6"[^>]*>peak', shown)
    assert float(label.group(1)) == pytest.approx(top)


def test_a_total_says_how_the_page_sums_it_up_again():
    table = {
        "id": "t",
        "caption": "Rows",
        "columns": [
            {"key": "name", "label": "Name"},
            {"key": "gain", "label": "Gain", "fmt": "signed:money0", "live": "exposure",
             "sum": True},
        ],
        "rows": [
            {"name": "A", "gain": 12, "live": "value.marks.A", "gain_less": 100, "gain_per": 100},
        ],
        "totals": {"name": "All", "gain": 12},
    }  # fmt: skip

    shown = render("{% data_table table %}", table=table)

    live = r'data-v="12"[^>]*data-live="value.marks.A.exposure" data-less="100" data-per="100"'
    assert re.search(live, shown)
    assert 'data-sum="gain"' in shown.partition("<tfoot>")[2]


def test_an_absent_day_is_outlined_and_a_full_one_filled():
    chart = {
        "id": "c",
        "title": "Coverage",
        "conclusion": "One day is absent.",
        "columns": [date(2016, 6, 21), date(2016, 6, 22)],
        "rows": [{"label": "Prices", "values": [1.0, None]}],
    }

    shown = render("{% coverage_strip chart %}", chart=chart)

    assert re.findall(r'<rect class="(k\w)"', shown) == ["k4", "kn"]


def test_a_spark_of_one_point_is_a_dash():
    assert "—" in render("{% spark values %}", values=[5.0])
    assert "<svg" in render("{% spark values %}", values=[5.0, 6.0])


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Within", "ok"),
        ("BREACH", "bad"),
        ("queued", "info"),
        ("cancelled", "plain"),
        ("limited", "watch"),
    ],
)
def test_a_status_word_has_one_colour(word, kind):
    assert f'class="tag {kind}"' in render_to_string("ui/tag.html", {"text": word})


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_partial_renders_in_every_state(theme):
    shown = render_to_string("etftrader/styleguide_board.html", {"b": board(theme)})

    ids = re.findall(r'\sid="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    assert "data-stale" in shown


def test_charts_are_well_formed():
    shown = render("{% line_chart chart %}", chart=line())
    svg = re.search(r"<svg class=\"chart\".*</svg>(?=</figure>)", shown, re.DOTALL).group(0)

    root = ElementTree.fromstring(re.sub(r" data-money(?=>)", "", svg))
    assert root.find("title").text == "VaR"
