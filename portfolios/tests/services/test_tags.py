"""Tags: limits, names, archive and restore, many positions in one transaction, who may."""

from datetime import timedelta

import pytest

from etftrader.core import clock
from etftrader.core.errors import BadInput, Conflict, NotAllowed, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from portfolios.models import Membership, Position, PositionTag, Tag
from portfolios.selectors import tags as read
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

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user()


@pytest.fixture
def held(owner):
    """Three positions of one book."""
    make_clock()
    book = make_portfolio(owner=owner)
    for symbol in ("AAA", "BBB", "CCC"):
        opening(book, make_instrument(symbol), 10, 5)
    return list(Position.objects.order_by("instrument__symbol"))


def words(position):
    return read.of_positions(position_ids=[position.pk])[position.pk].words


def put(position, *names, owner, **given):
    return on_positions.replace(
        position_id=position.pk, words=names, user=owner, by=actor(owner), **given
    )


def bulk(positions, owner, **wanted):
    return on_positions.bulk_assign(
        position_ids=[each.pk for each in positions],
        wanted=Wanted(**wanted),
        user=owner,
        by=actor(owner),
    )


def test_a_prefix_makes_a_strategy_and_comes_out_again(owner):
    made = write.create(user=owner, name="#Strategy:Pairs  one", by=actor(owner))
    plain = write.create(user=owner, name="#core", colour="#c2334d", by=actor(owner))

    assert (made.name, made.kind) == ("Pairs one", "strategy")
    assert (plain.name, plain.kind, plain.colour) == ("core", "regular", "#C2334D")
    assert read.spelled(made.kind, made.name) == "#strategy:Pairs one"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""},
        {"name": "a/b"},
        {"name": "x" * 51},
        {"name": "ok", "colour": "red"},
        {"name": "ok", "kind": "other"},
        {"name": "#strategy:x", "kind": "regular"},
        {"name": "ok", "description": "x" * 201},
    ],
)
def test_a_bad_field_is_refused(owner, fields):
    with pytest.raises(BadInput):
        write.create(user=owner, by=actor(owner), **fields)
    assert not Tag.objects.exists()


def test_a_name_is_taken_whatever_its_case_but_not_by_the_other_kind(owner):
    write.create(user=owner, name="Core", by=actor(owner))

    with pytest.raises(Conflict):
        write.create(user=owner, name="cORE", by=actor(owner))
    write.create(user=owner, name="#strategy:core", by=actor(owner))
    write.create(user=make_user("b@example.com"), name="Core", by=actor(owner))


def test_a_hundred_tags_are_the_most_archived_ones_do_not_count(owner):
    Tag.objects.bulk_create(Tag(user=owner, name=f"t{place}") for place in range(100))

    with pytest.raises(BadInput, match="100"):
        write.create(user=owner, name="more", by=actor(owner))
    write.archive(tag_id=Tag.objects.get(name="t0").pk, by=actor(owner))
    write.create(user=owner, name="more", by=actor(owner))


def test_twenty_tags_a_position_are_the_most_and_nothing_is_half_done(owner, held):
    put(held[0], *(f"t{place}" for place in range(20)), owner=owner)

    with pytest.raises(BadInput, match="AAA would have more than 20"):
        bulk(held, owner, add=("one more",))

    assert len(words(held[0])) == 20
    assert words(held[1]) == []
    assert not Tag.objects.filter(name="one more").exists()


def test_replacing_keeps_what_stays_and_counts_its_own_version(owner, held):
    version = held[0].version
    put(held[0], "core", "#strategy:pairs", owner=owner)
    row = put(held[0], "CORE", "growth", owner=owner, if_match_version=2)

    assert words(held[0]) == ["core", "growth"]
    assert row.tags_version == 3
    assert Position.objects.get(pk=held[0].pk).version == version
    with pytest.raises(VersionMismatch):
        put(held[0], owner=owner, if_match_version=2)


def test_the_same_tags_again_change_nothing(owner, held):
    put(held[0], "core", owner=owner)
    lines = AuditEvent.objects.count()

    row = put(held[0], "core", owner=owner)

    assert row.tags_version == 2
    assert AuditEvent.objects.count() == lines


def test_a_strategy_takes_the_place_of_the_ones_before(owner, held):
    put(held[0], "core", "#strategy:old", owner=owner)

    bulk(held[:2], owner, strategy="#strategy:new")

    assert [words(each) for each in held] == [["core", "#strategy:new"], ["#strategy:new"], []]
    bulk(held[:2], owner, strategy="")
    assert [words(each) for each in held[:2]] == [["core"], []]


