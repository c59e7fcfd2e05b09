"""What every endpoint is built from: pages, cursors, ordering, once, versions, batches, 202."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import include, path
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core import jobs as runs
from etftrader.core.actor import Actor, system
from etftrader.core.api import batch, jobs, tags, versions
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import once
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.routes import route
from etftrader.core.api.views import ApiView
from etftrader.core.errors import Conflict
from portfolios.models import Tag, User
from portfolios.services import accounts, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


class TagRequest(StrictSerializer):
    """A word."""

    name = serializers.CharField(max_length=10)


class TagSerializer(serializers.ModelSerializer):
    """A tag on the wire."""

    class Meta:
        model = Tag
        fields = ("id", "name")


@operation(
    get=Op("signed_in", lists=True, query=("as_of",)), post=Op("signed_in:trade", money=True)
)
class Tags(ApiView):
    """The caller's tags."""

    filterset_fields = {"name": ["exact", "icontains"]}
    ordering_fields = ("name", "created_at")
    ordering = ("name",)

    def get(self, request: Any) -> Response:
        """A page."""
        return self.listing(Tag.objects.for_actor(self.actor), TagSerializer)

    def post(self, request: Any) -> Response:
        """One more, once."""
        asked = self.checked(TagRequest)

        def effect() -> Response:
            tag = Tag.objects.create(user=request.user, name=asked["name"])
            if asked["name"] == "refused":
                raise Conflict("Not this one.")
            return Response({"id": tag.pk, "url": f"/api/v1/tags/{tag.pk}"}, 201)

        return once(request, effect)


@operation(get=Op("signed_in", lists=True))
class Log(ApiView):
    """The same, as a list that only grows."""

    pagination_class = CursorPages
    cursor_ordering = ("-name",)

    def get(self, request: Any) -> Response:
        """A page."""
        return self.listing(Tag.objects.for_actor(self.actor), TagSerializer)


@operation(post=Op("signed_in:trade", query=("partial",)))
class TagBatch(ApiView):
    """Many tags."""

    def post(self, request: Any) -> Response:
        """All or nothing, or each by itself."""

        def make(item: dict[str, Any]) -> dict[str, Any]:
            if item["name"] == "taken":
                raise Conflict("There is one.", code="taken")
            return {"name": Tag.objects.create(user=request.user, name=item["name"]).name}

        return batch.create(request, serializer=TagRequest, make=make)


@operation(get="signed_in", patch="signed_in:trade", post="signed_in:trade")
class OneTag(ApiView):
    """One tag with a version."""

    def get(self, request: Any, tag_id: UUID) -> Response:
        """Or 304."""
        tag = Tag.objects.get(pk=tag_id)
        if versions.is_unchanged(request, tag):
            return Response(status=304)
        return versions.tagged(Response({"name": tag.name}), tag)

    def patch(self, request: Any, tag_id: UUID) -> Response:
        """Needs If-Match."""
        tag = Tag.objects.get(pk=tag_id)
        versions.check(request, tag, required=True)
        return Response({"name": tag.name})

    def post(self, request: Any, tag_id: UUID) -> Response:
        """A job."""
        return jobs.accepted(
            runs.request("risk.compute", as_of=date(2016, 6, 22), inputs={"tag": str(tag_id)})
        )


@operation(get="signed_in", patch="signed_in:trade", post=Op("signed_in:trade", keyed=False))
class Figured(ApiView):
    """One tag in a document with a figure that is computed."""

    def get(self, request: Any, tag_id: UUID) -> Response:
        """Or 304."""
        tag = Tag.objects.get(pk=tag_id)
        return tags.read(request, tag, {"name": tag.name, "others": Tag.objects.count() - 1})

    def patch(self, request: Any, tag_id: UUID) -> Response:
        """Needs If-Match."""
        tag = Tag.objects.get(pk=tag_id)
        return Response({"version": tags.check(request, tag, required=True)})

    def post(self, request: Any, tag_id: UUID) -> Response:
        """Keeps no answer under a key."""
        return Response({})


urlpatterns = [
    path(
        "api/v1/",
        include(
            [
                *route("tags", Tags, "tags"),
                *route("tags/batch", TagBatch, "batch"),
                *route("log", Log, "log"),
                *route("tags/<uuid:tag_id>", OneTag, "tag"),
                *route("figures/<uuid:tag_id>", Figured, "figured"),
            ]
        ),
    )
]


@pytest.fixture
def user(settings: Any) -> User:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    return accounts.create_user(email="a@example.com", password="x" * 12, by=system("tests"))


