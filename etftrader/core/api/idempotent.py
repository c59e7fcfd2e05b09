"""once(): a POST whose repetition gives the first answer again."""

import json
from collections.abc import Callable
from typing import Any

from rest_framework.response import Response

from etftrader.core import idempotency
from etftrader.core.actor import Actor
from etftrader.core.api.registry import declared
from etftrader.core.api.renderers import FiniteJSONRenderer

REPLAYED = "Idempotent-Replayed"
_KEY = "HTTP_IDEMPOTENCY_KEY"


def once(
    request: Any,
    effect: Callable[[], Response],
    *,
    before: Callable[[], object] | None = None,
    meaning: dict[str, Any] | None = None,
) -> Response:
    """Run the effect and keep its answer under the request's Idempotency-Key.

    Parameters
    ----------
    request : Request
        The user, the operation's address, the body and the key are read from it.
    effect : callable
        Does the work and answers; it runs in the transaction that keeps the answer. An exception
        rolls both back.
    before : callable, optional
        Gathers what the effect needs before that transaction; a replay does without it.
    meaning : dict, optional
        What the key stands for where the body is a file; else the body itself.

    Returns
    -------
    Response
        The effect's answer, or the kept one with `Idempotent-Replayed: true`.
    """
    body = meaning or (request.data if isinstance(request.data, dict) else {"items": request.data})
    wanted = declared(request.parser_context.get("view"), request.method)
    user_id = Actor.of(request).user_id
    assert user_id is not None
    answer = idempotency.once(
        user_id=user_id,
        operation=_operation(request),
        key=request.META.get(_KEY),
        print_of=idempotency.fingerprint(request.path.rstrip("/"), body),
        effect=lambda: _plain(effect()),
        money=bool(wanted and wanted.money),
        confirm_duplicate=body.get("confirm_duplicate") is True,
        before=before,
    )
    response = Response(answer.body, answer.status)
    if answer.status in (201, 202) and isinstance(answer.body, dict) and "url" in answer.body:
        response["Location"] = answer.body["url"]
    if answer.status == 202:
        response["Retry-After"] = "1"
    if answer.replayed:
        response[REPLAYED] = "true"
    return response


def check_unused(request: Any, view: Any) -> None:
    """Refuse a malformed key where no answer is kept under one, as anywhere. Raises BadInput."""
    wanted = declared(view, request.method)
    key = request.META.get(_KEY)
    if key is not None and request.method == "POST" and wanted and not wanted.keyed:
        idempotency.check_key(key)


def _operation(request: Any) -> str:
    match = request.resolver_match
    route = match.route if match else request.path
    return f"{request.method} {route.rstrip('/')}"[:120]


def _plain(response: Response) -> idempotency.Answer:
    """The answer in plain JSON types, as it will be kept."""
    body = (
        json.loads(FiniteJSONRenderer().render(response.data))
        if response.data is not None
        else None
    )
    return idempotency.Answer(status=response.status_code, body=body)
