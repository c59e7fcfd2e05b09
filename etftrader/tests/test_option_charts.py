"""Charts of option books: the scale of a heat map, the marks of a profile, what is missing."""

import re

from etftrader.templatetags.option_charts import heat_map, payoff_chart


def heat(values):
    return heat_map(
        {
            "id": "h",
            "title": "Gain",
            "conclusion": "C.",
            "columns": [f"{n}%" for n in range(len(values[0]))],
            "rows": [f"IV {n}%" for n in range(len(values))],
            "across": "Price",
            "values": values,
        }
    )


def profile(strikes, values=(-200.0, 0.0, 400.0)):
    return payoff_chart(
        {
            "id": "p",
            "title": "Gain",
            "conclusion": "C.",
            "spot": 100.0,
            "strikes": strikes,
            "moves": [-0.2, 0.0, 0.2],
            "lines": [{"name": "Today", "values": values}, {"name": "Later", "values": values}],
        }
    )


def test_the_scale_has_five_steps_each_side_and_none_at_zero():
    text = heat([[-1000.0, -95.0, 0.0, 290.0, 1000.0]])

    found = re.findall(r'<rect (?:class="(\w+)" fill-opacity="([\d.]+)")?', text)
    assert found == [("neg", "0.5"), ("", ""), ("", ""), ("pos", "0.1"), ("pos", "0.5")]
    assert "style=" not in text


def test_cells_say_their_place_and_figure_and_what_is_missing_is_a_dash():
    text = heat([[12345.0, None]])

    assert "<title>0%, IV 0%: +$12,345</title>" in text
    assert ">12.3k</text>" in text
    assert "<title>1%, IV 0%: —</title>" in text
    assert text.count("<td") == 2


def test_a_grid_of_zeros_has_no_colours():
    assert "fill-opacity" not in heat([[0.0, 0.0], [0.0, 0.0]])


def test_strikes_are_lines_and_are_named_while_there_is_room():
    few, many = profile([95.0, 105.0]), profile([90.0 + n for n in range(11)])

    assert few.count('class="evl"') == 2
    assert ">95</text>" in few
    assert many.count('class="evl"') == 11
    assert ">95</text>" not in many
    assert "spot 100.00" in few


def test_points_have_titles_and_a_table():
    text = profile([])

    assert "<title>80.00 (−20.0%): today −$200, later −$200</title>" in text
    assert text.count("<tbody><tr>") == 1
    assert text.count('<th scope="row">') == 3


def test_a_profile_of_zeros_is_drawn():
    assert 'class="ln s1" d="M' in profile([], values=(0.0, 0.0, 0.0))
