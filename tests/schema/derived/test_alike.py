"""What makes runs alike: every field of every specification counts, or is listed as one that does not."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from mlv.schema.derived import alike
from mlv.schema.jobs.attribution import Attribution, Gradients, attribution_name
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.kinds import KINDS
from mlv.schema.jobs.pca import PcaSpec
from mlv.schema.jobs.pretrain import PretrainSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.settings import words
from mlv.schema.jobs.spec import CorpusRef, ModelRef, Spec
from mlv.schema.jobs.validate import ValidateSpec

Document = dict[str, Any]

RUN, OTHER = "finetune-0123456789ab", "finetune-ba9876543210"


def _model(name: str) -> ModelRef:
    return ModelRef(name=name, digest="d")


TRAINING = FinetuneSpec(
    model=_model("google/mt5-small"),
    source="pbc",
    languages=("fa", "ko"),
    sentences=10,
    parallel_with=("fa", "hi", "ko"),
    corpora=(CorpusRef(source="pbc", language="fa", edition="", sha256="s", segments=5),),
    inputs_digest="i",
)
TRACED: Document = {
    "model": _model(f"{RUN}/epoch-2"),
    "training": TRAINING,
    "checkpoints": (_model(f"{RUN}/epoch-1"), _model(f"{RUN}/epoch-2")),
    "collection": "c",
    "probe_set": "s",
    "languages": ("fa", "ko"),
    "inputs_digest": "i",
}
TRACIN = Attribution(method="tracin", damping=0.0, gradients=Gradients(projection="none", dimensions=0))
SPECS: dict[str, Spec] = {
    "pretrain": PretrainSpec(
        name="n",
        preset="nano",
        corpora=TRAINING.corpora,
        inputs_digest="i",
        vocabulary=500,
        steps=1,
        batch_size=2,
        learning_rate=0.1,
    ),
    "finetune": TRAINING,
    "probe": ProbeSpec(model=TRAINING.model, collection="c", probe_set="s", languages=("fa", "ko"), inputs_digest="i"),
    "influence": InfluenceSpec(**TRACED, attribution=Attribution()),
    "tracin": InfluenceSpec(**TRACED, attribution=TRACIN),
    "validate": ValidateSpec(**TRACED, attributions=(Attribution(), TRACIN)),
    "pca": PcaSpec(
        checkpoints=("d1", "d2"),
        collection="c",
        probe_set="s",
        languages=("fa", "ko"),
        score="mean",
        survey="wvs7",
        countries=("IR", "KR"),
        weighting="weighted",
        inputs_digest="i",
    ),
}


def _other(value: Any) -> Any:
    """Another value than a field's."""
    if value is None or isinstance(value, bool):
        return not value
    return value[:-1] if isinstance(value, list) else f"{value}2" if isinstance(value, str) else value + 1


