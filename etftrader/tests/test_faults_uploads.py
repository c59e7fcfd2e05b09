"""A file that is too large leaves nothing on the disk."""

import gc

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from etftrader.uploads import MAX_FILE_BYTES
from portfolios.tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def uncollected():
    """What is removed only by a later collection is not removed in time."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("more", [1, 70_000])
def test_a_file_over_the_cap_is_refused_and_its_beginning_removed(
    tmp_path, settings, uncollected, more
):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    client = APIClient()
    client.force_authenticate(factories.make_user())
    # announced small enough to be read: only the bytes that arrive show it
    big = SimpleUploadedFile("mine.csv", b"x" * (MAX_FILE_BYTES + more))

    answer = client.post("/api/v1/imports", {"file": big}, format="multipart")

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_just_the_cap_is_read(tmp_path, settings):
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    client = APIClient()
    client.force_authenticate(factories.make_user())
    whole = SimpleUploadedFile("mine.csv", b"x" * MAX_FILE_BYTES)

    answer = client.post("/api/v1/imports", {"file": whole}, format="multipart")

    assert answer.json()["code"] != "too_large"
    assert list(tmp_path.iterdir()) == []