def test_many_positions_leave_one_line_in_the_chain_of_their_book(owner, held):
    bulk(held, owner, add=("a", "b"), remove=("c",))

    [line] = AuditEvent.objects.filter(action="position.tagged")
    assert line.chain == str(held[0].portfolio_id)
    assert line.after == {symbol: ["a", "b"] for symbol in ("AAA", "BBB", "CCC")}


def test_a_foreign_position_refuses_them_all_by_its_place(owner, held):
    stranger = make_portfolio(owner=make_user("b@example.com"), name="Theirs")
    opening(stranger, make_instrument("AAA"), 1, 1)
    theirs = Position.objects.get(portfolio=stranger)

    with pytest.raises(BadInput) as refused:
        bulk([held[0], theirs], owner, add=("mine",))

    assert refused.value.figures["attr"] == "positions.1"
    assert not PositionTag.objects.exists()


def test_a_viewer_reads_tags_and_an_editor_puts_their_own(owner, held):
    viewer, editor = make_user("v@example.com"), make_user("e@example.com")
    for user, role in ((viewer, "viewer"), (editor, "editor")):
        Membership.objects.create(portfolio=held[0].portfolio, user=user, role=role)
    put(held[0], "core", owner=owner)

    with pytest.raises(NotAllowed):
        put(held[0], "x", owner=viewer)
    with pytest.raises(NotAllowed):
        bulk(held, viewer, add=("x",))
    put(held[0], "core", "editor", owner=editor)

    assert words(held[0]) == ["core", "editor"]
    assert set(Tag.objects.values_list("name", "user__email")) == {
        ("core", "owner@example.com"),
        ("editor", "e@example.com"),
    }
    with pytest.raises(NotFound):
        put(held[0], "x", owner=make_user("s@example.com"))


def test_an_archived_tag_is_off_its_positions_and_comes_back_with_them(owner, held):
    bulk(held, owner, add=("core",))
    tag = Tag.objects.get()

    write.archive(tag_id=tag.pk, by=actor(owner))
    assert [words(each) for each in held] == [[], [], []]
    assert not read.of_actor(actor=actor(owner)).exists()
    assert [each.usage_count for each in read.of_actor(actor=actor(owner), archived=True)] == [3]

    put(held[0], *(f"t{place}" for place in range(20)), owner=owner)
    _, full = write.restore(tag_id=tag.pk, by=actor(owner))

    assert full == ["AAA"]
    assert [words(each) for each in held[1:]] == [["core"], ["core"]]
    assert "core" not in words(held[0])


def test_a_name_freed_by_the_archive_can_be_taken_and_then_not_restored(owner):
    tag = write.create(user=owner, name="core", by=actor(owner))
    write.archive(tag_id=tag.pk, by=actor(owner))
    write.create(user=owner, name="Core", by=actor(owner))

    with pytest.raises(Conflict, match="called core"):
        write.restore(tag_id=tag.pk, by=actor(owner))


def test_after_thirty_days_there_is_nothing_to_restore(owner):
    tag = write.create(user=owner, name="old", by=actor(owner))
    write.archive(tag_id=tag.pk, by=actor(owner))
    Tag.objects.filter(pk=tag.pk).update(archived_at=clock.now() - timedelta(days=31))

    with pytest.raises(NotFound):
        write.restore(tag_id=tag.pk, by=actor(owner))
    assert not read.of_actor(actor=actor(owner), archived=True).exists()
    other = write.create(user=owner, name="other", by=actor(owner))
    write.archive(tag_id=other.pk, by=actor(owner))
    assert not Tag.objects.filter(pk=tag.pk).exists()


def test_what_was_used_last_comes_first(owner, held):
    put(held[0], "first", owner=owner)
    put(held[1], "second", owner=owner)

    assert [each.name for each in read.recent(actor=actor(owner))] == ["second", "first"]


def test_a_strangers_tag_is_not_there(owner):
    tag = write.create(user=owner, name="core", by=actor(owner))
    stranger = actor(make_user("s@example.com"))

    for act in (write.archive, write.restore):
        with pytest.raises(NotFound):
            act(tag_id=tag.pk, by=stranger)
    with pytest.raises(NotFound):
        write.update(tag_id=tag.pk, changes={"name": "x"}, by=stranger)
