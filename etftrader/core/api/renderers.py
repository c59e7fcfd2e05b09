"""Answers as JSON in which every number is finite."""

import logging
import math
from typing import Any

from django.conf import settings
from rest_framework.renderers import JSONRenderer

logger = logging.getLogger(__name__)


class FiniteJSONRenderer(JSONRenderer):
    """JSON without NaN and infinity: a slip is an error in tests, null and a log line outside."""

    strict = True
    ensure_ascii = False

    def render(
        self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None
    ) -> bytes:
        """Write the document."""
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except ValueError:
            if settings.TESTING:
                raise
        request = (renderer_context or {}).get("request")
        logger.error("a number was not finite", extra={"path": getattr(request, "path", "")})
        return super().render(finite(data), accepted_media_type, renderer_context)


def finite(value: Any) -> Any:
    """The same document with null for every number that is not one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value
