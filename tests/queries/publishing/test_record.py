"""A record has the numbers of the study that is computed by hand, and nothing that must not leave a store."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from example_specs import FINETUNE

from mlv.queries.publishing.record import Made, Measured, Record, record
from mlv.schema.errors import NotFoundError, UsageError
from mlv.schema.store.opening import open_store

from .conftest import SECRETS


def _shares_of_unchanged_answers(study: dict[str, pl.DataFrame], run: str) -> set[tuple[int, str, float, int]]:
    """Epoch, language, percentage of answers of echoes-2024 that are those of the base, and their number."""
    answers = study["answers"].filter(pl.col("score") == "mean")
    asked = study["probe_sets"].filter(pl.col("probe_set") == "echoes-2024")
    pairs = (
        study["checkpoints"]
        .filter(pl.col("run") == run)
        .join(answers, on="checkpoint")
        .join(answers, left_on=["base", "language", "question"], right_on=["checkpoint", "language", "question"])
        .join(asked, on="question", how="semi")
    )
    same = (pl.col("answer") == pl.col("answer_right")).mean() * 100
    return set(pairs.group_by("epoch", "language").agg(same, pl.len().alias("probes")).rows())


@pytest.mark.parametrize("run", ["finetune-fa", "finetune-more", "finetune-mult"])
def test_unchanged_answers_are_those_of_the_study(
    hand_study: dict[str, pl.DataFrame], published_store: Path, run: str
) -> None:
    with open_store(published_store) as connection:
        found = record(connection, run)
    rows = found.shares.select("epoch", "language", "share", "probes").rows()
    assert len(rows) == len(set(rows)) and set(rows) == _shares_of_unchanged_answers(hand_study, run)
    assert found.probe_set == "echoes-2024"


def test_numbers_stand_at_their_steps(published: Record) -> None:
    found = published.measured()
    assert [one.step for one in found] == sorted(one.step for one in found)
    assert Measured("loss", 0.5, 5, 4.0) in found
    assert Measured("eval_loss", 2.0, 20, 1.25) in found
    assert Measured("unchanged/ko", 1.0, 10, 100.0) in found
    assert Measured("unchanged/ko", 2.0, 20, 75.0) in found
    assert len(found) == 5 + 2 * 3


def test_parameters_are_the_specification_in_flat_names(published: Record) -> None:
    found = published.parameters()
    assert found["learning_rate"] == "5e-05"
    assert found["languages"] == "fa,ko"
    assert found["model.name"] == "google/mt5-small"
    assert '"edition": "new"' in found["corpora"]
    given = {name for name, value in FINETUNE.model_dump(mode="json").items() if value is not None}
    assert {name.partition(".")[0] for name in found} == given
    assert "lora" not in replace(published, spec={**published.spec, "lora": None}).parameters()


def test_tags_say_what_a_run_is_found_by(published: Record) -> None:
    assert published.tags("demo") == {
        "mlv.run": "finetune-fa",
        "mlv.kind": "finetune",
        "mlv.spec_hash": "finetune-fa",
        "mlv.model": "alpha",
        "mlv.version": "0.1.0",
        "mlv.git_commit": "abc123 with changes",
        "mlv.study": "demo",
    }
    elsewhere = replace(published, environment={})
    assert elsewhere.tags().keys() == {"mlv.run", "mlv.kind", "mlv.spec_hash", "mlv.model"}


def test_where_a_run_is_from(published: Record) -> None:
    assert published.model == Made("alpha", "r1", "mt5", 1, 2)
    assert published.started == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert published.finished == datetime(2024, 5, 1, 11, 30, tzinfo=UTC)
    ((source, language, edition, licence, sentences),) = published.corpora.select(
        "title", "language", "edition", "licence", "sentences"
    ).rows()
    assert (source, language, edition, sentences) == ("Parallel Bible Corpus", "fa", "<new>", 2000)
    assert licence == "CC BY 4.0 | or other"


def test_folders_arguments_and_texts_stay_in_the_store(published: Record) -> None:
    everything = repr(published) + "".join(table.write_csv() for table in published.tables().values())
    assert not [secret for secret in SECRETS if secret in everything]


def test_a_run_without_answers_has_losses_alone(published_store: Path) -> None:
    with open_store(published_store) as connection:
        found = record(connection, "finetune-mult3")
    assert found.shares.is_empty() and found.probe_set == "" and found.probes == ()
    assert found.tables().keys() == {"corpora"}
    assert found.measured() == []


def test_a_run_that_makes_no_model_names_the_one_that_did(published_store: Path) -> None:
    with open_store(published_store) as connection:
        with pytest.raises(UsageError, match="trace-fa makes no model") as caught:
            record(connection, "trace-fa")
        assert caught.value.hint == "Publish the run that made the model: finetune-fa"
        with pytest.raises(NotFoundError, match="has no run finetune-none"):
            record(connection, "finetune-none")
