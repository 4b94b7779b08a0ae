"""`mlv compute predict`."""

from mlv.cli.compute.options import make_command
from mlv.cli.compute.summary import print_summary
from mlv.cli.edge import say
from mlv.cli.output import put_rows
from mlv.cli.work import Work
from mlv.ingest.jobs.planning import NothingToDoError
from mlv.ingest.jobs.predict import Request

ACCURACY = ("task", "split", "language", "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "majority", "texts")
"""Columns of the query ``accuracy`` that fit a screen."""

UNDER_MASKS = """
SELECT m.language, m.subnetwork, 100 * avg(CAST(p.correct AS INTEGER)) AS accuracy, count(p.correct) AS texts
FROM v_run_mask m
JOIN v_run r USING (run_id)
JOIN v_masked_prediction p
    ON p.checkpoint_id = r.start_checkpoint_id AND p.mask_id = m.mask_id AND p.language = m.language
WHERE m.run = $run AND p.split = json_extract_string(r.spec, '$.split')
GROUP BY m.language, m.subnetwork
ORDER BY m.language
"""


def predict(work: Work, request: Request) -> None:
    """Ask a classifier the labelled texts of a split that it was not asked yet, and print how many it has right.

    In 32 bits, whatever precision it was trained in.
    """
    try:
        done = work.do("predict", request)
    except NothingToDoError as error:
        say(error.message)
        return
    if done is not None and request.masks:
        put_rows(work.store, UNDER_MASKS, "table", run=done.run)
    elif done is not None:
        print_summary(work, "accuracy", done.run, ACCURACY)


COMMAND = make_command(predict, Request, ("device", "threads", "batch_tokens"))
