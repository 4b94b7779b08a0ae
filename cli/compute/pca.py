"""`mlv compute pca`: the plane in which profiles of checkpoints or countries differ most."""

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.work import Work
from mlv.ingest.jobs.pca import Request


def pca(work: Work, request: Request) -> None:
    """Project profiles onto their first two principal components, and commit where they lie.

    Without options: all pretrained models and the last checkpoints of all their fine-tuning runs.
    """
    done = work.do("pca", request)
    if done is not None:
        say(f"see it: mlv query run profile_pca --param run={done.run}")


COMMAND = make_command(pca, Request, ())
