"""Completing sentences by a masked model: against a loop of transformers' fill-mask pipeline, and the commit.

The models have random weights, on which the time does not depend: a nano encoder, a BERT of base size with 30,522
words, and a narrow XLM-R with 250,002. The loop gives the pipeline one sentence at a time, and its prior: what the
authors of the paper do, but for their prior, which is one for all. It is timed on some of the sentences, for the models
in turn. Sentences are the paper's in number and form, about groups whose names are made of letters.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import transformers
from measure import figure, seconds
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from mlv.compute.jobs import complete
from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import files
from mlv.ingest.jobs.committing import commit_job
from mlv.ingest.writing.reference import ensure_language
from mlv.migrations import upgrade
from mlv.schema.jobs.complete import CompleteSpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Finished
from mlv.schema.jobs.spec import ModelRef
from mlv.schema.papers.stereotypes import TEMPLATES
from mlv.schema.store.opening import connect
from mlv.schema.store.rows import append

GROUPS = {"first": 115, "second": 99, "third": 160}
"""Groups by category; 374 as in the paper."""

ASKED = 410
"""Sentences of a collection."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OPTIONS = ExecuteOptions("cpu", 1)
WORDS, LEXICON = 20_000, 14_000
"""Words that models say, and those of a lexicon: seven in ten, as in the paper."""

OF_A_GROUP = 350
"""Different words that a model says of a group, as in the paper."""


def clozes() -> pl.DataFrame:
    """1,870 sentences of templates, and 410 that people were asked, most of them the same."""
    names = [(category, f"{category}{number}") for category, count in GROUPS.items() for number in range(count)]
    rows = [
        ("bench", category, name, "en", form, text.format(group=name), text.format(group="[GROUP]"))
        for category, name in names
        for form, text in TEMPLATES["people"].items()
    ]
    again = [(*row[:4], "dataset", *row[5:]) for row in rows[:ASKED]]
    columns = ["group_list", "category", "group_name", "language", "form", "text", "prior_text"]
    return pl.DataFrame([*rows, *again], schema=columns, orient="row")


def words(entries: int) -> Any:
    """A tokenizer of so many words; groups are spelt in two pieces."""
    there = sorted({word for text in TEMPLATES["people"].values() for word in text.split() if word.isalpha()})
    pieces = [*there, "?", *GROUPS, *(f"##{number}" for number in range(10))]
    rest = [f"w{number}" for number in range(entries - len(SPECIAL) - len(pieces))]
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *pieces, *rest])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL[1]))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    framing = [("[CLS]", 2), ("[SEP]", 3)]
    backend.post_processor = processors.TemplateProcessing(single=["[CLS]", "$A", "[SEP]"], special_tokens=framing)
    backend.add_special_tokens(list(SPECIAL))
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **dict(zip(roles, SPECIAL, strict=True)))


def save(folder: Path, entries: int, width: int, layers: int) -> Path:
    """A BERT with random weights."""
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=entries,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width,
    )
    transformers.BertForMaskedLM(config).save_pretrained(folder)
    words(entries).save_pretrained(folder)
    return folder


def planned(folder: Path, model: ModelRef, frame: pl.DataFrame) -> JobDirectory:
    """A job over some sentences."""
    spec = CompleteSpec(model=model, group_list="bench", languages=("en",), inputs_digest="0")
    job = JobDirectory.create(folder, spec, {"model_paths": {model.name: model.path}})
    frame.write_parquet(job.inputs / "clozes.parquet")
    return job


def job_seconds(model: Path, frame: pl.DataFrame) -> float:
    """Seconds of a job, loading the model not counted."""
    reference = files.resolve(str(model))
    taken = []
    for some in (frame, frame.head(1)):
        with tempfile.TemporaryDirectory() as folder:
            job = planned(Path(folder), reference, some)
            taken.append(seconds(lambda job=job: complete.run(job, job.spec(), OPTIONS), 1))  # type: ignore[misc]
    return taken[0] - taken[1]


def loop_seconds(model: Path, texts: Sequence[str]) -> float:
    """Seconds of the pipeline, one text at a time."""
    fill = transformers.pipeline("fill-mask", model=str(model), device="cpu", top_k=200)
    fill(texts[0])
    began = time.perf_counter()
    for text in texts:
        fill(text)
    return time.perf_counter() - began


def report(name: str, model: Path, sentences: int, looped: int) -> None:
    """How much faster a job is than the loop, per sentence."""
    frame = clozes()
    frame = frame[np.linspace(0, frame.height - 1, sentences).astype(int)]
    some = frame[np.linspace(0, frame.height - 1, looped).astype(int)]
    priors = [text.replace("[GROUP]", "[MASK]") for text in some["prior_text"]]
    ours = job_seconds(model, frame) / (sentences - 1)
    alone, with_prior = (
        loop_seconds(model, texts) / looped for texts in (some["text"].to_list(), [*some["text"], *priors])
    )
    print(f"  {name}: {1 / ours:,.0f} sentences/s with their priors; {sentences:,} of them, {looped} in the loop")
    figure(f"{name}: sentences and priors, loop / ours", with_prior / ours, "times", ">= 8", with_prior / ours >= 8)
    print(f"    without the loop's priors {alone / ours:.1f} times")