def _changes(document: Document) -> Iterator[tuple[str, Document]]:
    """Every field of a document, also those of documents in it, by dotted name, and the document with another value."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", {**document, name: changed}) for inner, changed in _changes(value))
        else:
            yield name, {**document, name: _other(value)}


DOCUMENTS = {name: spec.model_dump(mode="json") for name, spec in SPECS.items()}
CHANGES = [
    pytest.param(name, path, changed, id=f"{name}-{path}")
    for name, document in DOCUMENTS.items()
    for path, changed in _changes(document)
    if path != "kind"
]


def _in_sql(connection: duckdb.DuckDBPyConnection, document: Document) -> tuple[str | None, ...]:
    """What tables show of a fine-tuning's settings, or of a tracing's."""
    kinds = {"finetune": [alike.training], "influence": [alike.attribution, alike.tracing], "validate": [alike.tracing]}
    shown = ", ".join(text("spec") for text in kinds[document["kind"]])
    row = connection.execute(f"SELECT {shown} FROM (SELECT ?::JSON::VARCHAR AS spec)", [document]).fetchone()
    assert row is not None
    return row


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def settings(document: Document) -> Document:
    """What counts of a specification as JSON."""
    return KINDS[document["kind"]].settings_in(document)


def test_every_kind_says_what_does_not_count_and_names_fields_that_are_there() -> None:
    for spec in KINDS.values():
        assert spec.NOT_COMPARED.keys() <= spec.model_fields.keys()
        assert all(spec.NOT_COMPARED.values())
    assert all(spec.settings() == settings(DOCUMENTS[name]) for name, spec in SPECS.items())


def test_every_field_is_tried() -> None:
    tried = {name: {path for path, _ in _changes(document)} for name, document in DOCUMENTS.items()}
    for name, spec in SPECS.items():
        assert {path.partition(".")[0] for path in tried[name]} == type(spec).model_fields.keys()
    nested = {f"attribution.{field}" for field in Attribution.model_fields if field != "gradients"}
    assert nested | {f"attribution.gradients.{field}" for field in Gradients.model_fields} <= tried["influence"]


@pytest.mark.parametrize(("name", "path", "changed"), CHANGES)
def test_a_field_counts_unless_it_is_listed(name: str, path: str, changed: Document) -> None:
    listed = path.partition(".")[0] in KINDS[changed["kind"]].NOT_COMPARED
    assert (settings(changed) == settings(DOCUMENTS[name])) is listed


@pytest.mark.parametrize(
    ("name", "path", "changed"),
    [one for one in CHANGES if one.values[0] in ("finetune", "influence", "tracin", "validate")],
)
def test_tables_tell_runs_apart_that_are_not_alike(
    connection: duckdb.DuckDBPyConnection, name: str, path: str, changed: Document
) -> None:
    listed = path.partition(".")[0] in KINDS[changed["kind"]].NOT_COMPARED
    assert (_in_sql(connection, changed) == _in_sql(connection, DOCUMENTS[name])) is listed


def test_a_setting_of_later_counts_without_being_named(connection: duckdb.DuckDBPyConnection) -> None:
    later = {**DOCUMENTS["finetune"], "warmup": "linear"}
    assert _in_sql(connection, later) == (f"{_in_sql(connection, DOCUMENTS['finetune'])[0]} warmup=linear",)
    attribution = DOCUMENTS["influence"]["attribution"]
    gradients = {**attribution["gradients"], "layers": {"first": [1, 2]}}
    traced = {**DOCUMENTS["influence"], "attribution": {**attribution, "gradients": gradients}}
    assert _in_sql(connection, traced)[0] == "trak-principal-16 layers={first:1,2}"


def test_words_are_those_of_the_tables(connection: duckdb.DuckDBPyConnection) -> None:
    (trained,) = _in_sql(connection, DOCUMENTS["finetune"])
    assert trained is not None
    assert trained.startswith("epochs=5 batch_size=8 learning_rate=0.00005 max_tokens=256 precision=fp32 ")
    assert sorted(trained.split()) == words(settings(DOCUMENTS["finetune"]))
    beside = {name: value for name, value in settings(DOCUMENTS["influence"]).items() if name != "attribution"}
    assert _in_sql(connection, DOCUMENTS["influence"])[1] == " ".join(words(beside))


@pytest.mark.parametrize("checkpoints", [[1], [2], [1, 2], [2, 1]])
def test_checkpoints_count_by_epoch_whatever_run_is_traced(
    connection: duckdb.DuckDBPyConnection, checkpoints: list[int]
) -> None:
    def traced(run: str, others: str) -> tuple[str | None, ...]:
        named = [*(f"{run}/epoch-{epoch}" for epoch in checkpoints), f"{others}/epoch-2"]
        models = {"model": {"name": f"{run}/epoch-2"}, "checkpoints": [{"name": name} for name in named]}
        return _in_sql(connection, {**DOCUMENTS["influence"], **models})

    assert traced(RUN, OTHER) == traced(OTHER, RUN)
    places = ",".join(f"epoch-{epoch}" for epoch in checkpoints)
    assert str(traced(RUN, OTHER)[1]).startswith(f"checkpoints={places},other/epoch-2 ")


@pytest.mark.parametrize("damping", [1.0, 0.0, 1e-4, 3e-5, 1e-6, 0.1, 2.5, 12345.75, 1e10])
@pytest.mark.parametrize("method", ["trak", "tracin"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize(
    "gradients",
    [
        Gradients(projection="none"),
        Gradients(projection="none", dimensions=0, corruptions="epoch"),
        Gradients(projection="dense", dimensions=512, stacks=("encoder",), seed=3),
    ],
)
def test_an_attribution_has_one_name_in_tables_and_files(
    connection: duckdb.DuckDBPyConnection, damping: float, method: Any, similarity: Any, gradients: Gradients
) -> None:
    attribution = Attribution(method=method, similarity=similarity, damping=damping, gradients=gradients)
    document = {**DOCUMENTS["influence"], "attribution": attribution.model_dump(mode="json")}
    assert _in_sql(connection, document)[0] == attribution_name(attribution)


def test_names_say_what_is_not_the_default() -> None:
    assert attribution_name(Attribution()) == "trak-principal-16"
    assert attribution_name(TRACIN) == "tracin-exact"
    other = Attribution(weights="equal", gradients=Gradients(corruptions="epoch", stacks=("decoder",)))
    assert attribution_name(other) == "trak-principal-16 weights=equal corruptions=epoch stacks=decoder"