@pytest.fixture
def headers(user: User) -> dict[str, str]:
    by = Actor.of_user(user)
    _, text = tokens.create_personal(user=user, name="t", scopes=["read", "trade"], by=by)
    return {"HTTP_AUTHORIZATION": f"Token {text}"}


def post(headers: dict[str, str], body: Any, address: str = "tags", **more: str) -> Any:
    return Client().post(f"/api/v1/{address}", body, "application/json", **headers, **more)


def names(headers: dict[str, str], query: str = "", address: str = "tags") -> Any:
    answer = Client().get(f"/api/v1/{address}{query}", **headers)
    return answer.json()


def fill(user: User, *words: str) -> None:
    for word in words:
        Tag.objects.create(user=user, name=word)


def test_a_list_has_pages_filters_and_an_order(user: User, headers: dict[str, str]) -> None:
    fill(user, "cedar", "ash", "birch")
    page = names(headers, "?limit=2")
    assert [each["name"] for each in page["results"]] == ["ash", "birch"]
    assert (page["count"], page["previous"]) == (3, None)
    rest = Client().get(page["next"], **headers).json()
    assert [each["name"] for each in rest["results"]] == ["cedar"]
    assert next(e["name"] for e in names(headers, "?ordering=-name")["results"]) == "cedar"
    assert names(headers, "?name__icontains=IR")["count"] == 1


@pytest.mark.parametrize(
    ("query", "code", "attr"),
    [
        ("?limit=0", "validation_error", "limit"),
        ("?limit=1001", "validation_error", "limit"),
        ("?limit=ten", "validation_error", "limit"),
        ("?offset=-1", "validation_error", "offset"),
        ("?ordering=user", "unknown_parameter", "ordering"),
        ("?ordering=user__password", "unknown_parameter", "ordering"),
        ("?user=1", "unknown_parameter", "user"),
        ("?name__regex=.", "unknown_parameter", "name__regex"),
        ("?cursor=x", "unknown_parameter", "cursor"),
    ],
)
def test_a_query_outside_the_list_is_refused(
    headers: dict[str, str], query: str, code: str, attr: str
) -> None:
    document = names(headers, query)
    assert (document["code"], document["errors"][0]["attr"]) == (code, attr)


def test_a_cursor_is_stable_while_rows_are_added(user: User, headers: dict[str, str]) -> None:
    fill(user, "a", "b", "c")
    first = names(headers, "?limit=2", "log")
    assert set(first) == {"next", "previous", "results"}
    fill(user, "d")
    second = Client().get(first["next"], **headers).json()
    seen = [each["name"] for page in (first, second) for each in page["results"]]
    assert seen == ["c", "b", "a"]
    assert names(headers, "?cursor=bz14", "log")["errors"][0]["attr"] == "cursor"


