"""Runs and what they start from and leave behind: base models, checkpoints, training examples, metrics."""

from datetime import datetime

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table, unique


class PretrainedModel(Row, table=True):
    """A pretrained model."""

    __tablename__ = "base_model"
    __table_args__ = table("A pretrained model that runs start from.", identity=("digest",), enforced=True)

    base_model_id: int = column("Key.", key=True)
    name: str = column("Hub name or the name of the local model, e.g. google/mt5-small.")
    revision: str = column("Hub commit; as-of label of an endpoint; empty for a local model.")
    digest: str = column(
        "SHA-256 over configuration, weights, adapter and tokenizer; over what is known of an endpoint."
    )
    architecture: str = column("Model type of its configuration, e.g. mt5; endpoint for a model behind an API.")
    parameters: int | None = column("Number of parameters; NULL of an endpoint.", sql_type=sa.BigInteger)
    vocabulary: int | None = column("Entries of the vocabulary; NULL of an endpoint.")
    adapter: str = column(
        "Adapter beside its weights that is merged into them, e.g. LoRA alpha=8 rank=4 targets=q,v; empty without one."
    )


class CommittedRun(Row, table=True):
    """One job that was committed."""

    __tablename__ = "run"
    __table_args__ = table(
        "A compute job whose results are in the store.",
        check("status IN ('committed', 'deleting')"),
        identity=("spec_hash",),
        enforced=True,
    )

    run_id: int = column("Key.", key=True)
    kind: str = column("Kind of job, e.g. finetune or probe.")
    name: str = column("Name of the job directory: kind and the first 12 digits of the spec hash.")
    spec_hash: str = column("SHA-256 of the canonical specification: the identity of the job.")
    spec: str = column("The specification as JSON: all that determines the result.")
    parent_run_id: int | None = column(
        "The run whose checkpoint this one starts from or examines.", refers="run.run_id"
    )
    start_checkpoint_id: int | None = column(
        "The checkpoint that this run starts from or examines.", refers="checkpoint.checkpoint_id"
    )
    seed: int = column("Seed of everything random in the run.")
    status: str = column("committed, or deleting while a deletion is under way.")
    started_at: datetime = column("When the job started, UTC.", sql_type=sa.DateTime)
    finished_at: datetime = column("When it finished, UTC.", sql_type=sa.DateTime)
    committed_at: datetime = column("When it was committed, UTC.", sql_type=sa.DateTime)
    provenance: str = column(
        "JSON: mlv version, git commit and dirty flag, package versions, hardware, thread count, determinism "
        "flags, arguments as given."
    )


class RunCorpus(Row, table=True):
    """A corpus that a run trained on."""

    __tablename__ = "run_corpus"
    __table_args__ = table(
        "Which corpora a run trained on, and how much of each.", identity=("run_id", "corpus_id"), owner="run_id"
    )

    run_id: int = column("The run.", refers="run.run_id")
    corpus_id: int = column("A corpus it trained on.", refers="corpus.corpus_id")
    segments: int = column("Segments taken from it, training and development together.")


class LoggedEvent(Row, table=True):
    """Something that happened during a run."""

    __tablename__ = "run_event"
    __table_args__ = table(
        "The log of a run: started, resumed, checkpoint written, finished.",
        identity=("run_id", "position"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="run.run_id")
    position: int = column("Order of the event, from 0.")
    happened_at: datetime = column("When, UTC.", sql_type=sa.DateTime)
    event: str = column("What happened.")
    detail: str = column("JSON with the particulars.")


class Metric(Row, table=True):
    """A number measured during a run."""

    __tablename__ = "metric"
    __table_args__ = table(
        "A number measured during a run, e.g. the training loss at a step.",
        identity=("run_id", "name", "step"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="run.run_id")
    name: str = column(
        "loss (nats per target token), eval_loss (likewise), eval_accuracy, examples_per_second; leak, where "
        "subnetworks are trained: mean absolute change of a weight of a disabled head in a step, in units of that of "
        "an enabled one."
    )
    epoch: float = column("Epochs done.", sql_type=sa.Double)
    step: int = column("Optimizer steps done.")
    value: float = column("The number.", sql_type=sa.Double)


class ModelState(Row, table=True):
    """A state of a model."""

    __tablename__ = "checkpoint"
    __table_args__ = table(
        "A state of a model: pretrained (epoch 0), or after an epoch of a run.",
        unique("run_id", "epoch"),
        identity=("run_id", "epoch", "digest"),
        owner="run_id",
    )

    checkpoint_id: int = column("Key.", key=True)
    base_model_id: int = column(
        "The pretrained model that it descends from.", refers="base_model.base_model_id", enforced=True
    )
    run_id: int | None = column("The run that made it; NULL for a model that was there before.", refers="run.run_id")
    epoch: int = column("Epochs of the run that are done; 0 for a pretrained model.")
    step: int = column("Optimizer steps that are done.")
    is_final: bool = column(
        "Whether it is what its run ended with: the last, or with patience the one of the lowest development loss; "
        "true for a pretrained model."
    )
    path: str = column("Folder, relative to the store's folder where it is inside; a hub name otherwise.")
    digest: str = column("SHA-256 over configuration, weights and tokenizer.")


class TrainingExample(Row, table=True):
    """One example that a run could train on."""

    __tablename__ = "training_example"
    __table_args__ = table(
        "An example of a split of a run, in the order that the run numbers them: made of a segment.",
        check("split IN ('train', 'development', 'test')"),
        identity=("run_id", "position"),
        owner="run_id",
    )

    training_example_id: int = column("Key, unique over all runs.")
    run_id: int = column("The run.", refers="run.run_id")
    position: int = column("Number of the example in the run, from 0: with seed and epoch its corruption.")
    split: str = column("train, development or test.")
    segment_id: int | None = column(
        "The segment that it is made of; NULL for an example that is made of something else.",
        refers="segment.segment_id",
    )
