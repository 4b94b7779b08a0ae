"""`mlv compute project`: the plane in which profiles of checkpoints or countries differ most."""

from typing import Annotated

import typer

from mlv.cli.compute import PlanOnly, read_languages
from mlv.cli.edge import DEFAULT_STORE, Store, say, split_list
from mlv.cli.work import make_work
from mlv.schema.errors import UsageError


def project(
    model: Annotated[
        str | None, typer.Option(help="Only this pretrained model and the runs that start from it.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only runs on this source, and what they started from.")] = None,
    sentences: Annotated[int | None, typer.Option(help="Only runs with this number of sentences, likewise.")] = None,
    seed: Annotated[int | None, typer.Option(help="Only runs with this seed, likewise.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Test languages, comma-separated; all that were probed if not given.")
    ] = None,
    country: Annotated[
        str | None,
        typer.Option(
            help="Countries (ISO 3166-1 alpha-2), comma-separated, or all: their profiles instead of models', or "
            "together with them where one of the options above is given too."
        ),
    ] = None,
    survey: Annotated[str | None, typer.Option(help="Survey of the countries; the last by name if not given.")] = None,
    weighting: Annotated[
        str | None, typer.Option(help="weighted or unweighted; weighted if the survey has weights.")
    ] = None,
    probe_set: Annotated[
        str | None, typer.Option(help="Probe set that the questions are from; that of the queries if not given.")
    ] = None,
    score: Annotated[str, typer.Option(help="Way of scoring the answers: sum, mean or first.")] = "mean",
    plan_only: PlanOnly = False,
    db: Store = DEFAULT_STORE,
) -> None:
    """Project profiles onto their first two principal components, and commit where they lie.

    Without options: all pretrained models and the last checkpoints of all their fine-tuning runs.
    """
    from mlv.ingest.jobs.pca import CountryProfiles, ModelProfiles, plan_projection

    _check("score", score, ("sum", "mean", "first"))
    _check("weighting", weighting, (None, "weighted", "unweighted"))
    if not country and (survey or weighting):
        raise UsageError("--survey and --weighting are about countries.", "Add --country all, or --country with codes.")
    models = ModelProfiles(model, source, sentences, seed, tuple(read_languages(language)), score)
    people = CountryProfiles(_countries(country), survey, weighting) if country else None
    alone = people and models == ModelProfiles(score=score)
    work = make_work(db, "cpu", None, plan_only=plan_only)
    done = work.do(
        lambda connection, jobs: plan_projection(connection, jobs, None if alone else models, people, probe_set)
    )
    if done is not None:
        say(f"see it: mlv query run profile_pca --param run={done.run}")


def _countries(text: str | None) -> tuple[str, ...]:
    named = tuple(code.upper() for code in split_list(text))
    return () if named == ("ALL",) else named


def _check(option: str, text: str | None, values: tuple[str | None, ...]) -> None:
    """Raise UsageError unless an option has one of its values."""
    if text not in values:
        raise UsageError(f"There is no {option} {text}.", f"Use --{option} {', '.join(filter(None, values))}.")
