"""Request bodies: bounded JSON, read strictly."""

import json
import math
import re
from typing import Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

MAX_BYTES = 1_000_000
MAX_DEPTH = 32
MAX_INTEGER_DIGITS = 18

# strings first, so that brackets inside them do not count
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


class TooLarge(APIException):
    """More bytes or items than we read."""

    status_code, default_code = 413, "too_large"
    default_detail = "The body is larger than 1 MB."


class StrictJSONParser(BaseParser):
    """JSON of at most 1 MB and 32 levels; no duplicate keys, no NaN, no huge integers."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """Return an object or an array. Raises ParseError with the reason."""
        request = (parser_context or {}).get("request")
        if request is not None:
            _check_head(request.META)
        data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise TooLarge
        return loads(data)


def loads(data: bytes) -> Any:
    """Read one document. Raises ParseError."""
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
        if "\\u" in text:
            _check_text(value)
    except UnicodeError as error:
        raise ParseError("The body is not UTF-8 text.") from error
    except json.JSONDecodeError as error:
        raise ParseError(f"Not JSON: {error.msg} at character {error.pos}.") from error
    except RecursionError as error:
        raise ParseError(f"More than {MAX_DEPTH} levels.") from error
    if not isinstance(value, dict | list):
        raise ParseError("The body must be an object or an array.")
    return value


def _check_head(meta: dict[str, Any]) -> None:
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity")
    if encoding.lower() != "identity":
        raise UnsupportedMediaType(
            encoding, detail="Compressed bodies are not read. Send the body as it is."
        )
    length = str(meta.get("CONTENT_LENGTH") or "0")
    if length.isascii() and length.isdigit() and int(length[:12]) > MAX_BYTES:
        raise TooLarge


def _check_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for token in _TOKENS.finditer(text):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ParseError(f"More than {MAX_DEPTH} levels.")
        elif mark in "]}":
            depth -= 1


def _check_text(value: Any) -> None:
    """Escapes can spell what no database stores: the zero character and half surrogates."""
    plain = json.dumps(value, ensure_ascii=False)
    plain.encode("utf-8")
    if "\\u0000" in plain:
        raise ParseError("Text must not contain the zero character.")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ParseError(f'The key "{twice[:60]}" appears twice.')
    return result


def _refuse_constant(word: str) -> Any:
    raise ParseError(f"{word} is not a number of JSON.")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ParseError(f"{digits[:40]} is too large.")
    return value


def _bounded(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_INTEGER_DIGITS:
        raise ParseError(f"{digits[:40]} has more than {MAX_INTEGER_DIGITS} digits.")
    return int(digits)
