"""Forms of the import wizard: a file, its columns, a row, why it is taken back."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms

from etftrader.core.tables import MAX_BYTES, MAX_CELL
from portfolios.calculations.csv_layout import CASH, POSITIONS, SHAPES, TRADES, normal
from portfolios.choices import Duplicates
from portfolios.forms.fields import PortfolioField
from portfolios.models import ImportAlias

MAX_PASTED = 900_000
KINDS = [(POSITIONS, "Positions"), (TRADES, "Trades"), (CASH, "Cash")]


class FileForm(forms.Form):
    """A file, or its text, and how to read it."""

    portfolio = PortfolioField(label="Portfolio")
    kind = forms.ChoiceField(choices=KINDS, required=False, label="It holds")
    file = forms.FileField(
        required=False,
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="Choose it, or drop it here. 10 MB, 100,000 rows.",
    )
    content = forms.CharField(
        required=False,
        max_length=MAX_PASTED,
        strip=False,
        label="Or paste the rows",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="With the line of column names.",
    )
    encoding = forms.ChoiceField(
        choices=[("utf-8", "UTF-8"), ("cp1252", "Western European (cp1252)")],
        required=False,
        label="Encoding",
    )

    def __init__(self, *args, portfolios, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(*args, **kwargs)
        self.fields["portfolio"].queryset = portfolios  # type: ignore[attr-defined]

    def clean_file(self):  # type: ignore[no-untyped-def]
        """A CSV within the size we read."""
        file = self.cleaned_data["file"]
        if file and not file.name.lower().endswith(".csv"):
            raise forms.ValidationError("Only .csv files are read.")
        if file and file.size > MAX_BYTES:
            raise forms.ValidationError("A file may have 10 MB.")
        return file

    def clean(self) -> dict[str, Any]:
        """A file or text."""
        said = super().clean() or {}
        if not self.errors and not said.get("file") and not said.get("content"):
            self.add_error("file", "Choose a file, or paste its rows.")
        return said


class MapForm(forms.Form):
    """A field for each column of a file."""

    def __init__(
        self,
        *args: Any,
        kind: str,
        header: Sequence[str],
        columns: Mapping[str, int],
        comma: bool,
        **kwargs: Any,
    ) -> None:
        field_of = {place: name for name, place in columns.items()}
        initial = {f"c{place}": field_of.get(place, "") for place in range(len(header))}
        super().__init__(*args, **{"initial": initial | {"comma": comma}, **kwargs})
        shape = SHAPES[kind]
        choices = [("", "Leave out")]
        choices += [(name, f"{_words(name)}, required") for name in shape.required]
        choices += [(name, _words(name)) for name in shape.optional]
        for place, name in enumerate(header):
            self.fields[f"c{place}"] = forms.ChoiceField(
                choices=choices, required=False, label=name[:60] or f"Column {place + 1}"
            )
        self.fields["comma"] = forms.BooleanField(
            required=False, label="Amounts are written 12,50 (decimal comma)"
        )

    def clean(self) -> dict[str, Any]:
        """Each field once; field to the place of its column."""
        said = super().clean() or {}
        columns: dict[str, int] = {}
        for key, name in list(said.items()):
            if key == "comma" or not name:
                continue
            if name in columns:
                self.add_error(key, f"{_words(name)} is chosen twice.")
            columns[name] = int(key[1:])
        said["columns"] = columns
        return said


class RowForm(forms.Form):
    """The cells of one row, and what becomes of it as a duplicate."""

    decision = forms.ChoiceField(
        choices=[("", "As the file"), *Duplicates.choices], required=False, label="If a duplicate"
    )
    everywhere = forms.BooleanField(
        required=False, label="Use this ticker for all rows that have the old one"
    )

    def __init__(self, *args: Any, kind: str, cells: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **{"use_required_attribute": False, **kwargs})
        last = {name: self.fields.pop(name) for name in ("decision", "everywhere")}
        self.names = [*SHAPES[kind].required]
        self.names += [name for name in SHAPES[kind].optional if name in cells]
        for name in self.names:
            self.fields[name] = forms.CharField(
                required=name in SHAPES[kind].required,
                max_length=MAX_CELL,
                strip=False,
                label=_words(name),
                initial=cells.get(name, ""),
                widget=forms.TextInput(attrs={"autocomplete": "off"}),
            )
        if "ticker" not in self.names:
            del last["everywhere"]
        self.fields |= last

    def changed(self) -> dict[str, str]:
        """The cells that are others now."""
        return {name: self.cleaned_data[name] for name in self.names if name in self.changed_data}


class UndoForm(forms.Form):
    """Why a file is taken back."""

    reason = forms.CharField(max_length=300, label="Reason")


class AliasForm(forms.ModelForm):
    """Another name of a field, in the form in which names are compared."""

    kind = forms.ChoiceField(choices=KINDS)

    class Meta:
        model = ImportAlias
        fields = ("kind", "alias", "field")

    def clean_alias(self) -> str:
        """Lower case, one blank between words."""
        return normal(self.cleaned_data["alias"])

    def clean(self) -> dict[str, Any]:
        """A field that files of the kind have."""
        said = super().clean() or {}
        fields = SHAPES[said["kind"]].fields if said.get("kind") in SHAPES else ()
        if fields and said.get("field") not in fields:
            self.add_error("field", f"One of {', '.join(fields)}.")
        return said


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()
