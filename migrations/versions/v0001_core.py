"""Reference, survey, corpora, runs and probing results."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "base_model",
        sa.Column("base_model_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="Hub name or the name of the local model, e.g. google/mt5-small.",
        ),
        sa.Column("revision", sa.String(), nullable=False, comment="Hub commit; empty for a local model."),
        sa.Column("digest", sa.String(), nullable=False, comment="SHA-256 over configuration, weights and tokenizer."),
        sa.Column("architecture", sa.String(), nullable=False, comment="Model type of its configuration, e.g. mt5."),
        sa.Column("parameters", sa.BigInteger(), nullable=False, comment="Number of parameters."),
        sa.Column("vocabulary", sa.Integer(), nullable=False, comment="Entries of the vocabulary."),
        sa.UniqueConstraint("digest"),
        comment="A pretrained model that runs start from.",
    )
    op.create_table(
        "category",
        sa.Column(
            "category_id",
            sa.Integer(),
            primary_key=True,
            autoincrement=False,
            nullable=False,
            comment="Number of the category in Echoes section 3.1, 1 to 13.",
        ),
        sa.Column("code", sa.String(), nullable=False, comment="Short name, as query results print it."),
        sa.Column("name", sa.String(), nullable=False, comment="Full name as in Echoes section 3.1."),
        sa.Column(
            "first_number",
            sa.Integer(),
            nullable=False,
            comment="Lowest question number of the category in WVS wave 7.",
        ),
        sa.Column(
            "last_number",
            sa.Integer(),
            nullable=False,
            comment="Highest question number of the category in WVS wave 7.",
        ),
        sa.Column(
            "in_study",
            sa.Boolean(),
            nullable=False,
            comment="Whether the study of the paper uses the category (4 and 8 are excluded).",
        ),
        sa.UniqueConstraint("code"),
        comment="A theme of the World Values Survey (Echoes section 3.1; dissertation Table 7.1).",
    )
    op.create_table(
        "country",
        sa.Column("country_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("code", sa.String(), nullable=False, comment="ISO 3166-1 alpha-2 code."),
        sa.Column("alpha3", sa.String(), nullable=False, comment="ISO 3166-1 alpha-3 code."),
        sa.Column("name", sa.String(), nullable=False, comment="English name (ISO 3166-1)."),
        sa.UniqueConstraint("alpha3"),
        sa.UniqueConstraint("code"),
        comment="A country or territory in which a survey was held.",
    )
    op.create_table(
        "ingest_file",
        sa.Column(
            "ingest_file_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."
        ),
        sa.Column("kind", sa.String(), nullable=False, comment="probes, survey or corpus."),
        sa.Column(
            "target",
            sa.String(),
            nullable=False,
            comment="What the file was read into, e.g. pbc/fa/Farsi or arora-2023/fa.",
        ),
        sa.Column("name", sa.String(), nullable=False, comment="File name; for an archive, archive and member."),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the file's bytes."),
        sa.Column("rows_read", sa.Integer(), nullable=False, comment="Rows, verses or sentences in the file."),
        sa.Column("rows_kept", sa.Integer(), nullable=False, comment="Rows that are in the store because of it."),
        sa.Column("rows_rejected", sa.Integer(), nullable=False, comment="Rows that are in reject."),
        sa.Column(
            "rows_repaired",
            sa.Integer(),
            nullable=False,
            comment="Rows kept after a repair (entities, stray punctuation and the like).",
        ),
        sa.Column("ingested_at", sa.DateTime(), nullable=False, comment="When, UTC."),
        sa.UniqueConstraint("kind", "sha256", "target"),
        comment="A file that was ingested, with what was kept and rejected.",
    )
    op.create_table(
        "language",
        sa.Column("language_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column(
            "code",
            sa.String(),
            nullable=False,
            comment="ISO 639-1 code; ISO 639-3 where the language has no two-letter code.",
        ),
        sa.Column("iso639_3", sa.String(), nullable=False, comment="ISO 639-3 code of the language or macrolanguage."),
        sa.Column("name", sa.String(), nullable=False, comment="English name (ISO 639-3)."),
        sa.UniqueConstraint("code"),
        comment="A language, as probes, corpora and profiles name it.",
    )
    op.create_table(
        "metric",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The run."),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="loss (nats per target token), eval_loss (likewise), examples_per_second.",
        ),
        sa.Column("epoch", sa.Double(), nullable=False, comment="Epochs done."),
        sa.Column("step", sa.Integer(), nullable=False, comment="Optimizer steps done."),
        sa.Column("value", sa.Double(), nullable=False, comment="The number."),
        comment="A number measured during a run, e.g. the training loss at a step.",
    )
    op.create_table(
        "probe_answer",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The probing run."),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False, comment="The checkpoint."),
        sa.Column("probe_id", sa.Integer(), nullable=False, comment="The probe."),
        sa.Column(
            "score",
            sa.String(),
            nullable=False,
            comment="sum: summed log-probability; mean: per token; first: of the first token.",
        ),
        sa.Column("answer", sa.Integer(), nullable=False, comment="1 for the first candidate, 2 for the second."),
        sa.Column(
            "margin",
            sa.Double(),
            nullable=False,
            comment="Score of the first candidate minus that of the second, nats.",
        ),
        sa.Column(
            "p_first",
            sa.Double(),
            nullable=False,
            comment="Softmax over the two scores, first component (Echoes section 3.5).",
        ),
        sa.CheckConstraint("answer IN (1, 2)"),
        sa.CheckConstraint("score IN ('sum', 'mean', 'first')"),
        comment="The answer that a checkpoint gives, by each way of scoring. Equal scores count for the first answer.",
    )
    op.create_table(
        "probe_collection",
        sa.Column(
            "probe_collection_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."
        ),
        sa.Column("code", sa.String(), nullable=False, comment="Name given at ingest, e.g. arora-2023."),
        sa.Column("citation", sa.String(), nullable=False, comment="How to cite the probes."),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the ingested content."),
        sa.UniqueConstraint("code"),
        comment="Where probes come from, e.g. the archive of Arora et al. (2023).",
    )
    op.create_table(
        "probe_logit",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The probing run."),
        sa.Column("checkpoint_id", sa.Integer(), nullable=False, comment="The checkpoint."),
        sa.Column("probe_id", sa.Integer(), nullable=False, comment="The probe."),
        sa.Column("answer", sa.Integer(), nullable=False, comment="1 for the first candidate, 2 for the second."),
        sa.Column("tokens", sa.Integer(), nullable=False, comment="Tokens of the answer, sentinels not counted."),
        sa.Column("logit_sum", sa.Double(), nullable=False, comment="Sum of the tokens' logits."),
        sa.Column(
            "logprob_sum",
            sa.Double(),
            nullable=False,
            comment="Sum of the tokens' log-probabilities over the full vocabulary, nats.",
        ),
        sa.Column("logprob_first", sa.Double(), nullable=False, comment="Log-probability of the first token, nats."),
        sa.CheckConstraint("answer IN (1, 2)"),
        sa.CheckConstraint("tokens > 0"),
        comment="Score of one candidate answer by teacher forcing (Echoes section 3.4), over the answer's own tokens.",
    )
    op.create_table(
        "probe_set_member",
        sa.Column("probe_set_id", sa.Integer(), nullable=False, comment="The probe set."),
        sa.Column("question_id", sa.Integer(), nullable=False, comment="A question in it."),
        comment="The questions of a probe set.",
    )
    op.create_table(
        "profile",
        sa.Column("profile_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("checkpoint_id", sa.Integer(), nullable=True, comment="The checkpoint of a model's profile."),
        sa.Column("language_id", sa.Integer(), nullable=True, comment="The test language of a model's profile."),
        sa.Column("probe_collection_id", sa.Integer(), nullable=True, comment="The probes behind a model's profile."),
        sa.Column(
            "score",
            sa.String(),
            nullable=True,
            comment="The way of scoring behind a model's profile: sum, mean or first.",
        ),
        sa.Column("survey_id", sa.Integer(), nullable=True, comment="The survey of a country's profile."),
        sa.Column("country_id", sa.Integer(), nullable=True, comment="The country of a country's profile."),
        sa.Column("weighting", sa.String(), nullable=True, comment="weighted or unweighted, for a country's profile."),
        sa.CheckConstraint("(checkpoint_id IS NULL) <> (survey_id IS NULL)"),
        sa.UniqueConstraint("checkpoint_id", "language_id", "probe_collection_id", "score"),
        sa.UniqueConstraint("survey_id", "country_id", "weighting"),
        comment="A cultural profile: of a checkpoint in a language, or of the people of a country (Echoes section 3.5).",
    )
    op.create_table(
        "profile_value",
        sa.Column("profile_id", sa.Integer(), nullable=False, comment="The profile."),
        sa.Column("question_id", sa.Integer(), nullable=False, comment="The question."),
        sa.Column(
            "p_first",
            sa.Double(),
            nullable=False,
            comment="Probability of, or share of people on, the first answer's side.",
        ),
        sa.CheckConstraint("p_first BETWEEN 0 AND 1"),
        comment="One question of a profile. Both kinds are oriented alike: p_first belongs to the side that answer_side calls first, also where a language's probe has its answers the other way round.",
    )
    op.create_table(
        "reject",
        sa.Column("ingest_file_id", sa.Integer(), nullable=False, comment="The file."),
        sa.Column(
            "line", sa.Integer(), nullable=False, comment="Line in the file, from 1; 0 where the whole file is meant."
        ),
        sa.Column(
            "item",
            sa.String(),
            nullable=False,
            comment="What the row is about, e.g. question 130d or MAT 18:11; may be empty.",
        ),
        sa.Column("reason", sa.String(), nullable=False, comment="Why it was not taken."),
        sa.Column("content", sa.String(), nullable=False, comment="The row as it was, at most 500 characters."),
        comment="A row that ingest did not take, kept with the reason.",
    )
    op.create_table(
        "response_option",
        sa.Column(
            "response_option_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."
        ),
        sa.Column("variable", sa.String(), nullable=False, comment="Survey variable, e.g. Q106."),
        sa.Column(
            "response_code",
            sa.Integer(),
            nullable=False,
            comment="Code in the official file; negative codes are missing answers.",
        ),
        sa.Column("label", sa.String(), nullable=False, comment="Short English gloss of the code."),
        sa.UniqueConstraint("variable", "response_code"),
        comment="A response code of a survey variable, with a short gloss.",
    )
    op.create_table(
        "run",
        sa.Column("run_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("kind", sa.String(), nullable=False, comment="pretrain, finetune, probe or influence."),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="Name of the job directory: kind and the first 12 digits of the spec hash.",
        ),
        sa.Column(
            "spec_hash",
            sa.String(),
            nullable=False,
            comment="SHA-256 of the canonical specification: the identity of the job.",
        ),
        sa.Column(
            "spec", sa.String(), nullable=False, comment="The specification as JSON: all that determines the result."
        ),
        sa.Column(
            "parent_run_id",
            sa.Integer(),
            nullable=True,
            comment="The run whose checkpoint this one starts from or examines.",
        ),
        sa.Column(
            "start_checkpoint_id",
            sa.Integer(),
            nullable=True,
            comment="The checkpoint that this run starts from or examines.",
        ),
        sa.Column("seed", sa.Integer(), nullable=False, comment="Seed of everything random in the run."),
        sa.Column(
            "status", sa.String(), nullable=False, comment="committed, or deleting while a deletion is under way."
        ),
        sa.Column("started_at", sa.DateTime(), nullable=False, comment="When the job started, UTC."),
        sa.Column("finished_at", sa.DateTime(), nullable=False, comment="When it finished, UTC."),
        sa.Column("committed_at", sa.DateTime(), nullable=False, comment="When it was committed, UTC."),
        sa.Column(
            "provenance",
            sa.String(),
            nullable=False,
            comment="JSON: mlv version, git commit and dirty flag, package versions, hardware, thread count, determinism flags, arguments as given.",
        ),
        sa.CheckConstraint("kind IN ('pretrain', 'finetune', 'probe', 'influence')"),
        sa.CheckConstraint("status IN ('committed', 'deleting')"),
        sa.UniqueConstraint("spec_hash"),
        comment="A compute job whose results are in the store.",
    )
    op.create_table(
        "run_corpus",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The run."),
        sa.Column("corpus_id", sa.Integer(), nullable=False, comment="A corpus it trained on."),
        sa.Column(
            "segments",
            sa.Integer(),
            nullable=False,
            comment="Segments taken from it, training and development together.",
        ),
        comment="Which corpora a run trained on, and how much of each.",
    )
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The run."),
        sa.Column("position", sa.Integer(), nullable=False, comment="Order of the event, from 0."),
        sa.Column("happened_at", sa.DateTime(), nullable=False, comment="When, UTC."),
        sa.Column("event", sa.String(), nullable=False, comment="What happened."),
        sa.Column("detail", sa.String(), nullable=False, comment="JSON with the particulars."),
        comment="The log of a run: started, resumed, checkpoint written, finished.",
    )
    op.create_table(
        "segment",
        sa.Column("segment_id", sa.Integer(), nullable=False, comment="Key, unique over all corpora."),
        sa.Column("corpus_id", sa.Integer(), nullable=False, comment="The corpus."),
        sa.Column(
            "position", sa.Integer(), nullable=False, comment="Place in the corpus from 0, in the order of the source."
        ),
        sa.Column(
            "parallel_key",
            sa.String(),
            nullable=False,
            comment="Key shared by translations, e.g. MAT 5:3 (verse), 2:255 (aya), 17 (line).",
        ),
        sa.Column("text", sa.String(), nullable=False, comment="The text, white space collapsed, Unicode NFC."),
        comment="A sentence, verse or aya. Segments of one source with the same parallel key are translations of each other.",
    )
    op.create_table(
        "source",
        sa.Column("source_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("code", sa.String(), nullable=False, comment="Short name, as --corpus takes it."),
        sa.Column("name", sa.String(), nullable=False, comment="Full name."),
        sa.Column("domain", sa.String(), nullable=False, comment="religious, encyclopedic, news or other."),
        sa.Column("citation", sa.String(), nullable=False, comment="How to cite the source."),
        sa.UniqueConstraint("code"),
        comment="A data source such as pbc, tanzil, flores or a news outlet (Echoes section 4.1).",
    )
    op.create_table(
        "survey",
        sa.Column("survey_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("code", sa.String(), nullable=False, comment="Name given at ingest, e.g. wvs7-v6.0."),
        sa.Column(
            "illustrative",
            sa.Boolean(),
            nullable=False,
            comment="True where the numbers are invented for demonstration.",
        ),
        sa.Column("citation", sa.String(), nullable=False, comment="How to cite the survey."),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the ingested content."),
        sa.UniqueConstraint("code"),
        comment="A release of a survey, or a table of shares derived from one.",
    )
    op.create_table(
        "survey_response",
        sa.Column("survey_id", sa.Integer(), nullable=False, comment="The survey."),
        sa.Column("country_id", sa.Integer(), nullable=False, comment="The country."),
        sa.Column("variable", sa.String(), nullable=False, comment="Survey variable, e.g. Q106."),
        sa.Column("response_code", sa.Integer(), nullable=False, comment="Response code."),
        sa.Column(
            "n", sa.Integer(), nullable=True, comment="Interviewees, unweighted; NULL where the source has only shares."
        ),
        sa.Column("share", sa.Double(), nullable=True, comment="Unweighted share in [0, 1]."),
        sa.Column("weighted_n", sa.Double(), nullable=True, comment="Sum of W_WEIGHT."),
        sa.Column("weighted_share", sa.Double(), nullable=True, comment="Share weighted by W_WEIGHT, in [0, 1]."),
        sa.CheckConstraint("share BETWEEN 0 AND 1"),
        sa.CheckConstraint("weighted_share BETWEEN 0 AND 1"),
        comment="Answers of a country's interviewees to a survey variable, one row per response code. Shares are over all codes that the source reports, missing ones included where it has them.",
    )
    op.create_table(
        "training_example",
        sa.Column("training_example_id", sa.Integer(), nullable=False, comment="Key, unique over all runs."),
        sa.Column("run_id", sa.Integer(), nullable=False, comment="The run."),
        sa.Column(
            "position",
            sa.Integer(),
            nullable=False,
            comment="Number of the example in the run, from 0: with seed and epoch its corruption.",
        ),
        sa.Column("split", sa.String(), nullable=False, comment="train or development."),
        sa.Column(
            "segment_id",
            sa.Integer(),
            nullable=True,
            comment="The segment that it is made of; NULL for an example that is none.",
        ),
        sa.CheckConstraint("split IN ('train', 'development')"),
        comment="An example of a run's training or development split, in the order that the run numbers them.",
    )
    op.create_table(
        "checkpoint",
        sa.Column("checkpoint_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column(
            "base_model_id",
            sa.Integer(),
            sa.ForeignKey("base_model.base_model_id"),
            nullable=False,
            comment="The pretrained model that it descends from.",
        ),
        sa.Column(
            "run_id",
            sa.Integer(),
            nullable=True,
            comment="The run that made it; NULL for a model that was there before.",
        ),
        sa.Column(
            "epoch", sa.Integer(), nullable=False, comment="Epochs of the run that are done; 0 for a pretrained model."
        ),
        sa.Column("step", sa.Integer(), nullable=False, comment="Optimizer steps that are done."),
        sa.Column(
            "is_final",
            sa.Boolean(),
            nullable=False,
            comment="Whether it is the last of its run; true for a pretrained model.",
        ),
        sa.Column(
            "path",
            sa.String(),
            nullable=False,
            comment="Folder, relative to the store's folder where it is inside; a hub name otherwise.",
        ),
        sa.Column("digest", sa.String(), nullable=False, comment="SHA-256 over configuration, weights and tokenizer."),
        sa.Column(
            "mask",
            sa.String(),
            nullable=False,
            comment="JSON of a mask over modules or heads that belongs to the state; empty for none.",
        ),
        sa.UniqueConstraint("run_id", "epoch"),
        comment="A state of a model: pretrained (epoch 0), or after an epoch of a run.",
    )
    op.create_table(
        "corpus",
        sa.Column("corpus_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("source_id", sa.Integer(), sa.ForeignKey("source.source_id"), nullable=False, comment="The source."),
        sa.Column(
            "language_id",
            sa.Integer(),
            sa.ForeignKey("language.language_id"),
            nullable=False,
            comment="Language of the text.",
        ),
        sa.Column(
            "edition",
            sa.String(),
            nullable=False,
            comment="Edition or translation, from the file name unless given, e.g. fa.makarem.",
        ),
        sa.Column(
            "licence",
            sa.String(),
            nullable=False,
            comment="Licence as the origin states it; empty where it states none.",
        ),
        sa.Column("origin", sa.String(), nullable=False, comment="Name of the ingested file or its address."),
        sa.Column("sha256", sa.String(), nullable=False, comment="SHA-256 of the ingested keys and texts, in order."),
        sa.UniqueConstraint("source_id", "language_id", "edition"),
        comment="The text of a source in one language and edition.",
    )
    op.create_table(
        "language_country",
        sa.Column(
            "language_country_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."
        ),
        sa.Column(
            "language_id", sa.Integer(), sa.ForeignKey("language.language_id"), nullable=False, comment="The language."
        ),
        sa.Column(
            "country_id", sa.Integer(), sa.ForeignKey("country.country_id"), nullable=False, comment="The country."
        ),
        sa.Column("citation", sa.String(), nullable=False, comment="Where the mapping is from."),
        sa.UniqueConstraint("language_id", "country_id"),
        comment="The country that a language's profile is aligned with (Echoes section 3.2; dissertation Table 7.2).",
    )
    op.create_table(
        "probe_set",
        sa.Column("probe_set_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("code", sa.String(), nullable=False, comment="Name, e.g. echoes-2024."),
        sa.Column(
            "probe_collection_id",
            sa.Integer(),
            sa.ForeignKey("probe_collection.probe_collection_id"),
            nullable=False,
            comment="The collection that the probes are from.",
        ),
        sa.Column("description", sa.String(), nullable=False, comment="What is in it and why."),
        sa.UniqueConstraint("code"),
        comment="A named selection of probes, e.g. echoes-2024.",
    )
    op.create_table(
        "question",
        sa.Column("question_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column("code", sa.String(), nullable=False, comment="Identifier in the probe files, e.g. 1, 106a, 130d."),
        sa.Column("number", sa.Integer(), nullable=False, comment="Question number in WVS wave 7."),
        sa.Column(
            "variable",
            sa.String(),
            nullable=False,
            comment="Variable of the official survey file that holds the answers, e.g. Q106.",
        ),
        sa.Column(
            "category_id",
            sa.Integer(),
            sa.ForeignKey("category.category_id"),
            nullable=False,
            comment="The WVS category, by question number.",
        ),
        sa.UniqueConstraint("code"),
        comment="A question as the probes number it. Questions with two poles have two rows, e.g. 106a and 106b.",
    )
    op.create_table(
        "answer_side",
        sa.Column(
            "answer_side_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."
        ),
        sa.Column(
            "question_id", sa.Integer(), sa.ForeignKey("question.question_id"), nullable=False, comment="The question."
        ),
        sa.Column(
            "response_code", sa.Integer(), nullable=False, comment="Response code of the question's survey variable."
        ),
        sa.Column("side", sa.String(), nullable=False, comment="first or second answer; missing: counts for neither."),
        sa.CheckConstraint("side IN ('first', 'second', 'missing')"),
        sa.UniqueConstraint("question_id", "response_code"),
        comment="Which answer of a question's probes a response code counts for; middle classes go to the nearer end (Echoes section 3.5).",
    )
    op.create_table(
        "probe",
        sa.Column("probe_id", sa.Integer(), primary_key=True, autoincrement=False, nullable=False, comment="Key."),
        sa.Column(
            "probe_collection_id",
            sa.Integer(),
            sa.ForeignKey("probe_collection.probe_collection_id"),
            nullable=False,
            comment="Where the probe is from.",
        ),
        sa.Column(
            "question_id", sa.Integer(), sa.ForeignKey("question.question_id"), nullable=False, comment="The question."
        ),
        sa.Column(
            "language_id",
            sa.Integer(),
            sa.ForeignKey("language.language_id"),
            nullable=False,
            comment="Language of the sentence.",
        ),
        sa.Column("template", sa.String(), nullable=False, comment="Sentence with exactly one [MASK]."),
        sa.Column(
            "answer_first",
            sa.String(),
            nullable=False,
            comment="First candidate answer (A), as it takes the place of [MASK].",
        ),
        sa.Column("answer_second", sa.String(), nullable=False, comment="Second candidate answer (B)."),
        sa.Column(
            "mask_prefix",
            sa.String(),
            nullable=False,
            comment="Letters that the mask is glued to on its left, e.g. ber; mostly empty.",
        ),
        sa.Column(
            "mask_suffix",
            sa.String(),
            nullable=False,
            comment="Letters that the mask is glued to on its right, e.g. dir; mostly empty.",
        ),
        sa.Column(
            "polarity",
            sa.String(),
            nullable=False,
            comment="Whether the first answer is on the side that answer_side calls first (canonical), on the other (reversed), or cannot be told (undefined; profiles take such a probe as canonical, as the paper does).",
        ),
        sa.CheckConstraint("polarity IN ('canonical', 'reversed', 'undefined')"),
        sa.UniqueConstraint("probe_collection_id", "question_id", "language_id"),
        comment="A cloze sentence in one language with two candidate answers (Echoes section 3.2).",
    )
