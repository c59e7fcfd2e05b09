"""Several people tag the same positions at once: limits hold, nothing waits for ever."""

import threading

import pytest
from django.db import connection

from etftrader.core.errors import BadInput, VersionMismatch
from portfolios.models import Position, PositionTag, Tag
from portfolios.services import tags as write
from portfolios.services import tags_on_positions as on_positions
from portfolios.services.tags_on_positions import Wanted
from portfolios.tests.factories import (
    actor,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
    opening,
)

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = 4


@pytest.fixture
def held():
    make_clock()
    book = make_portfolio()
    for symbol in ("AAA", "BBB"):
        opening(book, make_instrument(symbol), 10, 5)
    return list(Position.objects.order_by("instrument__symbol"))


def at_once(act, *given):
    """What each of several threads came to, all of them begun together."""
    begin, ends = threading.Barrier(len(given)), []

    def run(each):
        try:
            begin.wait(timeout=30)
            act(each)
            ends.append("done")
        except (BadInput, VersionMismatch) as error:
            ends.append(error.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(each,)) for each in given]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=60)
    assert not any(each.is_alive() for each in threads)
    return sorted(ends)


def test_the_twenty_of_a_position_and_both_orders_of_positions(held):
    user = make_user()

    def add(place):
        names = tuple(f"t{place}-{number}" for number in range(6))
        keys = [each.pk for each in (held if place % 2 else held[::-1])]
        on_positions.bulk_assign(
            position_ids=keys, wanted=Wanted(add=names), user=user, by=actor(user)
        )

    ends = at_once(add, *range(PEOPLE))

    assert ends == ["done", "done", "done", "too_many_tags"]
    for each in held:
        assert PositionTag.objects.filter(position=each).count() == 18
    assert Tag.objects.count() == 18


def test_of_those_who_read_the_same_version_one_saves(held):
    user = make_user()

    def put(place):
        on_positions.replace(
            position_id=held[0].pk,
            words=[f"mine-{place}"],
            if_match_version=1,
            user=user,
            by=actor(user),
        )

    assert at_once(put, *range(PEOPLE)) == ["done"] + ["version_mismatch"] * 3
    assert PositionTag.objects.count() == 1


def test_the_same_new_word_is_made_once(held):
    user = make_user()

    def add(place):
        on_positions.bulk_assign(
            position_ids=[held[place % 2].pk],
            wanted=Wanted(add=("core",)),
            user=user,
            by=actor(user),
        )

    assert at_once(add, *range(PEOPLE)) == ["done"] * PEOPLE
    assert Tag.objects.count() == 1
    assert PositionTag.objects.count() == 2


def test_the_last_free_place_of_a_hundred_goes_to_one():
    user = make_user()
    Tag.objects.bulk_create(Tag(user=user, name=f"t{place}") for place in range(99))

    def make(place):
        write.create(user=user, name=f"new {place}", by=actor(user))

    ends = at_once(make, *range(PEOPLE))

    assert ends == ["done"] + ["too_many_tags"] * 3
    assert Tag.objects.count() == 100