def test_a_repeated_key_gives_the_first_answer_again(user: User, headers: dict[str, str]) -> None:
    first, again = (
        post(headers, {"name": "x"}, HTTP_IDEMPOTENCY_KEY="key-00000001") for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert first["Location"] == again["Location"] == first.json()["url"]
    assert Tag.objects.count() == 1


def test_a_key_used_for_another_body_is_refused(headers: dict[str, str]) -> None:
    post(headers, {"name": "x"}, HTTP_IDEMPOTENCY_KEY="key-00000001")
    other = post(headers, {"name": "y"}, HTTP_IDEMPOTENCY_KEY="key-00000001")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert post(headers, {"name": "y"}, HTTP_IDEMPOTENCY_KEY="a b").status_code == 400


def test_a_twin_without_a_key_is_suspected_unless_confirmed(headers: dict[str, str]) -> None:
    assert post(headers, {"name": "x"}).status_code == 201
    twin = post(headers, {"name": "x"})
    assert (twin.status_code, twin.json()["code"]) == (409, "duplicate_suspected")
    confirmed = post(headers, {"name": "x", "confirm_duplicate": True})
    # let through to the effect, where the table itself refuses the same word
    assert (confirmed.status_code, confirmed.json()["code"]) == (409, "conflict")


def test_a_refused_effect_leaves_neither_row_nor_key(headers: dict[str, str]) -> None:
    for _ in range(2):
        answer = post(headers, {"name": "refused"}, HTTP_IDEMPOTENCY_KEY="key-00000002")
        assert answer.json()["detail"] == "Not this one."
    assert not Tag.objects.exists()


def test_a_version_goes_out_and_must_come_back(user: User, headers: dict[str, str]) -> None:
    fill(user, "x")
    tag = Tag.objects.get()
    address = f"/api/v1/tags/{tag.pk}"
    read = Client().get(address, **headers)
    assert read["ETag"] == '"v1"'
    assert Client().get(address, HTTP_IF_NONE_MATCH='"v1"', **headers).status_code == 304

    def change(**more: str) -> Any:
        return Client().patch(address, "{}", "application/json", **headers, **more)

    assert (change().status_code, change().json()["code"]) == (428, "precondition_required")
    assert change(HTTP_IF_MATCH='"v1"').status_code == 200
    Tag.objects.update(version=2)
    moved = change(HTTP_IF_MATCH='"v1"')
    assert (moved.status_code, moved.json()["current"]) == (412, '"v2"')


def test_a_change_of_a_computed_document_goes_by_the_version_its_tag_names(
    user: User, headers: dict[str, str]
) -> None:
    fill(user, "x")
    tag = Tag.objects.get()
    address = f"/api/v1/figures/{tag.pk}"

    def change(**more: str) -> Any:
        return Client().patch(address, "{}", "application/json", **headers, **more)

    read = Client().get(address, **headers)
    assert read["ETag"].startswith('"v1.')
    fill(user, "y")
    later = Client().get(address, HTTP_IF_NONE_MATCH=read["ETag"], **headers)
    assert (later.status_code, later.json()["others"]) == (200, 1)
    same = Client().get(address, HTTP_IF_NONE_MATCH=later["ETag"], **headers)
    assert (same.status_code, same["ETag"]) == (304, later["ETag"])
    assert (change().status_code, change().json()["code"]) == (428, "precondition_required")
    assert change(HTTP_IF_MATCH="*").json() == {"version": None}
    for known in (read["ETag"], later["ETag"], '"v1"'):
        assert change(HTTP_IF_MATCH=known).json() == {"version": 1}
    Tag.objects.update(version=2)
    moved = change(HTTP_IF_MATCH=later["ETag"])
    now = Client().get(address, **headers)
    told = moved.json()
    assert (moved.status_code, told["current"], told["version"]) == (412, now["ETag"], 2)
    assert told["object"] == now.json()


def test_a_malformed_key_is_refused_where_none_is_kept_too(headers: dict[str, str]) -> None:
    address = f"figures/{UUID(int=1)}"
    wrong = post(headers, {}, address, HTTP_IDEMPOTENCY_KEY="a b")
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "Idempotency-Key")
    for _ in range(2):
        answer = post(headers, {}, address, HTTP_IDEMPOTENCY_KEY="key-00000001")
        assert (answer.status_code, "Idempotent-Replayed" in answer) == (200, False)


def test_moments_are_written_in_utc_whatever_their_zone() -> None:
    at = datetime(2026, 11, 23, 11, 30, tzinfo=UTC)
    for zone in (UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Tokyo")):
        assert moment(at.astimezone(zone)) == "2026-11-23T11:30:00.000Z"


def test_long_work_answers_202_with_where_to_follow_it(user: User, headers: dict[str, str]) -> None:
    fill(user, "x")
    answer = post(headers, {}, f"tags/{Tag.objects.get().pk}")
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"] == body["url"] == f"/api/v1/jobs/{body['id']}"
    assert (answer["Retry-After"], body["status"]) == ("1", "queued")


def test_a_batch_is_all_or_nothing_and_names_the_bad_item(headers: dict[str, str]) -> None:
    bad = post(headers, [{"name": "a"}, {"name": "b" * 11}], "tags/batch")
    assert bad.status_code == 400
    assert bad.json()["errors"][0]["attr"] == "1.name"
    late = post(headers, [{"name": "a"}, {"name": "taken"}], "tags/batch")
    assert (late.status_code, late.json()["errors"][0]["attr"]) == (400, "1")
    assert not Tag.objects.exists()
    good = post(headers, [{"name": "a"}, {"name": "b"}], "tags/batch")
    assert (good.status_code, [each["name"] for each in good.json()]) == (201, ["a", "b"])


def test_a_partial_batch_keeps_the_good_items(headers: dict[str, str]) -> None:
    body = [{"name": "a"}, {"name": "taken"}, {"name": "b" * 11}, {"name": "b"}]
    answer = post(headers, body, "tags/batch?partial=true")
    document = answer.json()
    assert answer.status_code == 207
    assert [each["status"] for each in document["results"]] == [201, 409, 400, 201]
    assert document["results"][2]["errors"][0]["attr"] == "name"
    assert document["summary"] == {"created": 2, "failed": 2}
    assert Tag.objects.count() == 2


def test_a_batch_has_at_most_five_hundred_items(headers: dict[str, str]) -> None:
    answer = post(headers, [{"name": str(each)} for each in range(501)], "tags/batch")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
