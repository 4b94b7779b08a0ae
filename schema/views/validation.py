"""Views of validation: how well scores predict what retraining shows."""

from mlv.schema.derived import alike
from mlv.schema.views.targets import of_targets
from mlv.schema.views.view import View

VALIDATION = (
    View(
        "v_validation_run",
        "A validation run, and what the run that it retrains was trained on.",
        {
            "run_id": "Key of the validation run.",
            "run": "Its name.",
            "kind": "Its kind of job.",
            "traced_run": "Name of the fine-tuning run that is retrained.",
            "quantities": "What is predicted, comma-separated: answer, margin, shift.",
            "checkpoints": "Model states that scores are averaged (TRAK) or summed (TracIn) over.",
            "examples": "Training examples that were scored.",
            "seed": "Seed of the validation run.",
            "model": "Name of the pretrained model that the traced run descends from.",
            "source": "Fine-tuning source of the traced run.",
            "ft_languages": "Its fine-tuning languages, comma-separated in alphabetical order.",
            "strategy": "How it was trained: monolingual, multilingual or continued.",
            "sentences": "Sentences it was given, training and development together.",
            "traced_seed": "Its seed.",
            "settings": "How it was trained, e.g. epochs=5 batch_size=8.",
            "tracing": "What else the results depend on, e.g. probe_set=echoes-2024 quantities=shift,answer.",
        },
        f"""
        SELECT r.run_id, r.name AS run, r.kind, k.run AS traced_run, v.quantities, v.checkpoints, v.examples, r.seed,
               k.model, k.source, k.ft_languages, k.strategy, k.sentences, k.seed AS traced_seed, k.settings,
               {alike.tracing("r.spec")} AS tracing
        FROM validation_run v
        JOIN run r ON r.run_id = v.run_id AND r.status = 'committed'
        JOIN v_checkpoint k ON k.checkpoint_id = r.start_checkpoint_id
        """,
    ),
    View(
        "v_validation_lds",
        "How well scores predict what models trained on subsets of the examples show, mean over probes.",
        {
            "run": "Name of the validation run.",
            "traced_run": "Name of the fine-tuning run whose examples are left out.",
            "test": "lds: models are trained on random halves; language: without one of the run's languages.",
            "quantity": "What is predicted, and what the scores are of: answer, margin or shift.",
            "scores": "An attribution such as trak-principal-32, or a baseline such as random.",
            "seeds": "Seeds of the retrained models: other, each its own; or same as the traced run's.",
            "targets": "Probes whose rho is defined.",
            "draws": "Draws of a random baseline; 1 for scores that are not random.",
            "n": "Retrained models; 16 or fewer are a smoke test.",
            "lds": "Spearman's rho, mean over the probes, then over the draws.",
            "lds_low": "Lower end of its 95% interval, from resamples of models and probes.",
            "lds_high": "Upper end.",
            "difference": "lds minus that of the run's first attribution.",
            "difference_low": "Lower end of its 95% interval, from the same resamples of both.",
            "difference_high": "Upper end.",
            "null_mean": "lds of these scores dealt to the examples at random, mean of the draws.",
            "null_sd": "Its standard deviation over the draws.",
        },
        """
        SELECT r.name AS run, f.name AS traced_run, l.* EXCLUDE (run_id)
        FROM validation_lds l
        JOIN run r ON r.run_id = l.run_id AND r.status = 'committed'
        JOIN validation_run v ON v.run_id = l.run_id
        JOIN run f ON f.run_id = v.traced_run_id
        """,
    ),
    View(
        "v_validation_result",
        "How well scores predict what retraining on a part of the examples shows, per probe.",
        {
            "run": "Name of the validation run.",
            "traced_run": "Name of the fine-tuning run whose examples are left out.",
            "test": "lds: linear datamodeling score over random halves; language: over models without a language; "
            "removal: of the most influential examples.",
            "quantity": "What is predicted, and what the scores are of: answer, margin or shift.",
            "scores": "An attribution such as trak-principal-32, or a baseline such as bm25.",
            "collection": "Where the probe is from.",
            "language": "Test language.",
            "question": "Identifier of the question.",
            "seeds": "Seeds of the retrained models: same as the traced run's, or other.",
            "seed": "Seed of the retrained model; NULL where there are several.",
            "direction": "Which examples were left out, positive or negative; NULL but for a removal of these.",
            "k": "How many examples were left out; NULL but for a removal.",
            "draw": "Number of the draw of random examples; 0 for scores that are not random.",
            "n": "Retrained models behind the value.",
            "value": "lds, language: Spearman's rho; removal: probability of the traced answer after minus before.",
            "reference": "removal: that probability before; else NULL.",
        },
        f"""
        SELECT r.name AS run, f.name AS traced_run, t.test, t.quantity, t.scores, t.collection, t.language,
               t.question, t.seeds, t.seed, t.direction, t.k, t.draw, t.n, t.value,
               t.reference
        FROM ({of_targets("validation_result")}) t
        JOIN run r ON r.run_id = t.run_id AND r.status = 'committed'
        JOIN validation_run v ON v.run_id = t.run_id
        JOIN run f ON f.run_id = v.traced_run_id
        """,
    ),
)
