"""Masks over attention heads, the subnetworks that they are, and how pruning found them."""

import sqlalchemy as sa

from mlv.schema.tables.columns import Row, check, column, table


class HeadMask(Row, table=True):
    """A mask."""

    __tablename__ = "mask"
    __table_args__ = table(
        "Which attention heads of a model take part. A mask is its content: two ways to the same heads are one mask.",
        check("enabled BETWEEN 0 AND layers * heads"),
        identity=("digest",),
        enforced=True,
    )

    mask_id: int = column("Key.", key=True)
    digest: str = column("SHA-256 of LAYERSxHEADS:BITS, the bits as in the column.")
    layers: int = column("Layers of the model.")
    heads: int = column("Attention heads of a layer.")
    enabled: int = column("Heads that take part.")
    bits: str = column(
        "Hexadecimal digits, layer by layer: a set bit is an enabled head; zeros fill up the last digit."
    )


class MaskHead(Row, table=True):
    """Whether one head takes part."""

    __tablename__ = "mask_head"
    __table_args__ = table(
        "Whether an attention head takes part: the bits of a mask, one a row.",
        check("layer >= 1 AND attention_head >= 1"),
        identity=("mask_id", "layer", "attention_head"),
        owner="mask_id",
    )

    mask_id: int = column("The mask.", refers="mask.mask_id")
    layer: int = column("Layer, from 1.")
    attention_head: int = column("Attention head of the layer, from 1.")
    enabled: bool = column("Whether it takes part.")


class SubnetworkOrigin(Row, table=True):
    """A mask with where it comes from."""

    __tablename__ = "subnetwork"
    __table_args__ = table(
        "A mask with where it comes from: found by pruning, or derived from others.",
        check("origin IN ('pruned', 'union', 'intersection', 'shuffled', 'shuffled_in_layers', 'random', 'avoiding')"),
        check("(origin = 'pruned') = (run_id IS NOT NULL)"),
        check("(origin = 'pruned') = (language_id IS NOT NULL)"),
        check("(origin IN ('random', 'avoiding')) = (amount IS NOT NULL)"),
        check("(origin IN ('pruned', 'union', 'intersection')) = (seed IS NULL)"),
        identity=("name",),
        owner="run_id",
    )

    subnetwork_id: int = column("Key.", key=True)
    name: str = column(
        "Of a pruned one its run; of a derived one how it is derived, e.g. shuffled(prune-0123456789ab,1)."
    )
    mask_id: int = column("Its mask.", refers="mask.mask_id")
    origin: str = column(
        "pruned; union or intersection of its parts; shuffled: as many heads as its part has, at random places, or "
        "shuffled_in_layers: as many in each layer; random: so many heads at random places; avoiding: all heads but so "
        "many random ones of those that its part has."
    )
    run_id: int | None = column("The prune run that found it; NULL of a derived one.", refers="run.run_id")
    language_id: int | None = column(
        "Language whose examples it was pruned for; NULL of a derived one.", refers="language.language_id"
    )
    amount: int | None = column("Heads that a random one enables, or that an avoiding one disables; otherwise NULL.")
    seed: int | None = column("Seed of the draw; NULL where nothing is drawn.")


class SubnetworkPart(Row, table=True):
    """What a subnetwork is derived from."""

    __tablename__ = "subnetwork_part"
    __table_args__ = table(
        "What a subnetwork is derived from.",
        identity=("subnetwork_id", "part_subnetwork_id"),
        owner="subnetwork_id",
    )

    subnetwork_id: int = column("The derived one.", refers="subnetwork.subnetwork_id")
    part_subnetwork_id: int = column("One that it is derived from.", refers="subnetwork.subnetwork_id")


class PruningRun(Row, table=True):
    """What a run prunes."""

    __tablename__ = "pruning_run"
    __table_args__ = table(
        "What a run prunes. The model is run.start_checkpoint_id.",
        check("score_before BETWEEN 0 AND 1"),
        identity=("run_id",),
        owner="run_id",
    )

    run_id: int = column("The run.", key=True, refers="run.run_id")
    task_id: int = column("What the model tells apart.", refers="task.task_id")
    language_id: int = column("Language of the examples.", refers="language.language_id")
    examples: int = column("Training examples that importance was estimated on.")
    development_examples: int = column("Development examples that accuracy is of.")
    score_before: float = column("Accuracy on these with all heads.", sql_type=sa.Double)


class PruningStep(Row, table=True):
    """One iteration of pruning."""

    __tablename__ = "pruning_step"
    __table_args__ = table(
        "One iteration of pruning: the least important heads are disabled, and accuracy is measured.",
        check("iteration >= 1"),
        check("score BETWEEN 0 AND 1"),
        identity=("run_id", "iteration"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="pruning_run.run_id")
    iteration: int = column("Its number, from 1.")
    enabled: int = column("Heads that are enabled after it.")
    score: float = column("Accuracy on the development examples with these.", sql_type=sa.Double)
    kept: bool = column("Whether that is at or above the threshold; the first that is not is the last iteration.")


class HeadImportance(Row, table=True):
    """How important a head is at an iteration of pruning."""

    __tablename__ = "head_importance"
    __table_args__ = table(
        "How important each enabled attention head is at an iteration of pruning (dissertation equation 4.3).",
        check("layer >= 1 AND attention_head >= 1"),
        check("importance >= 0"),
        identity=("run_id", "iteration", "layer", "attention_head"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="pruning_run.run_id")
    iteration: int = column("The iteration.")
    layer: int = column("Layer, from 1.")
    attention_head: int = column("Attention head of the layer, from 1.")
    importance: float = column("Mean absolute derivative of the loss by the head's gate.", sql_type=sa.Double)
    disabled: bool = column("Whether this iteration disables it.")


class RunMask(Row, table=True):
    """The mask that a run puts on texts in a language."""

    __tablename__ = "run_mask"
    __table_args__ = table(
        "Under which mask a run trains on, predicts or traces texts in a language. Languages without a row: without a "
        "mask.",
        identity=("run_id", "language_id"),
        owner="run_id",
    )

    run_id: int = column("The run.", refers="run.run_id")
    language_id: int = column("Language of the texts.", refers="language.language_id")
    mask_id: int = column("The mask.", refers="mask.mask_id")
    subnetwork: str = column("Name of the subnetwork, as the run was given it: it may be deleted since.")
