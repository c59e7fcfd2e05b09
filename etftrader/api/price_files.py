"""POST /data/import: a file of prices or yields, judged row by row and stored as a whole."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.response import Response

from etftrader.core import audit
from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import document as job_document
from etftrader.core.api.parsers import StrictJSONParser, TooLarge
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.services import price_files
from etftrader.services.price_files import Wish
from etftrader.uploads import MAX_FILE_BYTES
from marketdata.services.price_import import KINDS
from marketdata.services.price_upload import Sent, Uploaded

MAX_PASTED = 900_000  # characters; longer files come as files
ASKED = {
    "kind": parameters.Parameter("bars or yields; without it the header tells.", enum=list(KINDS)),
    "symbol": "Of a file of bars without that column; without it the file's name tells.",
    "check": parameters.flag("true says what would become of every row, and writes nothing."),
    "partial": parameters.flag(
        "true stores the good rows; without it one bad row refuses the file."
    ),
    "add_symbols": parameters.flag(
        "true creates instruments for symbols nobody knows; else their rows are bad."
    ),
}


class Body(SimpleUploadedFile):
    """The bytes of a request. Its name is ours: no sender gave it, and it says nothing."""


class CsvParser(BaseParser):
    """The body is the file."""

    media_type = "text/csv"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        """The bytes as a file without a name. Raises TooLarge beyond 10 MB."""
        meta = (parser_context or {})["request"].META
        encoding = meta.get("HTTP_CONTENT_ENCODING", "identity")
        if encoding.lower() != "identity":
            words = "Send a packed file as it is, as application/gzip."
            raise UnsupportedMediaType(encoding, detail=words)
        length = str(meta.get("CONTENT_LENGTH") or "0")
        announced = int(length[:12]) if length.isascii() and length.isdigit() else 0
        data = b"" if announced > MAX_FILE_BYTES else stream.read(MAX_FILE_BYTES + 1)
        if max(announced, len(data)) > MAX_FILE_BYTES:
            raise TooLarge("A file may have 10 MB.")
        return {"file": Body("body.csv", data, self.media_type)}


class GzipParser(CsvParser):
    """The body is the packed file."""

    media_type = "application/gzip"


class PriceFile(StrictSerializer):
    """A file, or its text."""

    file = serializers.FileField(required=False, allow_empty_file=True)
    content = serializers.CharField(
        required=False, max_length=MAX_PASTED, trim_whitespace=False, allow_blank=True
    )
    file_name = serializers.CharField(required=False, max_length=200)


class PastedPrices(StrictSerializer):
    """The text of a file, as JSON."""

    content = serializers.CharField(max_length=MAX_PASTED)
    file_name = serializers.CharField(required=False, max_length=200)


BYTES = {"type": "string", "format": "binary"}
BODIES = {
    "application/json": PastedPrices,
    "multipart/form-data": PriceFile,
    CsvParser.media_type: BYTES,
    GzipParser.media_type: BYTES,
}


@operation(
    post=Op(
        "operator:trade", summary="Bring in a file of prices or yields", query=ASKED, limit="jobs"
    )
)
class PriceFiles(ApiView):
    """POST /data/import: multipart with `file`, or the file itself as text/csv or gzip."""

    parser_classes = (MultiPartParser, CsvParser, GzipParser, StrictJSONParser)

    @extend_schema(request=BODIES, responses={200: dict})
    def post(self, request: Any) -> Response:
        """Counts and verdicts; 422 with an error a row when rows are bad, and nothing stored.

        Send the file itself as text/csv, packed as application/gzip (as it is, without
        Content-Encoding), as the part `file` of a form, or its text as JSON.

        A file has at most 10 MB as it is sent and 20 MB unpacked, 20,000 rows and 300 symbols;
        pasted text has at most 900,000 characters. More answers 413, with the limit in `detail`
        and what to do instead.

        A person sends 20 files within 24 hours. The next answers 429 `too_many_files`, with
        Retry-After in seconds until the oldest of them is a day old. The same bytes count once a
        day: a file that was checked first, with `check=true`, is not counted again when it is
        stored. Files that are refused count.
        """
        wish = _wish(request.query_params)
        name, data = self._given()
        sent: list[Sent] = []

        def before() -> None:
            sent.append(price_files.read(data=data, file_name=name, wish=wish, by=self.actor))

        def effect() -> Response:
            brought = price_files.bring(sent=sent[0], wish=wish, by=self.actor)
            job = job_document(brought.job) if brought.job else None
            return Response(document(brought.told) | {"job": job})

        meaning = {"wish": asdict(wish), "file_name": name, "content": audit.digest(data.hex())}
        return once(request, effect, before=before, meaning=meaning)

    def _given(self) -> tuple[str, bytes]:
        """The name the sender gave, if any, and the bytes. Raises BadInput without a file."""
        asked = self.checked(PriceFile)
        file, name = asked.get("file"), asked.get("file_name", "")
        if file is not None:
            return name or ("" if isinstance(file, Body) else file.name), file.read()
        if "content" not in asked:
            words = "A file is missing: send it as `file`, or as the body with text/csv."
            raise BadInput(words, attr="file", code="required")
        return name, asked["content"].encode()


def document(told: Uploaded) -> dict[str, Any]:
    """What became of a file, on the wire."""
    return {
        "file_name": told.file_name,
        "kind": told.kind,
        "as_of": told.as_of,
        "status": told.status,
        "counts": told.counts,
        "added_symbols": told.created,
        "splits_and_dividends": told.recorded,
        "verdicts": [asdict(each) for each in told.verdicts],
        "more_rows": told.untold,
    }


def _wish(asked: Mapping[str, str]) -> Wish:
    kind = asked.get("kind", "")
    if kind not in ("", *KINDS):
        raise BadInput(f"kind is {' or '.join(KINDS)}.", attr="kind")
    switches = {name: _switch(asked, name) for name in ("check", "partial", "add_symbols")}
    return Wish(kind=kind, symbol=asked.get("symbol", "")[:32], **switches)


def _switch(asked: Mapping[str, str], name: str) -> bool:
    text = asked.get(name, "false")
    if text not in ("true", "false"):
        raise BadInput(f"{name} is true or false.", attr=name)
    return text == "true"
