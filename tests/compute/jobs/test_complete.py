"""Completions of masked models: against pipelines, full passes in 64 bits, and whatever the batch."""

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from groups import clozes
from resuming import BreaksAfter, BrokenOffError
from tiny_masked import ARCHITECTURES, save_masked, tokenizer_of
from workers import run_job

from mlv.compute.jobs.complete import KEY
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import completing, files
from mlv.schema.errors import DataError
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import CategoryCompleted, SkippedSentences
from mlv.schema.papers.stereotypes import PUBLISHED_PRIOR

OPTIONS = ExecuteOptions(device="cpu", threads=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A model of every architecture."""
    folder = tmp_path_factory.mktemp("models")
    for architecture in ARCHITECTURES:
        save_masked(folder / architecture, architecture)
    return {architecture: folder / architecture for architecture in ARCHITECTURES}


def planned(folder: Path, model: Path, frame: pl.DataFrame | None = None, **settings: Any) -> JobDirectory:
    """A job over all sentences."""
    reference = files.resolve(str(model))
    spec = CompleteSpec(
        **{"model": reference, "group_list": "own", "languages": ("en",), "inputs_digest": "0", "top_k": 20, **settings}
    )
    job = JobDirectory.create(folder, spec, {"model_paths": {reference.name: reference.path}})
    (clozes() if frame is None else frame).write_parquet(job.inputs / "clozes.parquet")
    return job


def completed(job: JobDirectory, options: ExecuteOptions = OPTIONS) -> pl.DataFrame:
    """What a job finds."""
    run_job(job, options)
    return pl.read_parquet(job.outputs / "completions.parquet")


def texts_of(tokenizer: Any) -> completing.Texts:
    """Texts of a tokenizer's tokens."""
    return completing.Texts(tokenizer, len(tokenizer))


@cache
def loaded(folder: Path) -> tuple[Any, Any]:
    """A model in 64 bits with its tokenizer, by transformers alone."""
    import transformers

    model = transformers.AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager")
    return model.double().eval(), transformers.AutoTokenizer.from_pretrained(folder)


def full_logprobs(folder: Path, text: str, number: int) -> Any:
    """Log-probabilities of the whole vocabulary at the mask of a number, by a full pass in 64 bits."""
    import torch

    model, tokenizer = loaded(folder)
    inputs = torch.tensor([tokenizer(text)["input_ids"]])
    place = (inputs[0] == tokenizer.mask_token_id).nonzero()[number, 0]
    with torch.inference_mode():
        return model(input_ids=inputs).logits[0, place].log_softmax(0).numpy()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_probabilities_are_those_of_the_fill_mask_pipeline(
    models: Mapping[str, Path], tmp_path: Path, architecture: str
) -> None:
    from transformers import pipeline

    found = completed(planned(tmp_path, models[architecture]))
    mask = tokenizer_of(architecture).mask_token
    fill = pipeline("fill-mask", model=str(models[architecture]), device="cpu", top_k=len(tokenizer_of(architecture)))
    assert found.group_by(KEY).len()["len"].to_list() == [20] * clozes().height
    for (*_, text), some in found.group_by(*KEY):
        theirs = {one["token"]: one["score"] for one in fill(str(text).replace("[MASK]", mask))}
        mine = dict(some.select("token", pl.col("logprob").exp()).iter_rows())
        assert {token: theirs[token] for token in mine} == pytest.approx(mine, abs=1e-5)
        # nothing that is likelier is left out, but for what has the text of another
        texts = texts_of(tokenizer_of(architecture))
        kept, least = set(some["attribute"]), min(mine.values())
        likelier = np.array(
            [token for token, score in theirs.items() if score > least + 1e-7 and token not in mine], int
        )
        assert set(texts(likelier)) <= kept


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_of_equal_texts_the_likelier_token_is_kept_and_ranks_follow(
    models: Mapping[str, Path], tmp_path: Path, architecture: str
) -> None:
    found = completed(planned(tmp_path, models[architecture], top_k=60))
    texts = texts_of(tokenizer_of(architecture))
    every = texts(np.arange(len(tokenizer_of(architecture))))
    for (*_, text), some in found.group_by(*KEY):
        ranked = some.sort("rank")
        logprobs = full_logprobs(models[architecture], str(text).replace("[MASK]", mask_of(architecture)), 0)
        best: dict[str, int] = {}
        for token in np.argsort(-logprobs, kind="stable").tolist():
            best.setdefault(every[token], token)
        assert ranked["token"].to_list() == list(best.values())[:60]
        assert ranked["attribute"].to_list() == list(best)[:60]
        np.testing.assert_allclose(ranked["logprob"], logprobs[ranked["token"].to_numpy()], atol=1e-5)
        assert ranked["rank"].to_list() == list(range(1, 1 + min(60, len(best))))


def mask_of(architecture: str) -> str:
    """The mask as its tokenizer writes it."""
    return str(tokenizer_of(architecture).mask_token)


def test_texts_keep_the_mark_of_a_continuation_and_lose_that_of_a_beginning() -> None:
    wordpiece, spelt, pieces = (tokenizer_of(name) for name in ("bert", "roberta", "xlm-roberta"))

    def text(tokenizer: Any, name: str) -> str:
        return texts_of(tokenizer)(np.array([tokenizer.convert_tokens_to_ids(name)]))[0]

    assert [text(wordpiece, name) for name in ("##ly", "quiet", "?", "[UNK]")] == ["##ly", "quiet", "?", "[UNK]"]
    assert [text(spelt, name) for name in ("Ġquiet", "Ġ", "</s>", "?")] == ["quiet", "", "</s>", "?"]
    assert [text(pieces, name) for name in ("▁quiet", "▁", "<mask>")] == ["quiet", "", "<mask>"]
    # a byte alone is no text
    assert text(spelt, "Ã") == "Ã"
    assert text(pieces, "<0xC3>") == "<0xC3>"


def prior_by_hand(text: str | None, mask: str, masks: int) -> tuple[str, int] | None:
    """A prior with so many masks for the group, and which of its masks is asked for."""
    if text is None:
        return None
    return text.replace("[GROUP]", " ".join([mask] * masks)).replace("[MASK]", mask), masks if "[GROUP]" in text else 0


@pytest.mark.parametrize("prior", ["one_mask", "as_many", "published"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_priors_are_those_of_full_passes(
    models: Mapping[str, Path], tmp_path: Path, architecture: str, prior: str
) -> None:
    found = completed(planned(tmp_path, models[architecture], prior=prior, top_k=8))
    tokenizer = tokenizer_of(architecture)
    for row in clozes().iter_rows(named=True):
        masks = 1
        if prior == "as_many":
            masks = len(tokenizer(f"so {row['group_name']} so")["input_ids"]) - len(tokenizer("so so")["input_ids"])
        text = PUBLISHED_PRIOR if prior == "published" else row["prior_text"]
        asked = prior_by_hand(text, tokenizer.mask_token, masks)
        some = found.filter(*(pl.col(name) == row[name] for name in KEY))
        if asked is None:
            assert some["logprob_prior"].is_null().all()
            assert some["typicality_rank"].is_null().all()
            continue
        logprobs = full_logprobs(models[architecture], *asked)[some["token"].to_numpy()]
        np.testing.assert_allclose(some["logprob_prior"], logprobs, atol=1e-5)
        order = sorted(
            some.iter_rows(named=True), key=lambda one: (one["logprob_prior"] - one["logprob"], one["token"])
        )
        assert [one["typicality_rank"] for one in order] == list(range(1, 9))


def test_as_many_masks_as_the_group_has_tokens() -> None:
    frame = clozes().filter(category="craft", form="why-are-so")
    encoded = completing.encode(frame, tokenizer_of("bert"), "as_many", None)
    counts = [one.prior.tokens.count(4) for one in encoded if isinstance(one, completing.Cloze) and one.prior]
    # bak ##ers, boat builders
    assert counts == [3, 3]
    frame = pl.DataFrame(
        {"text": ["tall bakers and bakers are [MASK]"], "prior_text": ["tall [GROUP] and [GROUP] are [MASK]"]}
    )
    (one,) = completing.encode(frame, tokenizer_of("bert"), "as_many", None)
    assert isinstance(one, completing.Cloze)
    assert one.prior is not None
    assert (one.prior.tokens.count(4), one.prior.tokens[: one.prior.place].count(4)) == (5, 4)


class Slow:
    """A tokenizer that does not know where its tokens stand."""

    is_fast = False

    def __init__(self, fast: Any) -> None:
        self._fast = fast

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __call__(self, text: list[str], **settings: Any) -> Any:
        """Token ids."""
        assert "return_offsets_mapping" not in settings
        return self._fast(text, **settings)


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta"])
def test_tokens_of_groups_are_counted_without_offsets_too(architecture: str) -> None:
    tokenizer: Any = Slow(tokenizer_of(architecture))
    assert completing.encode(clozes(), tokenizer, "as_many", None) == completing.encode(
        clozes(), tokenizer_of(architecture), "as_many", None
    )


def test_typicality_is_by_token_where_texts_are_no_tokens(models: Mapping[str, Path], tmp_path: Path) -> None:
    """The authors' code looks the stripped word up, and gets the prior of <unk> for most."""
    tokenizer = tokenizer_of("xlm-roberta")
    found = completed(planned(tmp_path, models["xlm-roberta"], top_k=2000))
    strange = found.filter(
        pl.col("attribute").is_in([word for word in tokenizer_words(tokenizer) if word not in tokenizer.get_vocab()])
    )
    some = strange.filter(text="why are sailors so [MASK] ?", form="why-are-so")
    assert some.height >= 5
    assert {tokenizer.convert_tokens_to_ids(word) for word in some["attribute"]} == {tokenizer.unk_token_id}
    assert some["logprob_prior"].n_unique() == some.height


def tokenizer_words(tokenizer: Any) -> list[str]:
    """Words that a tokenizer has with the mark of their beginning."""
    return [token.removeprefix("▁") for token in tokenizer.get_vocab() if token.startswith("▁")]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_is_found_hangs_on_no_batch(models: Mapping[str, Path], tmp_path: Path, architecture: str) -> None:
    model = models[architecture]
    found = [
        completed(
            planned(tmp_path / str(budget), model, prior="as_many"), ExecuteOptions("cpu", 1, batch_tokens=budget)
        )
        for budget in (1, 40, 4096)
    ]
    for other in found[1:]:
        assert other.drop("logprob", "logprob_prior").equals(found[0].drop("logprob", "logprob_prior"))
        for column in ("logprob", "logprob_prior"):
            mine, theirs = (frame[column].fill_null(1).to_numpy() for frame in (other, found[0]))
            np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_half_precision_says_nearly_the_same(models: Mapping[str, Path], tmp_path: Path) -> None:
    whole, half = (
        completed(planned(tmp_path / precision, models["bert"], precision=precision, top_k=2000))
        for precision in ("fp32", "bf16")
    )
    both = whole.join(half, on=[*KEY, "token"])
    assert both.height == whole.height == half.height
    np.testing.assert_allclose(both["logprob"], both["logprob_right"], atol=0.3)
    assert not both["logprob"].equals(both["logprob_right"])


def test_a_sentence_and_a_prior_are_computed_once(
    models: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original = completing._logits

    def listening(loaded: Any, sentences: Any, budget: int) -> Any:
        asked.extend(sentence.text for sentence in sentences)
        return original(loaded, sentences, budget)

    monkeypatch.setattr(completing, "_logits", listening)
    found = completed(planned(tmp_path, models["bert"], clozes().filter(category="leisure")))
    # 3 groups by 5 templates, one of which a collection has, too, and the priors of the templates
    assert len(asked) == len(set(asked)) == 3 * 5 + 5
    twins = found.filter(text="why are sailors so [MASK] ?").sort("form", "rank")
    assert twins.height == 40
    assert twins.head(20).drop("form").equals(twins.tail(20).drop("form"))


def test_a_job_that_is_broken_off_goes_on_with_the_next_category(models: Mapping[str, Path], tmp_path: Path) -> None:
    whole, broken = (planned(tmp_path / name, models["roberta"]) for name in ("whole", "broken"))
    one_at_a_time = ExecuteOptions("cpu", 1, batch_tokens=1)
    with pytest.raises(BrokenOffError):
        run_job(broken, one_at_a_time, BreaksAfter(15))
    assert [event.category for event in broken.logged(CategoryCompleted)] == ["craft"]
    part = broken.work / "completions-0.parquet"
    before = part.stat().st_mtime_ns
    unbroken, resumed = completed(whole, one_at_a_time), completed(broken, one_at_a_time)
    values = ("logprob", "logprob_prior")
    assert resumed.drop(values).equals(unbroken.drop(values))
    for name in values:
        again, once = (frame[name].fill_null(1).to_numpy() for frame in (resumed, unbroken))
        np.testing.assert_allclose(again, once, atol=1e-6)
    assert part.stat().st_mtime_ns == before
    assert [event.category for event in broken.logged(CategoryCompleted)] == ["craft", "leisure"]


SENTENCES = {
    "bakers are [MASK]": "",
    "bakers are": "the tokenizer finds 0 masks where there is to be 1",
    "[MASK] bakers are [MASK]": "the tokenizer finds 2 masks where there is to be 1",
    "\u200b are [MASK]": "the group has no tokens",
    f"bakers are {'so ' * 60}[MASK]": "it has 66 tokens, and the model reads 60",
    "bakers were [MASK]": "the group does not stand where its prior has it",
}


def test_sentences_that_cannot_be_completed_are_left_out_with_the_reason(
    models: Mapping[str, Path], tmp_path: Path
) -> None:
    rows = [("own", "craft", "bakers", "en", "mine", text) for text in SENTENCES]
    columns = ["group_list", "category", "group_name", "language", "form", "text"]
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        prior_text=pl.col("text").str.replace("bakers|\u200b", "[GROUP]").str.replace("were", "are")
    )
    job = planned(tmp_path, models["bert"], frame)
    assert completed(job)["text"].unique().to_list() == ["bakers are [MASK]"]
    skipped = pl.read_parquet(job.outputs / "skipped.parquet")
    assert dict(skipped.select("text", "reason").iter_rows()) == {text: why for text, why in SENTENCES.items() if why}
    (event,) = job.logged(SkippedSentences)
    assert [sentence.model_dump() for sentence in event.sentences] == list(skipped.iter_rows(named=True))
    nothing = planned(tmp_path / "nothing", models["bert"], frame.filter(text="bakers are"))
    with pytest.raises(
        DataError, match=r"None of 1 sentences can be completed .*\n.*bakers are \(the tokenizer finds 0"
    ):
        run_job(nothing, OPTIONS)


@pytest.mark.parametrize(
    ("architecture", "longest"), [("bert", 60), ("roberta", 58), ("bart", 60), ("xlm-roberta", 58)]
)
def test_the_longest_sentence_is_read_and_a_longer_one_is_left_out(
    models: Mapping[str, Path], tmp_path: Path, architecture: str, longest: int
) -> None:
    tokenizer = tokenizer_of(architecture)
    words = next(
        n for n in range(99) if len(tokenizer(f"kind{' kind' * n} {tokenizer.mask_token}")["input_ids"]) == longest
    )
    texts = [f"kind{' kind' * count} [MASK]" for count in (words, words + 1)]
    own = {"group_list": "own", "category": "craft", "group_name": "bakers", "language": "en", "form": "mine"}
    frame = pl.DataFrame({"text": texts}).with_columns(
        *(pl.lit(value).alias(name) for name, value in own.items()), prior_text=pl.lit(None, pl.String)
    )
    job = planned(tmp_path, models[architecture], frame)
    assert completed(job)["text"].unique().to_list() == texts[:1]
    (reason,) = pl.read_parquet(job.outputs / "skipped.parquet")["reason"]
    assert reason == f"it has {longest + 1} tokens, and the model reads {longest}"


def biased(folder: Path, biases: Mapping[str, float]) -> Path:
    """A BERT that says the same of every sentence: logits of some tokens by name, and 0 of all others."""
    import torch

    model = save_masked(folder, "bert")
    with torch.no_grad():
        norm = model.cls.predictions.transform.LayerNorm
        norm.weight.zero_()
        norm.bias.zero_()
        model.cls.predictions.bias.zero_()
        for name, value in biases.items():
            model.cls.predictions.bias[tokenizer_of("bert").convert_tokens_to_ids(name)] = value
    model.save_pretrained(folder)
    return folder


def test_equally_likely_tokens_come_by_number(tmp_path: Path) -> None:
    model = biased(tmp_path / "model", {"tall": 2.0, "quiet": 2.0, "##ly": 3.0})
    found = completed(planned(tmp_path, model, top_k=6)).filter(text="why are sailors so [MASK] ?", form="why-are-so")
    tokenizer = tokenizer_of("bert")
    expected = ["##ly", *sorted(("quiet", "tall"), key=tokenizer.convert_tokens_to_ids), "[PAD]", "[UNK]", "[CLS]"]
    assert found["attribute"].to_list() == expected
    total = np.log(np.exp(3) + 2 * np.exp(2) + len(tokenizer) - 3)
    np.testing.assert_allclose(found["logprob"], np.array([3, 2, 2, 0, 0, 0]) - total, atol=1e-6)
    # all are as typical
    tokens = found["token"].to_list()
    assert found["typicality_rank"].to_list() == [1 + sorted(tokens).index(token) for token in tokens]


def test_fewer_are_kept_where_the_vocabulary_has_no_more(models: Mapping[str, Path], tmp_path: Path) -> None:
    found = completed(planned(tmp_path, models["roberta"], top_k=2000))
    tokenizer = tokenizer_of("roberta")
    different = len(set(texts_of(tokenizer)(np.arange(len(tokenizer)))))
    assert found["rank"].max() == different < len(tokenizer)


def test_entries_that_no_token_has_are_one_attribute_without_text(tmp_path: Path) -> None:
    save_masked(tmp_path / "model", "bert", len(tokenizer_of("bert")) + 6)
    found = completed(planned(tmp_path, tmp_path / "model", top_k=2000))
    assert found.filter(attribute="").group_by(KEY).len()["len"].to_list() == [1] * clozes().height


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_fails_the_job_with_the_sentence(tmp_path: Path, value: float) -> None:
    model = biased(tmp_path / "model", {"tall": value})
    with pytest.raises(DataError, match=r"What the model says of 'why are .* \[MASK\] \?' is not finite"):
        run_job(planned(tmp_path, model, top_k=2000), OPTIONS)


def test_a_tokenizer_without_a_mask_is_refused_before_weights_are_read(
    models: Mapping[str, Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(models["bert"], tmp_path / "model"))
    tokenizer = tokenizer_of("bert").__class__(tokenizer_object=tokenizer_of("bert").backend_tokenizer)
    tokenizer.save_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(DataError, match="no mask token"):
        run_job(planned(tmp_path, folder), OPTIONS)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    save_masked(tmp_path / "model", "bert", 20)
    with pytest.raises(DataError, match="tokens beyond the model's 20 entries"):
        run_job(planned(tmp_path, tmp_path / "model"), OPTIONS)
