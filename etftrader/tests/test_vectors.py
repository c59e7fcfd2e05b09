"""Every vector of the specification, through the map from names to kernels."""

import json
import math
import os
from pathlib import Path

import pytest

from etftrader.testing import quantities

SHARED = Path(os.environ.get("ETF_SHARED") or Path(__file__).resolve().parents[2] / ".." / "shared")
FOLDER = SHARED / "vectors"
VECTORS = [
    vector
    for path in sorted(FOLDER.glob("*.json"))
    for vector in json.loads(path.read_text())["vectors"]
]
BUILT = [vector for vector in VECTORS if vector["quantity"] not in quantities.NOT_YET]
MISSING = sorted({vector["quantity"] for vector in VECTORS} & quantities.NOT_YET)

needs_vectors = pytest.mark.skipif(
    not VECTORS, reason="the shared vectors are not here: set ETF_SHARED or place them in ../shared"
)


def mismatch(expected, got, tolerance, where):
    """First place where an answer differs from a vector, or None."""
    if isinstance(expected, dict):
        if not isinstance(got, dict) or expected.keys() - got.keys():
            return f"{where}: keys {sorted(expected)} expected, {got!r} given"
        pairs = [(expected[key], got[key], f"{where}.{key}") for key in expected]
    elif isinstance(expected, list):
        if not isinstance(got, list) or len(got) != len(expected):
            return f"{where}: a list of {len(expected)} expected, {got!r} given"
        pairs = [
            (e, g, f"{where}[{n}]") for n, (e, g) in enumerate(zip(expected, got, strict=True))
        ]
    elif isinstance(expected, bool | str) or expected is None:
        same = type(got) is type(expected) and got == expected
        return None if same else f"{where}: {expected!r} expected, {got!r} given"
    else:
        allowed = tolerance["abs"] + tolerance["rel"] * abs(expected)
        number = isinstance(got, int | float) and not isinstance(got, bool)
        near = number and math.isfinite(got) and abs(got - expected) <= allowed
        return None if near else f"{where}: {expected!r} +- {allowed:.3g} expected, {got!r} given"
    return next(
        (problem for pair in pairs if (problem := mismatch(*pair[:2], tolerance, pair[2]))), None
    )


@needs_vectors
@pytest.mark.parametrize("vector", BUILT, ids=[vector["id"] for vector in BUILT])
def test_a_kernel_agrees_with_its_vector(vector):
    answer = quantities.compute(vector["quantity"], vector["inputs"])

    assert mismatch(vector["expected"], answer, vector["tolerance"], vector["id"]) is None


@needs_vectors
@pytest.mark.parametrize("quantity", MISSING)
def test_a_quantity_that_is_not_built_is_refused_by_name(quantity):
    with pytest.raises(KeyError, match=f"{quantity} is not built"):
        quantities.compute(quantity, {})


@needs_vectors
def test_built_and_not_built_together_are_exactly_the_names_of_the_vectors():
    assert quantities.BUILT.keys() | quantities.NOT_YET == {v["quantity"] for v in VECTORS}


def test_nothing_is_both_built_and_not_built():
    assert not quantities.BUILT.keys() & quantities.NOT_YET


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match=r"no quantity is named var\.unheard_of"):
        quantities.compute("var.unheard_of", {})


@needs_vectors
@pytest.mark.parametrize("vector", BUILT, ids=[vector["id"] for vector in BUILT])
def test_an_answer_is_plain_json_without_nan(vector):
    answer = quantities.compute(vector["quantity"], vector["inputs"])

    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
