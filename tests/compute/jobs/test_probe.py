"""Scores of answers: against a model asked one probe at a time, and whatever the batch, the order and the padding."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from workers import run_job

from mlv.compute.jobs import probe as probing
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import loading, scoring
from mlv.compute.models.families import SPAN
from mlv.compute.models.scoring import Probe
from mlv.schema.errors import DataError, JobError
from mlv.schema.jobs.directory import JobDirectory

TOLERANCE = 1e-5
NUMBERS = ["logit_sum", "logprob_sum", "logprob_first"]


def one_at_a_time(loaded: loading.LoadedModel, frame: pl.DataFrame) -> pl.DataFrame:
    """The same scores from ``model(...).logits``, each probe and answer alone, without padding."""
    import torch

    rows = []
    tokenizer: Any = loaded.tokenizer
    for row in frame.iter_rows(named=True):
        inputs = tokenizer(row["template"].replace("[MASK]", "<extra_id_0>"), return_tensors="pt").input_ids
        for number, answer in ((1, row["answer_first"]), (2, row["answer_second"])):
            labels = tokenizer(f"<extra_id_0> {answer} <extra_id_1>", return_tensors="pt").input_ids
            with torch.inference_mode():
                logits = loaded.model(input_ids=inputs, labels=labels).logits[0].double()
            # sentinel, answer, closing sentinel, end of sequence
            own = labels[0, 1:-2]
            picked = logits[torch.arange(1, len(own) + 1), own]
            logprobs = logits.log_softmax(dim=-1)[torch.arange(1, len(own) + 1), own]
            sums = (picked.sum().item(), logprobs.sum().item(), logprobs[0].item())
            rows.append((row["question"], row["language"], number, len(own), *sums))
    return pl.DataFrame(rows, schema=scoring.SCORES, orient="row")


@pytest.fixture
def probes(loaded: loading.LoadedModel, probe_frame: pl.DataFrame) -> list[Probe]:
    return scoring.tokenise(probe_frame, loaded.tokenizer)


@pytest.mark.parametrize("batch_tokens", [1, 70, 4096])
def test_scores_are_those_of_one_probe_at_a_time(
    loaded: loading.LoadedModel, probes: list[Probe], probe_frame: pl.DataFrame, batch_tokens: int
) -> None:
    scores = scoring.score(loaded, probes, batch_tokens)
    assert_frame_equal(scores, one_at_a_time(loaded, probe_frame), abs_tol=TOLERANCE, rel_tol=0)


@pytest.mark.parametrize("fixture", ["official_t5", "official_t5_1_1"])
def test_scaled_and_unscaled_t5s_are_scored_by_their_own_rule(
    fixture: str, probe_frame: pl.DataFrame, request: pytest.FixtureRequest
) -> None:
    model = loading.load(request.getfixturevalue(fixture), SPAN)
    scores = scoring.score(model, scoring.tokenise(probe_frame, model.tokenizer), 4096)
    assert_frame_equal(scores, one_at_a_time(model, probe_frame), abs_tol=TOLERANCE, rel_tol=0)


def test_scores_do_not_depend_on_the_order_of_the_probes(loaded: loading.LoadedModel, probes: list[Probe]) -> None:
    order = np.random.default_rng(0).permutation(len(probes))
    shuffled = scoring.score(loaded, [probes[index] for index in order], 100)
    key = ["language", "question", "answer"]
    in_order = scoring.score(loaded, probes, 4096).sort(key)
    assert_frame_equal(shuffled.sort(key), in_order, abs_tol=TOLERANCE, rel_tol=0)


def test_a_probes_scores_do_not_depend_on_its_neighbours(loaded: loading.LoadedModel, probes: list[Probe]) -> None:
    together = scoring.score(loaded, probes, 4096)
    for index in (0, 7, 20):
        alone = scoring.score(loaded, [probes[index]], 4096)
        assert_frame_equal(alone, together[2 * index : 2 * index + 2], abs_tol=TOLERANCE, rel_tol=0)


def test_only_answer_positions_are_projected_and_a_bounded_number_at_a_time(
    loaded: loading.LoadedModel, probes: list[Probe], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scoring.score(loaded, probes, 4096)
    projected: list[int] = []
    handle = loaded.model.get_output_embeddings().register_forward_hook(
        lambda _, __, out: projected.append(out[..., 0].numel())
    )
    monkeypatch.setattr(scoring, "LOGITS_AT_ONCE", 5 * loaded.model.config.vocab_size)
    try:
        chunked = scoring.score(loaded, probes, 4096)
    finally:
        handle.remove()
    assert max(projected) == 5
    assert sum(projected) == expected["tokens"].sum()
    assert_frame_equal(chunked, expected, abs_tol=TOLERANCE, rel_tol=0)


def test_batches_keep_to_the_budget_and_hold_every_row_once() -> None:
    lengths = [3, 50, 7, 7, 120, 1, 30, 31]
    batches = list(scoring.batches(lengths, 90))
    assert sorted(index for batch in batches for index in batch) == list(range(8))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= 90


def test_a_glued_mask_is_read_as_the_tokenizer_reads_a_sentinel(tokenizer: Any) -> None:
    templates = ["trust [MASK] in life", "un[MASK] in life", "trust [MASK]ness", "[MASK]", " [MASK] life "]
    frame = pl.DataFrame(
        [(str(n), "en", template, "work", "family") for n, template in enumerate(templates)],
        schema=list(scoring.COLUMNS),
        orient="row",
    )
    for probe, template in zip(scoring.tokenise(frame, tokenizer), templates, strict=True):
        assert probe.inputs == tokenizer(template.replace("[MASK]", "<extra_id_0>"))["input_ids"]
        assert probe.answers == (tokenizer.encode("work")[:-1], tokenizer.encode("family")[:-1])


@pytest.mark.parametrize("template", ["no mask", "[MASK] and [MASK]"])
def test_templates_without_exactly_one_mask_are_all_named(tokenizer: Any, template: str) -> None:
    frame = pl.DataFrame(
        [("1", "en", "[MASK]", "a", "b"), ("2", "en", template, "a", "b"), ("3", "ko", template, "a", "b")],
        schema=list(scoring.COLUMNS),
        orient="row",
    )
    with pytest.raises(DataError, match=r"2 \(en\), 3 \(ko\)\n"):
        scoring.tokenise(frame, tokenizer)


@pytest.fixture
def ambiguous_frame(probe_frame: pl.DataFrame) -> pl.DataFrame:
    """The probes, and two that cannot be asked: answers that differ in a space, and an answer of spaces."""
    bad = [("900", "en", "[MASK] life", "very  important", "very important"), ("901", "ko", "[MASK]", "work", "  ")]
    return pl.concat([probe_frame, pl.DataFrame(bad, schema=probe_frame.schema, orient="row")])


def test_answers_that_tokenise_alike_are_all_named_before_weights_are_loaded(
    ambiguous_frame: pl.DataFrame,
    probe_job: Callable[..., JobDirectory],
    options: ExecuteOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loading, "load", lambda *_: pytest.fail("weights were loaded"))
    with pytest.raises(DataError) as caught:
        run_job(probe_job(tmp_path, ambiguous_frame), options)
    assert "900 (en): both answers tokenise as ▁very ▁important" in caught.value.message
    assert "901 (ko): the second answer has no tokens" in caught.value.message
    assert "--skip-ambiguous" in caught.value.hint


def test_ambiguous_probes_can_be_left_out_and_are_listed(
    ambiguous_frame: pl.DataFrame, probe_frame: pl.DataFrame, probe_job: Callable[..., JobDirectory], tmp_path: Path
) -> None:
    job = probe_job(tmp_path, ambiguous_frame)
    run_job(job, ExecuteOptions(device="cpu", threads=1, skip_ambiguous=True))
    skipped = pl.read_parquet(job.outputs / "skipped.parquet")
    assert skipped.select("question", "language").rows() == [("900", "en"), ("901", "ko")]
    scores = pl.read_parquet(job.outputs / "probe_logits.parquet")
    assert scores.height == 2 * probe_frame.height
    assert not set(scores["question"]) & {"900", "901"}


def test_a_broken_off_job_keeps_its_finished_languages(
    probe_job: Callable[..., JobDirectory],
    options: ExecuteOptions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unbroken = probe_job(tmp_path / "unbroken")
    run_job(unbroken, options)
    job = probe_job(tmp_path / "broken")
    score = scoring.score
    asked: list[str] = []

    def breaks_at_the_second_language(*arguments: Any) -> pl.DataFrame:
        asked.append(arguments[1][0].language)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return score(*arguments)

    monkeypatch.setattr(probing, "score", breaks_at_the_second_language)
    with pytest.raises(KeyboardInterrupt):
        run_job(job, options)
    assert not (job.outputs / "probe_logits.parquet").exists()
    run_job(job, options)
    assert asked == ["ko", "en", "en"]
    name = "probe_logits.parquet"
    assert_frame_equal(pl.read_parquet(job.outputs / name), pl.read_parquet(unbroken.outputs / name))


def test_a_corrupt_input_is_an_error_that_names_the_file(
    probe_job: Callable[..., JobDirectory], options: ExecuteOptions, tmp_path: Path
) -> None:
    job = probe_job(tmp_path)
    (job.inputs / "probes.parquet").write_bytes(b"PAR1 no parquet")
    with pytest.raises(JobError, match=r"probes\.parquet is not a readable parquet"):
        run_job(job, options)
    (job.inputs / "probes.parquet").unlink()
    with pytest.raises(JobError, match=r"probes\.parquet is missing"):
        run_job(job, options)
    pl.DataFrame({"question": ["1"]}).write_parquet(job.inputs / "probes.parquet")
    with pytest.raises(JobError, match="lacks the columns language, template"):
        run_job(job, options)


def test_the_outputs_say_which_model_answered(
    probe_job: Callable[..., JobDirectory], options: ExecuteOptions, tmp_path: Path, loaded: loading.LoadedModel
) -> None:
    job = probe_job(tmp_path)
    run_job(job, options)
    written = job.read_json("outputs/model.json")
    assert written.pop("model")["name"] == "tiny-mt5"
    assert written == loaded.describe()


@pytest.fixture(scope="module")
def mt5_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tokenizer in mT5's layout: sentinels are pieces of the vocabulary that begin a word."""
    import sentencepiece
    import transformers
    from sentencepiece import sentencepiece_model_pb2

    folder = tmp_path_factory.mktemp("mt5")
    texts = [f"families in town {number} are important . , very dir" for number in range(200)]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=trained,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(trained.getvalue())
    for number in reversed(range(100)):
        proto.pieces.add(piece=f"▁<extra_id_{number}>", score=0.0, type=4)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "mt5"}))
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize(
    ("template", "after"),
    [("families are [MASK].", ["."]), ("families [MASK], very", [",", "▁very"]), ("ber[MASK]dir", ["d", "i", "r"])],
)
def test_mt5_reads_what_follows_the_mask_without_a_space_as_a_continuation(
    mt5_tokenizer: Any, template: str, after: list[str]
) -> None:
    frame = pl.DataFrame([("1", "en", template, "important", "dir")], schema=list(scoring.COLUMNS), orient="row")
    tokens = mt5_tokenizer.convert_ids_to_tokens(scoring.tokenise(frame, mt5_tokenizer)[0].inputs)
    place = tokens.index("▁<extra_id_0>")
    assert "".join(tokens[place + 1 :]) == "".join(after) + "</s>"
    assert tokens.count("▁<extra_id_0>") == 1
