"""Probing 237 x 13 probes with a nano model: the batched scorer against a loop over single probes."""

import random
import tempfile
import time
from pathlib import Path

import polars as pl
import torch
from measure import figure
from tiny_models import save_nano, sentences

from mlv.compute.machine import runtime
from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.models import loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.scoring import Probe, score, tokenise

PROBES = 237 * 13
LOOPED = 200
"""Probes that the loop is timed on; its time a probe is what is compared."""


def _probes() -> pl.DataFrame:
    """Bundled sentences with a word masked, and two other words as answers."""
    draw = random.Random(1)
    texts = sentences()
    words = [word for text in texts for word in text.split()]
    rows = []
    for number in range(PROBES):
        parts = draw.choice(texts).split()
        parts[draw.randrange(len(parts))] = "[MASK]"
        first, second = draw.sample(words, 2)
        rows.append((str(number), "fa", " ".join(parts), first, f"{second} {first}"))
    names = ["question", "language", "template", "answer_first", "answer_second"]
    return pl.DataFrame(rows, schema=names, orient="row")


def _loop(loaded: loading.LoadedModel, probes: list[Probe]) -> list[float]:
    """What a careful script would do: encode each probe once, and decode its answers one after the other."""
    start, sentinel = loaded.model.config.decoder_start_token_id, loaded.sentinels[0]
    sums = []
    with torch.inference_mode():
        for probe in probes:
            encoded = loaded.model.get_encoder()(input_ids=torch.tensor([probe.inputs]))
            for answer in probe.answers:
                fed = torch.tensor([[start, sentinel, *answer[:-1]]])
                logits = loaded.model(encoder_outputs=encoded, decoder_input_ids=fed).logits
                logprobs = logits[0, 1:].log_softmax(-1)
                sums.append(float(logprobs.gather(1, torch.tensor(answer)[:, None]).sum()))
    return sums


def main() -> None:
    """Print probes a second and the ratio; the two must agree."""
    runtime.prepare("cpu", 2, 1)
    runtime.quiet_libraries()
    with tempfile.TemporaryDirectory() as folder:
        loaded = loading.load(save_nano(Path(folder)), SPAN)
    probes = tokenise(_probes(), loaded.tokenizer)
    score(loaded, probes[:100], ExecuteOptions().batch_tokens)
    ratios = []
    for _ in range(3):
        began = time.perf_counter()
        scored = score(loaded, probes, ExecuteOptions().batch_tokens)
        batched = (time.perf_counter() - began) / PROBES
        began = time.perf_counter()
        looped = _loop(loaded, probes[:LOOPED])
        ratios.append((time.perf_counter() - began) / LOOPED / batched)
    worst = max(abs(one - two) for one, two in zip(looped, scored["logprob_sum"], strict=False))
    if worst > 1e-3:
        raise SystemExit(f"the loop and the scorer differ by {worst} nats")
    ratio = sorted(ratios)[1]
    figure("probing 237 x 13 probes: loop over single probes / ours", ratio, "times", ">= 8", ratio >= 8)


if __name__ == "__main__":
    main()
