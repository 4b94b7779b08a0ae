"""Asking a chat model: ten answers of each prompt, against what one would write with transformers; and an endpoint.

Locally a nano decoder with random weights answers prompts of three sentences: the rivals are a loop of single
``generate`` calls, timed on some of the answers, and one call per prompt with ``num_return_sequences``. The endpoint is
a server on the loopback, in a process of its own, that takes 50 ms for an answer. ``MLV_BENCH_PROMPTS`` asks fewer
prompts than the paper's 237.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import torch
import transformers
from measure import figure, seconds
from tiny_models import LANGUAGES, sentences

from mlv.compute.jobs import respond
from mlv.compute.machine.options import SILENT, ExecuteOptions
from mlv.compute.models.loading import LoadedModel
from mlv.compute.models.tokenizers import train_tokenizer
from mlv.compute.respondents.encoding import encode
from mlv.compute.respondents.local import LocalModel
from mlv.compute.respondents.respondent import Prompt, Reply, Wanted
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.respond import Decoding, EndpointRef, RespondSpec

PROMPTS = int(os.environ.get("MLV_BENCH_PROMPTS", "237"))
SAMPLES, DELAY, AT_A_TIME = 10, 0.05, 32
LOOPED = 20
"""Answers of which the time of the loop over single ones is told."""

DECODING = Decoding()
SERVER = Path(__file__).parent.parent / "tests" / "helpers" / "loopback.py"


def spec(**settings: Any) -> RespondSpec:
    """The specification of a job that samples."""
    names = {"collection": "bench", "probe_set": "all", "language": "fa", "form": "gap", "form_sha256": "0"}
    return RespondSpec(**names, parser=1, inputs_digest="0", samples=SAMPLES, decoding=DECODING, **settings)


def nano() -> LoadedModel:
    """A nano Llama with random weights."""
    tokenizer: Any = train_tokenizer(sentences(), 6_000)
    torch.manual_seed(1)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        eos_token_id=None,
        bos_token_id=None,
    )
    tokenizer.eos_token_id = None
    model: Any = transformers.LlamaForCausalLM(config).eval()
    return LoadedModel(model, tokenizer, "cpu")


def wanted() -> list[Wanted]:
    """Prompts of three sentences each."""
    lines = sentences()
    texts = [" ".join(lines[(number * step) % len(lines)] for step in (1, 7, 11)) for number in range(1, PROMPTS + 1)]
    samples = tuple(range(SAMPLES))
    return [Wanted(Prompt(number, str(number), 1, text, ()), samples, False) for number, text in enumerate(texts, 1)]


def generate_each(loaded: LoadedModel, prompts: list[list[int]], answers: int) -> None:
    """Answers of prompts by transformers, a call for each prompt."""
    model: Any = loaded.model
    for prompt in prompts:
        model.generate(
            input_ids=torch.tensor([prompt]),
            attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
            do_sample=True,
            temperature=DECODING.temperature,
            top_k=DECODING.top_k,
            max_new_tokens=DECODING.max_tokens,
            num_return_sequences=answers,
            pad_token_id=0,
        )


def local() -> None:
    """Times per answer, here and by transformers."""
    loaded, asked = nano(), wanted()
    respondent, replies = LocalModel(loaded, spec(), ExecuteOptions().batch_tokens), list[Reply]()
    respondent.ask(asked[:5], replies.extend, SILENT)
    ours = seconds(lambda: respondent.ask(asked, replies.extend, SILENT), 1) / (PROMPTS * SAMPLES)
    prompts = [one.prompt for one in encode(asked, loaded.tokenizer, chat=False)]
    generate_each(loaded, prompts[:1], 1)
    loop = seconds(lambda: generate_each(loaded, prompts[:LOOPED], 1), 1) / LOOPED
    each = seconds(lambda: generate_each(loaded, prompts, SAMPLES), 1) / (PROMPTS * SAMPLES)
    print(f"  {PROMPTS} prompts of {len(LANGUAGES)} languages, {SAMPLES} answers each: {1 / ours:,.0f} answers/s")
    figure("local answers, against a loop of single generate calls", loop / ours, "x", ">= 8", loop / ours >= 8)
    figure("local answers, against num_return_sequences", each / ours, "x", ">= 3", each / ours >= 3)


@contextmanager
def server() -> Iterator["tuple[str, subprocess.Popen[str]]"]:
    """The address of a server in a process of its own."""
    command = [sys.executable, str(SERVER), str(1000 * DELAY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip() if process.stdout else "", process


def endpoint() -> None:
    """Time of a job that puts a request for every answer, against what the server takes for them."""
    answers = PROMPTS * SAMPLES
    with server() as (url, process):
        _ask_endpoint(url, 1)
        taken = seconds(lambda: _ask_endpoint(url, answers), 1)
        most = int(process.communicate()[0])
    ratio = taken / (answers * DELAY / AT_A_TIME)
    figure("endpoint, time against the ideal", ratio, "x", "<= 1.3", ratio <= 1.3)
    figure("endpoint, most requests under way", most, "", f"<= {AT_A_TIME}", most <= AT_A_TIME)


def _ask_endpoint(url: str, answers: int) -> None:
    """A job of prompts with an answer each."""
    planned = spec(endpoint=EndpointRef(name="m", as_of="bench"))
    with tempfile.TemporaryDirectory() as folder:
        job = JobDirectory.create(Path(folder), planned, {"model_paths": {"m": url}})
        prompts = pl.DataFrame({"prompt": pl.int_range(1, answers + 1, eager=True)}).with_columns(
            question=pl.col("prompt").cast(pl.String),
            variant=1,
            samples=1,
            text=pl.format("text {}", "prompt"),
            options=pl.lit([], pl.List(pl.String)),
        )
        prompts.write_parquet(job.inputs / "prompts.parquet")
        respond.run(job, planned, ExecuteOptions("cpu", 1, concurrency=AT_A_TIME))


def main() -> None:
    """Both."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    local()
    endpoint()


if __name__ == "__main__":
    main()
