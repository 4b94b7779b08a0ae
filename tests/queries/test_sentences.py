"""Sentences about results: the span of a value, also where some or all of it is missing."""

import polars as pl
import pytest

from mlv.queries.sentences import span, spanning


def cells(*values: float | None) -> pl.DataFrame:
    """A cell a language."""
    languages = ["de", "en", "fr", "ko"][: len(values)]
    schema = {"language": pl.String, "share": pl.Float64, "n": pl.Int64}
    return pl.DataFrame({"language": languages, "share": values, "n": [7] * len(values)}, schema=schema)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ((25.0, 50.0, 30.0), "from 25.0% (LANGUAGE de) to 50.0% (LANGUAGE en), on average 35.0% over 3 cells"),
        ((None, 50.0, 30.0), "from 30.0% (LANGUAGE fr) to 50.0% (LANGUAGE en), on average 40.0% over 2 cells"),
        ((None, 50.0), "50.0% in the one cell there is"),
        ((None, None), "unmeasured: no cell has a value"),
        ((), "unmeasured: no cell has a value"),
    ],
)
def test_a_span_is_of_the_cells_that_have_a_value(values: tuple[float | None, ...], said: str) -> None:
    assert span(cells(*values), "share") == said.replace("LANGUAGE", "test language")


def test_a_sentence_without_a_value_says_so() -> None:
    sentence = spanning("Shares go", "share", "n", "texts")
    assert sentence(cells(None, 50.0)) == "Shares go 50.0% in the one cell there is (7 texts a cell)."
    assert sentence(cells(None, None)) == "Not one of 2 cells is defined (7 texts a cell)."
