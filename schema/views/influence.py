"""Views of influence: what is traced, and the training examples that it leads to."""

from mlv.schema.derived import alike
from mlv.schema.tables.influence import DIRECTION, RANK, SCORE
from mlv.schema.views.targets import TARGET_COLUMNS, of_targets
from mlv.schema.views.view import View

_TRACES = """
        JOIN run r ON r.run_id = t.run_id AND r.status = 'committed'
        JOIN influence_run i ON i.run_id = t.run_id
        JOIN run f ON f.run_id = i.traced_run_id
"""
"""From a target ``t`` to its influence run and the run that this traces."""

INFLUENCE = (
    View(
        "v_influence_run",
        "An influence run, how it attributes, and what the run that it traces was trained on.",
        {
            "run_id": "Key of the influence run.",
            "run": "Its name.",
            "kind": "Its kind of job.",
            "traced_run": "Name of the run whose examples are ranked.",
            "method": "trak or tracin.",
            "similarity": "dot, or cosine if gradients are normalised first.",
            "quantity": "What is traced: answer, margin or shift; of labelled texts label.",
            "selection": "Which targets are traced: shifted, all, chosen, or correct.",
            "projection": "none, principal, random or dense.",
            "dimensions": "Directions on each side of a matrix; in all for a dense projection; 0 for none.",
            "modules": "Groups of parameters that take part, comma-separated.",
            "damping": "Lambda of TRAK in units of the features' mean squared norm; 0 for TracIn.",
            "checkpoints": "Model states that scores are averaged (TRAK) or summed (TracIn) over.",
            "examples": "Training examples that were scored.",
            "top_k": "Examples ranked per target and direction.",
            "bin_width": "Width of the bins of v_influence_histogram.",
            "seed": "Seed of the influence run.",
            "model": "Name of the pretrained model that the traced run descends from.",
            "source": "Fine-tuning source of the traced run.",
            "ft_languages": "Its fine-tuning languages, comma-separated in alphabetical order.",
            "strategy": "How it was trained: monolingual, multilingual or continued.",
            "sentences": "Sentences it was given, training and development together.",
            "traced_seed": "Its seed.",
            "settings": "How it was trained, e.g. epochs=5 batch_size=8.",
            "attribution": "How examples are scored: method, projection and whatever else is not the default, e.g. "
            "trak-principal-16 corruptions=epoch.",
            "tracing": "What else the scores depend on, e.g. probe_set=echoes-2024 quantity=answer. Runs are alike "
            "if settings, attribution and tracing are equal.",
            "training_masks": "Under which mask gradients of training examples were taken: test, that of the target; "
            "own, that of the example's language; none. NULL where targets are traced without masks.",
        },
        f"""
        SELECT r.run_id, r.name AS run, r.kind, k.run AS traced_run, i.method, i.similarity, i.quantity, i.selection,
               i.projection, i.dimensions, i.modules, i.damping, i.checkpoints, i.examples, i.top_k, i.bin_width,
               r.seed, k.model, k.source, k.ft_languages, k.strategy, k.sentences, k.seed AS traced_seed, k.settings,
               {alike.attribution("r.spec")} AS attribution, {alike.tracing("r.spec")} AS tracing,
               i.training_masks
        FROM influence_run i
        JOIN run r ON r.run_id = i.run_id AND r.status = 'committed'
        JOIN v_checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
        """,
    ),
    View(
        "v_target",
        "What influence runs trace, whatever that is, by keys: one SELECT for each kind of target.",
        {
            "influence_target_id": "Key of the target.",
            "run_id": "Key of the influence run.",
            "probe_id": "Key of the probe; NULL for a labelled text.",
            "segment_id": "Key of the labelled text; NULL for a probe.",
            "epoch": "Epoch whose checkpoint alone was used; NULL if all were.",
            "answer": "The answer that positive influence supports, from 1.",
            "value": "The traced quantity in the traced checkpoint, nats per token.",
            "language_id": "Key of the test language.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question: the same in all languages.",
            "category": "Short name of the category; of a labelled text its label.",
        },
        of_targets("influence_target"),
    ),
    View(
        "v_traced_probe",
        "What an influence run traces, as v_influence_target has it, without a look at the answers: whether the value "
        "shifted is for many targets half of the work.",
        {
            "influence_target_id": "Key of the target.",
            "probe_id": "Key of the probe.",
            "checkpoint_id": "Key of the checkpoint whose prediction is traced.",
            "base_checkpoint_id": "The checkpoint that the traced run started from.",
            **TARGET_COLUMNS,
            "category": "Short name of the category; of a labelled text its label.",
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "answer": "The answer that positive influence supports, from 1.",
            "value": "The traced quantity in the traced checkpoint, nats per token.",
        },
        f"""
        SELECT t.influence_target_id, t.probe_id, r.start_checkpoint_id AS checkpoint_id,
               f.start_checkpoint_id AS base_checkpoint_id, r.name AS run, f.name AS traced_run, t.collection,
               t.language, t.question, t.category, t.epoch, t.answer, t.value
        FROM v_target t
        {_TRACES}
        """,
    ),
    View(
        "v_influence_target",
        "What an influence run traces: the answer to a probe, by all checkpoints together or by that of one epoch.",
        {
            "influence_target_id": "Key of the target.",
            **TARGET_COLUMNS,
            "category": "Short name of the category; of a labelled text its label.",
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "answer": "The answer that positive influence supports, from 1.",
            "value": "The traced quantity in the traced checkpoint, nats per token.",
            "shifted": "Whether the answer by score mean differs from the one before the run; NULL where unknown.",
        },
        """
        SELECT t.influence_target_id, t.run, t.traced_run, t.collection, t.language, t.question, t.category, t.epoch,
               t.answer, t.value, a.answer <> b.answer AS shifted
        FROM v_traced_probe t
        LEFT JOIN probe_answer a
            ON a.checkpoint_id = t.checkpoint_id AND a.probe_id = t.probe_id AND a.score = 'mean'
        LEFT JOIN probe_answer b
            ON b.checkpoint_id = t.base_checkpoint_id AND b.probe_id = t.probe_id AND b.score = 'mean'
        """,
    ),
    View(
        "v_influence",
        "The training examples of each target with the highest and with the lowest scores.",
        {
            **TARGET_COLUMNS,
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "direction": DIRECTION,
            "rank": RANK,
            "score": SCORE,
            "training_example_id": "Key of the training example.",
            "train_language": "Language of the training example.",
            "parallel_key": "Key that it shares with its translations.",
            "text": "Its text.",
            "text_pair": "Its second text; NULL if it is no pair.",
            "label": "Its label; NULL if it has none.",
        },
        f"""
        SELECT r.name AS run, f.name AS traced_run, t.collection, t.language, t.question, t.epoch, k.direction, k.rank,
               k.score, k.training_example_id, l.code AS train_language, e.parallel_key, e.text,
               e.text_pair, e.label
        FROM influence_ranking k
        JOIN v_target t USING (influence_target_id)
        {_TRACES}
        JOIN v_example e ON e.training_example_id = k.training_example_id
        JOIN "language" l ON l.language_id = e.language_id
        """,
    ),
    View(
        "v_influence_ranking",
        "The training examples of each target with the highest and with the lowest scores, by keys alone: counting and "
        "comparing many of them is fast before names are joined, from v_influence_target and v_training_example.",
        {
            "influence_target_id": "Key of the target; one whose run is being deleted is not in v_influence_target.",
            "direction": DIRECTION,
            "rank": RANK,
            "score": SCORE,
            "training_example_id": "Key of the training example.",
        },
        "SELECT influence_target_id, direction, rank, score, training_example_id FROM influence_ranking",
    ),
    View(
        "v_influence_language",
        "How many of each target's ranked examples are in each language that the traced run was trained on, by key of "
        "the target.",
        {
            "influence_target_id": "Key of the target; one whose run is being deleted is not in v_influence_target.",
            "direction": DIRECTION,
            "train_language": "Language of the examples.",
            "ranked": "Ranked examples in all languages together.",
            "examples": "Ranked examples in this one.",
            "translated": "Of these, those whose text is among the ranked examples in the test language too.",
            "wrong_sign": "Of these, those with a score of the other sign: a highest one below 0, a lowest one above.",
        },
        """
        SELECT n.influence_target_id, n.direction, l.code AS train_language, n.ranked, n.examples, n.translated,
               n.wrong_sign
        FROM influence_language n
        JOIN "language" l USING (language_id)
        """,
    ),
    View(
        "v_influence_overlap",
        "What the rankings of two targets share, by keys alone: under the same question in two test languages of a run "
        "the same examples; under the same probe, in runs that are alike but for the one language they trace, the same "
        "texts. No row where they share nothing.",
        {
            "influence_target_id": "Key of the target of the first test or fine-tuning language, by code.",
            "other_target_id": "Key of the target of the second.",
            "direction": DIRECTION,
            "shared": "Ranked examples, or pairs of a text and its translation, that both have.",
        },
        "SELECT influence_target_id, other_target_id, direction, shared FROM influence_overlap",
    ),
    View(
        "v_influence_summary",
        "Scores of each target over all training examples of a language.",
        {
            "influence_target_id": "Key of the target.",
            **TARGET_COLUMNS,
            "epoch": "Epoch whose checkpoint alone was used; NULL where all were.",
            "train_language": "Language of the training examples.",
            "n": "Training examples.",
            "score_mean": "Mean of their scores.",
            "score_sd": "Standard deviation of their scores, of the population.",
            "score_min": "Lowest score.",
            "score_max": "Highest score.",
        },
        f"""
        SELECT t.influence_target_id, r.name AS run, f.name AS traced_run, t.collection, t.language, t.question,
               t.epoch, l.code AS train_language, s.n, s.score_sum / s.n AS score_mean,
               sqrt(greatest(s.score_sum_squares / s.n - (s.score_sum / s.n) ** 2, 0)) AS score_sd,
               s.score_min, s.score_max
        FROM influence_summary s
        JOIN v_target t USING (influence_target_id)
        {_TRACES}
        JOIN "language" l ON l.language_id = s.language_id
        """,
    ),
    View(
        "v_influence_histogram",
        "How many training examples of a language have a score of a target in a bin, by key of the target; of targets "
        "over all checkpoints. A bin without examples has no row.",
        {
            "influence_target_id": "Key of the target; one whose run is being deleted is not in v_influence_target.",
            "train_language": "Language of the training examples.",
            "bin": "Number of the bin; below 0 it holds negative scores, else positive ones and 0.",
            "low": "Lowest score of the bin.",
            "high": "Upper end of the bin, which belongs to the next.",
            "n": "Training examples.",
        },
        """
        SELECT h.influence_target_id, l.code AS train_language, h.bin, h.bin * i.bin_width AS low,
               (h.bin + 1) * i.bin_width AS high, h.n
        FROM influence_histogram h
        JOIN influence_target t USING (influence_target_id)
        JOIN influence_run i USING (run_id)
        JOIN "language" l ON l.language_id = h.language_id
        """,
    ),
    View(
        "v_influence_epoch_test",
        "Whether the scores of a target differ between two epochs: Wilcoxon's signed-rank test over all training "
        "examples, not corrected for the number of tests.",
        {
            "influence_target_id": "Key of the target of the earlier epoch.",
            "other_target_id": "Key of that of the later one.",
            **TARGET_COLUMNS,
            "epoch_a": "The earlier epoch.",
            "epoch_b": "The later one.",
            "n": "Training examples with different scores.",
            "z": "Standardised rank sum, above 0 where the later scores are the higher; NULL where no score differs.",
            "p": "Its two-sided p-value; NULL where no score differs.",
        },
        f"""
        SELECT e.influence_target_id, e.other_target_id, r.name AS run, f.name AS traced_run, t.collection, t.language,
               t.question, t.epoch AS epoch_a, o.epoch AS epoch_b, e.n, e.z, e.p
        FROM influence_epoch_test e
        JOIN v_target t USING (influence_target_id)
        JOIN influence_target o ON o.influence_target_id = e.other_target_id
        {_TRACES}
        """,
    ),
)