def report_commit(repeats: int) -> None:
    """Completions that enter a store a second, and how long a commit takes with what it checks and derives."""
    frame = clozes()
    taken = []
    for number in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store.duckdb"
            upgrade(store)
            model = ModelRef(name=f"m{number}", digest=str(number), path=folder)
            job = planned(Path(folder) / "jobs", model, frame)
            _play(job, frame)
            with connect(store, read_only=False) as connection:
                _enter(connection, frame)
                timed = _Timed(connection)
                began = time.perf_counter()
                commit_job(timed, job, store)  # type: ignore[arg-type]
                taken.append((timed.entering, time.perf_counter() - began))
    entering, whole = np.median(taken, axis=0)
    rows = frame.height * 200
    rate = rows / entering / 1e6
    figure(f"entering {rows:,} completions", rate, "M rows/s", ">= 1", rate >= 1)
    print(f"    the whole commit {whole:.2f} s, {rows / whole / 1e6:.2f} million rows/s, emotions and checks included")


class _Timed:
    """A connection that tells how long completions took to enter."""

    def __init__(self, connection: Any) -> None:
        self._connection, self.entering = connection, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        """Run a statement."""
        began = time.perf_counter()
        done = self._connection.execute(statement, *parameters)
        if "INSERT INTO completion\n" in statement:
            self.entering += time.perf_counter() - began
        return done


def _play(job: JobDirectory, frame: pl.DataFrame) -> None:
    """Leave outputs of a size as a model gives them."""
    random = np.random.default_rng(1)
    count, kept = frame.height, 200
    pools = {name: random.choice(WORDS, OF_A_GROUP, replace=False) for name in frame["group_name"].unique().sort()}
    tokens = np.array([random.permutation(pools[name])[:kept] for name in frame["group_name"]])
    logprobs, priors = (-np.sort(random.exponential(6, (count, kept)), axis=1) for _ in range(2))
    ranks = complete._typicality_ranks(tokens, logprobs - priors)
    rows = frame.select(complete.KEY)[np.repeat(np.arange(count), kept)].with_columns(
        rank=np.tile(np.arange(1, kept + 1), count),
        attribute=pl.Series(tokens.ravel()).cast(pl.String),
        token=tokens.ravel(),
        logprob=logprobs.ravel(),
        logprob_prior=priors.ravel(),
        typicality_rank=ranks.ravel(),
    )
    job.outputs.mkdir()
    rows.write_parquet(job.outputs / "completions.parquet")
    rows.clear().write_parquet(job.outputs / "skipped.parquet")
    (job.outputs / "model.json").write_text('{"architecture": "bert", "parameters": 1, "vocabulary": 30522}')
    job.log(Finished())
    job.set_state("finished")


def _enter(connection: Any, frame: pl.DataFrame) -> None:
    """Groups, sentences and a lexicon."""
    named = frame.select("group_list", "category", "group_name").unique(maintain_order=True)
    groups = named.with_row_index("social_group_id", 1).rename({"group_name": "name"})
    append(connection, "social_group", groups.with_columns(kind=pl.lit("people")))
    keyed = frame.join(groups, left_on=["category", "group_name"], right_on=["category", "name"])
    sentences = keyed.with_row_index("cloze_id", 1).with_columns(language_id=ensure_language(connection, "en"))
    columns = ("cloze_id", "social_group_id", "language_id", "form", "text", "prior_text")
    append(connection, "cloze", sentences.select(columns))
    connection.execute("INSERT INTO lexicon VALUES (1, 'bench', '', '', TRUE, '', TRUE, '')")
    connection.execute(
        "INSERT INTO lexicon_value SELECT 1, w::VARCHAR, 'emotion' || e, (w + e) % 2 "
        "FROM range($1) a(w), range(10) b(e)",
        [LEXICON],
    )


def main() -> None:
    """All figures, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("only", nargs="*", help="nano, base, wide or commit; all if not given")
    asked = parser.parse_args().only
    runtime.prepare("cpu", 1, 1)
    runtime.quiet_libraries()
    transformers.logging.set_verbosity_error()
    reports: dict[str, Callable[[Path], None]] = {
        "nano": lambda folder: report("nano", save(folder, 6_000, 128, 3), clozes().height, 200),
        "base": lambda folder: report("BERT-base", save(folder, 30_522, 768, 12), 400, 50),
        "wide": lambda folder: report("vocabulary of XLM-R", save(folder, 250_002, 128, 3), 800, 50),
        "commit": lambda _: report_commit(5),
    }
    for name in asked or reports:
        with tempfile.TemporaryDirectory() as folder:
            reports[name](Path(folder) / name)


if __name__ == "__main__":
    main()
