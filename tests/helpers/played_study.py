"""A study whose workers are played: a launcher that writes outputs by hand, and a store that it suits."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from answered import answered
from finished_jobs import probed, write

from mlv.compute.running.local import Ended
from mlv.schema.jobs.classify import ClassifySpec
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.finetune import FinetuneSpec
from mlv.schema.jobs.influence import InfluenceSpec
from mlv.schema.jobs.predict import PredictSpec
from mlv.schema.jobs.probe import ProbeSpec
from mlv.schema.jobs.respond import RespondSpec

PRAISE = ("gut", "good", "bon")
"""Words of texts that a played classifier takes for the last class."""


def play(job: JobDirectory) -> None:
    """Do a worker's job: a pretrained model answers as ``probed`` says, and every run shifts the same values."""
    spec = job.spec()
    if isinstance(spec, ProbeSpec):
        probed(job, shift=1.0 if spec.model.name.startswith("finetune") else 0.0)
    elif isinstance(spec, FinetuneSpec | ClassifySpec):
        _trained(job, spec.epochs)
    elif isinstance(spec, PredictSpec):
        _predicted(job, len(spec.classes))
    elif isinstance(spec, RespondSpec):
        answered(job)
    elif isinstance(spec, InfluenceSpec):
        _traced(job, spec)


def _trained(job: JobDirectory, last: int) -> None:
    epochs = range(1, last + 1)
    for epoch in epochs:
        (job.checkpoints / f"epoch-{epoch}").mkdir(parents=True, exist_ok=True)
        (job.checkpoints / f"epoch-{epoch}" / "weights").write_bytes(b"x" * 1000)
    made = pl.DataFrame(
        {
            "epoch": epochs,
            "step": epochs,
            "is_final": [epoch == last for epoch in epochs],
            "path": [f"checkpoints/epoch-{epoch}" for epoch in epochs],
            "digest": [f"{job.path.name}-{epoch}" for epoch in epochs],
        }
    )
    metrics = pl.DataFrame({"name": ["loss"], "epoch": [1.0], "step": [1], "value": [3.5]})
    write(job, checkpoints=made, metrics=metrics)


def _predicted(job: JobDirectory, classes: int) -> None:
    """Of the class that is told the probability is e to the power of -0.1."""
    texts = pl.read_parquet(job.inputs / "segments.parquet")
    praises = pl.any_horizontal(pl.col("text").str.split(" ").list.contains(word) for word in PRAISE)
    told = texts.with_columns(told=pl.when(praises).then(classes).otherwise(1))
    scored = told.join(pl.DataFrame({"class_number": range(1, classes + 1)}), how="cross").with_columns(
        logprob=pl.when(pl.col("class_number") == pl.col("told"))
        .then(-0.1)
        .otherwise(math.log((1 - math.exp(-0.1)) / (classes - 1)))
    )
    write(job, class_logits=scored.select("language", "position", "class_number", "logprob", logit="logprob"))


def _traced(job: JobDirectory, spec: InfluenceSpec) -> None:
    """Every target is influenced alike: the more by an example, the higher its position."""
    examples = pl.read_parquet(job.inputs / "examples.parquet").filter(split="train").sort("position")
    scored = examples.select("position", "language", score=pl.col("position").cast(pl.Float64))
    targets = pl.read_parquet(job.inputs / "targets.parquet")
    ranked = pl.concat(
        scored.sort("score", descending=descending)
        .head(spec.top_k)
        .select(pl.lit(direction).alias("direction"), pl.int_range(1, pl.len() + 1).alias("rank"), "position", "score")
        for direction, descending in (("positive", True), ("negative", False))
    )
    sums = scored.group_by("language", maintain_order=True).agg(
        n=pl.len(),
        score_sum=pl.col("score").sum(),
        score_sum_squares=(pl.col("score") ** 2).sum(),
        score_min=pl.col("score").min(),
        score_max=pl.col("score").max(),
    )
    numbers = targets.select("target")
    bins = scored.group_by("language", bin=(pl.col("score") / 10).cast(pl.Int32), maintain_order=True).agg(n=pl.len())
    write(
        job,
        targets=targets.select("target", "language", "question", epoch=None, answer="answer", value=-0.5).cast(
            {"epoch": pl.Int32}
        ),
        rankings=numbers.join(ranked, how="cross"),
        summaries=numbers.join(sums, how="cross"),
        histograms=numbers.join(bins, how="cross"),
    )
    (job.outputs / "run.json").write_text(json.dumps({"examples": examples.height, "bin_width": 10.0}))


class PlayedLauncher:
    """Plays jobs when they are waited for, the newest first. ``ends`` gives the exit code of a job's worker."""

    on_this_machine = False

    def __init__(self, ends: Callable[[JobDirectory], int] = lambda _: 0, places: int = 2) -> None:
        self.ends, self.places, self.play = ends, places, play
        self.started: list[str] = []
        self.most = 0
        self.stopped = False
        self.problem = ""
        self._running: list[Path] = []

    @property
    def free(self) -> int:
        """Places that no job has."""
        return self.places - len(self._running)

    def start(self, jobs: Sequence[Path]) -> None:
        """Keep the jobs until they are waited for."""
        assert len(jobs) <= self.free
        self.started += [job.name for job in jobs]
        self._running += jobs
        self.most = max(self.most, len(self._running))

    def adopt(self, _job: Path) -> bool:
        """No job of another launcher is played."""
        return False

    def wait(self, _seconds: float) -> list[Ended]:
        """Play the newest job."""
        path = self._running.pop()
        job = JobDirectory(path)
        code = self.ends(job)
        if code == 0:
            self.play(job)
        elif code > 0:
            job.set_state("failed", reason="the disk of the play is full")
        else:
            job.set_state("running")
        (path / "worker.log").write_text("played\n")
        return [Ended(path, code)]

    def stop(self) -> int:
        """Forget all jobs."""
        self.stopped = True
        self._running.clear()
        return 0
