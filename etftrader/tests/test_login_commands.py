"""The commands that print how to sign in: a token each by name, none of a running product's ended."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from etftrader.demo import books
from etftrader.services.beginning import EMAIL
from portfolios.models import User
from portfolios.services import tokens

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def people(settings: Any) -> None:
    settings.DEMO_PASSWORD = "made-by-the-launcher"
    User.objects.create_user(email=books.EMAILS[0], password=None, is_demo=True)
    User.objects.create_user(email=EMAIL, password=None)


@pytest.mark.parametrize("command", ["demo_login", "first_login"])
def test_a_token_asked_for_by_hand_leaves_the_launchers_alone(command: str) -> None:
    launcher = token(command, "--name", "launcher")
    by_hand = token(command)
    again = token(command)

    living = {
        text: tokens.user_of_token(token=text) is not None for text in (launcher, by_hand, again)
    }
    assert living == {launcher: True, by_hand: False, again: True}


def token(command: str, *given: str) -> str:
    out = StringIO()
    call_command(command, "--format", "json", *given, stdout=out)
    return str(json.loads(out.getvalue())["token"])
