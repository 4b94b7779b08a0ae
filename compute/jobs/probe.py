"""Asking a model the probes of a set: a language is the unit of work that an interrupted job keeps."""

from pathlib import Path

import polars as pl

from mlv.compute.machine import runtime
from mlv.compute.machine.options import SILENT, ExecuteOptions, Progress
from mlv.compute.models import files, loading
from mlv.compute.models.families import SPAN
from mlv.compute.models.scoring import COLUMNS, SCORES, Ambiguous, Probe, find_ambiguous, score, tokenise
from mlv.schema.errors import DataError
from mlv.schema.files import write_json
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import LanguageProbed, SkippedProbe, SkippedProbes
from mlv.schema.jobs.parquet import read_table, write_table
from mlv.schema.jobs.probe import ProbeSpec


def run(job: JobDirectory, spec: ProbeSpec, options: ExecuteOptions, progress: Progress = SILENT) -> None:
    """Run a probing job to its end; languages that are finished already are not asked again.

    Raises DataError, before weights are loaded, where answers tokenise alike and ``skip_ambiguous`` is off.
    """
    device = runtime.prepare(options.device, options.threads, spec.seed)
    folder = files.locate(job, spec.model)
    loading.check_architecture(folder, SPAN)
    tokenizer = loading.load_tokenizer(folder)
    frame = read_table(job.inputs / "probes.parquet", COLUMNS)
    asked = tokenise(frame, tokenizer)
    ambiguous = find_ambiguous(asked, tokenizer)
    if ambiguous and not options.skip_ambiguous:
        raise _ambiguity(ambiguous)
    probes = _without(asked, ambiguous)
    loaded = loading.load(folder, SPAN, spec.precision, device)
    _write_parts(job, loaded, probes, options.batch_tokens, progress)
    _write_outputs(job, spec, loaded, probes, ambiguous)


def _ambiguity(ambiguous: list[Ambiguous]) -> DataError:
    listed = "\n".join(f"  {row.question} ({row.language}): {row.reason}" for row in ambiguous)
    return DataError(
        f"{len(ambiguous)} probes cannot be asked, for this tokenizer does not tell their answers apart:\n{listed}",
        "Leave them out with `--skip-ambiguous`; they are listed with the run's results.",
    )


def _without(probes: list[Probe], ambiguous: list[Ambiguous]) -> list[Probe]:
    left_out = {(row.question, row.language) for row in ambiguous}
    return [probe for probe in probes if (probe.question, probe.language) not in left_out]


def _part(job: JobDirectory, language: str) -> Path:
    return job.work / f"probe_logits-{language}.parquet"


def _write_parts(
    job: JobDirectory, loaded: loading.LoadedModel, probes: list[Probe], batch_tokens: int, progress: Progress
) -> None:
    """Score the languages that have no part in ``work/`` yet."""
    by_language: dict[str, list[Probe]] = {}
    for probe in probes:
        if not _part(job, probe.language).exists():
            by_language.setdefault(probe.language, []).append(probe)
    progress.start(sum(map(len, by_language.values())), "probe", "probing")
    for language, some in by_language.items():
        write_table(_part(job, language), score(loaded, some, batch_tokens, progress))
        job.log(LanguageProbed(language=language, probes=len(some)))


def _write_outputs(
    job: JobDirectory,
    spec: ProbeSpec,
    loaded: loading.LoadedModel,
    probes: list[Probe],
    ambiguous: list[Ambiguous],
) -> None:
    languages = list(dict.fromkeys(probe.language for probe in probes))
    parts = [read_table(_part(job, language), list(SCORES)) for language in languages]
    skipped = {"question": pl.String, "language": pl.String, "reason": pl.String}
    write_table(job.outputs / "skipped.parquet", pl.DataFrame(ambiguous, schema=skipped, orient="row"))
    if ambiguous:
        job.log(SkippedProbes(probes=tuple(SkippedProbe(**row._asdict()) for row in ambiguous)))
    write_json(job.outputs / "model.json", {**loaded.describe(), "model": spec.model.model_dump(mode="json")})
    write_table(job.outputs / "probe_logits.parquet", pl.concat(parts) if parts else pl.DataFrame(schema=SCORES))
