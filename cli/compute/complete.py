"""`mlv compute complete`."""

from collections import Counter

from mlv.cli.compute.options import make_command
from mlv.cli.edge import say
from mlv.cli.output import put_rows
from mlv.cli.work import Work
from mlv.ingest.jobs.complete import Request, skipped
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.schema.errors import listed

COMPLETED = """
SELECT z.category, count(DISTINCT z.social_group_id) AS groups, count(DISTINCT z.cloze_id) AS sentences,
       count(DISTINCT z.cloze_id) FILTER (c.logprob_prior IS NOT NULL) / count(DISTINCT z.cloze_id) AS with_prior,
       count(*) AS attributes
FROM completion c
JOIN run r USING (run_id)
JOIN v_cloze z USING (cloze_id)
WHERE r.name = $run
GROUP BY z.category
ORDER BY z.category
"""


def complete(work: Work, request: Request) -> None:
    """Let a masked model complete the sentences about the groups of a list that it has not completed yet.

    What it says is committed, and counts by category are printed. Sentences and words may be offensive, and are not
    printed: they are in the view v_completion.
    """
    try:
        done = work.do("complete", request)
    except NothingToDoError as error:
        say(error.message)
        return
    if done is not None:
        put_rows(work.store, COMPLETED, "table", run=done.run)
        _say_skipped(work, done.run)


def _say_skipped(work: Work, run: str) -> None:
    """Say how many sentences were left out, and why."""
    from mlv.schema.store.opening import open_store

    with open_store(work.store) as connection:
        reasons = Counter(sentence.reason for sentence in skipped(connection, run))
    if reasons:
        counted = [f"{count:,}: {reason}" for reason, count in reasons.most_common()]
        total = f"{reasons.total():,} sentences were left out, since the model cannot complete them"
        say(f"warning: {total}:{listed(counted)}")


COMMAND = make_command(complete, Request, ("device", "threads", "batch_tokens"))
