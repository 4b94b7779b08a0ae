CREATE TABLE base_model (
    base_model_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    revision VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    architecture VARCHAR NOT NULL,
    parameters BIGINT,
    vocabulary INTEGER,
    adapter VARCHAR NOT NULL,
    PRIMARY KEY (base_model_id),
    UNIQUE (digest)
);
COMMENT ON TABLE base_model IS 'A pretrained model that runs start from.';
COMMENT ON COLUMN base_model.base_model_id IS 'Key.';
COMMENT ON COLUMN base_model.name IS 'Hub name or the name of the local model, e.g. google/mt5-small.';
COMMENT ON COLUMN base_model.revision IS 'Hub commit; as-of label of an endpoint; empty for a local model.';
COMMENT ON COLUMN base_model.digest IS 'SHA-256 over configuration, weights, adapter and tokenizer; over what is known of an endpoint.';
COMMENT ON COLUMN base_model.architecture IS 'Model type of its configuration, e.g. mt5; endpoint for a model behind an API.';
COMMENT ON COLUMN base_model.parameters IS 'Number of parameters; NULL of an endpoint.';
COMMENT ON COLUMN base_model.vocabulary IS 'Entries of the vocabulary; NULL of an endpoint.';
COMMENT ON COLUMN base_model.adapter IS 'Adapter beside its weights that is merged into them, e.g. LoRA alpha=8 rank=4 targets=q,v; empty without one.';

CREATE TABLE bootstrap (
    probe_set_id INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    resamples INTEGER NOT NULL,
    PRIMARY KEY (probe_set_id)
);
COMMENT ON TABLE bootstrap IS 'How the batteries of a probe set were drawn with replacement, for p-values of families of rows.';
COMMENT ON COLUMN bootstrap.probe_set_id IS 'The probe set.';
COMMENT ON COLUMN bootstrap.seed IS 'Seed of the draws.';
COMMENT ON COLUMN bootstrap.resamples IS 'How often as many batteries as the set has were drawn.';

CREATE TABLE bootstrap_draw (
    probe_set_id INTEGER NOT NULL,
    resample INTEGER NOT NULL,
    battery VARCHAR NOT NULL,
    times INTEGER NOT NULL,
    CHECK (resample > 0),
    CHECK (times > 0)
);
COMMENT ON TABLE bootstrap_draw IS 'How often a battery was drawn into a resample; without a row, not at all. All rows of a result share the draws, so that what depends on the same questions moves together.';
COMMENT ON COLUMN bootstrap_draw.probe_set_id IS 'The probe set.';
COMMENT ON COLUMN bootstrap_draw.resample IS 'Number of the resample, from 1.';
COMMENT ON COLUMN bootstrap_draw.battery IS 'The battery.';
COMMENT ON COLUMN bootstrap_draw.times IS 'How often it was drawn.';

CREATE TABLE category (
    category_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    first_number INTEGER,
    last_number INTEGER,
    in_study BOOLEAN NOT NULL,
    PRIMARY KEY (category_id),
    UNIQUE (code)
);
COMMENT ON TABLE category IS 'A theme of the World Values Survey (Echoes section 3.1; dissertation Table 7.1), or of one''s own questions.';
COMMENT ON COLUMN category.category_id IS 'Number of the category in Echoes section 3.1, 1 to 13; above for others.';
COMMENT ON COLUMN category.code IS 'Short name, as query results print it.';
COMMENT ON COLUMN category.name IS 'Full name as in Echoes section 3.1; the short name for others.';
COMMENT ON COLUMN category.first_number IS 'Lowest question number of the category in WVS wave 7; NULL for others.';
COMMENT ON COLUMN category.last_number IS 'Highest question number of the category in WVS wave 7; NULL for others. 56 is on happiness; the dissertation''s Table 7.1 counts it as social capital.';
COMMENT ON COLUMN category.in_study IS 'Whether the study of the paper uses the category (4 and 8 are excluded).';

CREATE TABLE class_logit (
    run_id INTEGER NOT NULL,
    checkpoint_id INTEGER NOT NULL,
    segment_id INTEGER NOT NULL,
    class_number INTEGER NOT NULL,
    logit DOUBLE PRECISION NOT NULL,
    logprob DOUBLE PRECISION NOT NULL,
    mask_id INTEGER,
    CHECK (class_number >= 1)
);
COMMENT ON TABLE class_logit IS 'Score of one class of a labelled text or pair of texts, by a checkpoint under a mask or without one.';
COMMENT ON COLUMN class_logit.run_id IS 'The run.';
COMMENT ON COLUMN class_logit.checkpoint_id IS 'The checkpoint.';
COMMENT ON COLUMN class_logit.segment_id IS 'The text or pair of texts.';
COMMENT ON COLUMN class_logit.class_number IS 'Class, from 1, in the order of the classifier''s outputs.';
COMMENT ON COLUMN class_logit.logit IS 'Its logit.';
COMMENT ON COLUMN class_logit.logprob IS 'Its log-probability, nats.';
COMMENT ON COLUMN class_logit.mask_id IS 'Mask that the checkpoint was under; NULL for none.';

CREATE TABLE classification_run (
    run_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    examples INTEGER NOT NULL,
    left_out VARCHAR,
    added_language_id INTEGER,
    added_percent INTEGER,
    PRIMARY KEY (run_id),
    CHECK ((added_language_id IS NULL) = (added_percent IS NULL)),
    CHECK (added_percent > 0)
);
COMMENT ON TABLE classification_run IS 'What a run trains a classifier on. In which languages, and how many examples of each, is in run_corpus.';
COMMENT ON COLUMN classification_run.run_id IS 'The run.';
COMMENT ON COLUMN classification_run.task_id IS 'What is told apart.';
COMMENT ON COLUMN classification_run.examples IS 'Training examples of a language, added ones not counted.';
COMMENT ON COLUMN classification_run.left_out IS 'Languages that have every example as well and are not trained on, comma-separated in alphabetical order; NULL if there is none.';
COMMENT ON COLUMN classification_run.added_language_id IS 'Language of which there are more examples; NULL if there is none.';
COMMENT ON COLUMN classification_run.added_percent IS 'How many more, in percent of the examples of a language.';

CREATE TABLE codebook (
    codebook_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    PRIMARY KEY (codebook_id),
    UNIQUE (code)
);
COMMENT ON TABLE codebook IS 'How the answers to a study''s variables stand to the two answers of probes: what a survey is read by.';
COMMENT ON COLUMN codebook.codebook_id IS 'Key.';
COMMENT ON COLUMN codebook.code IS 'Name that it gives itself, e.g. wvs7.';
COMMENT ON COLUMN codebook.title IS 'The study in words, with its wave or years.';
COMMENT ON COLUMN codebook.sha256 IS 'SHA-256 of content.';
COMMENT ON COLUMN codebook.content IS 'All that the file says, as JSON: settings of the study, variables, codes, labels.';

CREATE TABLE completion (
    run_id INTEGER NOT NULL,
    cloze_id INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    attribute VARCHAR NOT NULL,
    token INTEGER NOT NULL,
    logprob DOUBLE PRECISION NOT NULL,
    logprob_prior DOUBLE PRECISION,
    typicality_rank INTEGER,
    CHECK (rank >= 1 AND typicality_rank >= 1),
    CHECK (logprob <= 0 AND logprob_prior <= 0),
    CHECK ((logprob_prior IS NULL) = (typicality_rank IS NULL))
);
COMMENT ON TABLE completion IS 'One of the likeliest attributes of a sentence, by a checkpoint (D6 section 6.4). A checkpoint completes a sentence once under a prior.';
COMMENT ON COLUMN completion.run_id IS 'The run.';
COMMENT ON COLUMN completion.cloze_id IS 'The sentence.';
COMMENT ON COLUMN completion.rank IS 'Rank by probability, from 1.';
COMMENT ON COLUMN completion.attribute IS 'Text of the token, stripped; a token that continues a word keeps its mark, e.g. ##ly.';
COMMENT ON COLUMN completion.token IS 'Its number in the model''s vocabulary.';
COMMENT ON COLUMN completion.logprob IS 'Its log-probability in the sentence, nats, over the whole vocabulary.';
COMMENT ON COLUMN completion.logprob_prior IS 'Its log-probability with the group masked too, nats; NULL where the sentence has no prior.';
COMMENT ON COLUMN completion.typicality_rank IS 'Rank by typicality, logprob minus logprob_prior, among the attributes that were kept, from 1; equal ones by token; NULL where the sentence has no prior.';

CREATE TABLE completion_run (
    run_id INTEGER NOT NULL,
    group_list_id INTEGER NOT NULL,
    prior VARCHAR NOT NULL,
    top_k INTEGER NOT NULL,
    PRIMARY KEY (run_id),
    CHECK (prior IN ('one_mask', 'as_many', 'published')),
    CHECK (top_k >= 1)
);
COMMENT ON TABLE completion_run IS 'What a run lets a masked model complete. The model is run.start_checkpoint_id.';
COMMENT ON COLUMN completion_run.run_id IS 'The run.';
COMMENT ON COLUMN completion_run.group_list_id IS 'List of the groups that the sentences speak of.';
COMMENT ON COLUMN completion_run.prior IS 'What stands for the group in the prior: one_mask, as_many or published.';
COMMENT ON COLUMN completion_run.top_k IS 'Likeliest attributes of a sentence that were kept.';

CREATE TABLE country (
    country_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    alpha3 VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    PRIMARY KEY (country_id),
    UNIQUE (code),
    UNIQUE (alpha3)
);
COMMENT ON TABLE country IS 'A country or territory in which a survey was held.';
COMMENT ON COLUMN country.country_id IS 'Key.';
COMMENT ON COLUMN country.code IS 'ISO 3166-1 alpha-2 code.';
COMMENT ON COLUMN country.alpha3 IS 'ISO 3166-1 alpha-3 code.';
COMMENT ON COLUMN country.name IS 'English name (ISO 3166-1).';

CREATE TABLE demonstration (
    prompt_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    similarity DOUBLE PRECISION,
    CHECK (position >= 1),
    CHECK (answer IN (1, 2)),
    CHECK (similarity BETWEEN 0 AND 100)
);
COMMENT ON TABLE demonstration IS 'One completed sentence before a question.';
COMMENT ON COLUMN demonstration.prompt_id IS 'The prompt.';
COMMENT ON COLUMN demonstration.position IS 'Its line, from 1.';
COMMENT ON COLUMN demonstration.probe_id IS 'The probe that is completed.';
COMMENT ON COLUMN demonstration.answer IS 'The answer that it is completed with, 1 or 2.';
COMMENT ON COLUMN demonstration.similarity IS 'chrF++ of its sentence with the question, 0 to 100; NULL where it was drawn.';

CREATE TABLE emotion_score (
    run_id INTEGER NOT NULL,
    lexicon_id INTEGER NOT NULL,
    social_group_id INTEGER NOT NULL,
    emotion VARCHAR NOT NULL,
    words INTEGER NOT NULL,
    covered INTEGER NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    CHECK (covered BETWEEN 1 AND words),
    CHECK (score BETWEEN 0 AND 1)
);
COMMENT ON TABLE emotion_score IS 'Share of the words that a run completes the templates of a group with that are associated with an emotion (D6 equation 6.4): made of completions and a lexicon when either enters the store.';
COMMENT ON COLUMN emotion_score.run_id IS 'The run.';
COMMENT ON COLUMN emotion_score.lexicon_id IS 'The lexicon.';
COMMENT ON COLUMN emotion_score.social_group_id IS 'The group.';
COMMENT ON COLUMN emotion_score.emotion IS 'The emotion.';
COMMENT ON COLUMN emotion_score.words IS 'Different attributes over the templates of the group.';
COMMENT ON COLUMN emotion_score.covered IS 'Those that the lexicon has.';
COMMENT ON COLUMN emotion_score.score IS 'Share of these that are associated with the emotion, 0 to 1.';

CREATE TABLE group_list (
    group_list_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    PRIMARY KEY (group_list_id),
    UNIQUE (code)
);
COMMENT ON TABLE group_list IS 'A list of social groups.';
COMMENT ON COLUMN group_list.group_list_id IS 'Key.';
COMMENT ON COLUMN group_list.code IS 'Short name, as --groups takes it.';

CREATE TABLE head_importance (
    run_id INTEGER NOT NULL,
    iteration INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    attention_head INTEGER NOT NULL,
    importance DOUBLE PRECISION NOT NULL,
    disabled BOOLEAN NOT NULL,
    CHECK (layer >= 1 AND attention_head >= 1),
    CHECK (importance >= 0)
);
COMMENT ON TABLE head_importance IS 'How important each enabled attention head is at an iteration of pruning (dissertation equation 4.3).';
COMMENT ON COLUMN head_importance.run_id IS 'The run.';
COMMENT ON COLUMN head_importance.iteration IS 'The iteration.';
COMMENT ON COLUMN head_importance.layer IS 'Layer, from 1.';
COMMENT ON COLUMN head_importance.attention_head IS 'Attention head of the layer, from 1.';
COMMENT ON COLUMN head_importance.importance IS 'Mean absolute derivative of the loss by the head''s gate.';
COMMENT ON COLUMN head_importance.disabled IS 'Whether this iteration disables it.';

CREATE TABLE influence_epoch_test (
    influence_target_id INTEGER NOT NULL,
    other_target_id INTEGER NOT NULL,
    n INTEGER NOT NULL,
    z DOUBLE PRECISION,
    p DOUBLE PRECISION,
    CHECK (n >= 0)
);
COMMENT ON TABLE influence_epoch_test IS 'Whether the scores of all training examples differ between two epochs (Choenni et al. 2023, section 8.2): Wilcoxon''s signed-rank test, two-sided, by the normal approximation, corrected for ties and not for continuity; examples with equal scores are left out.';
COMMENT ON COLUMN influence_epoch_test.influence_target_id IS 'The target of the earlier epoch.';
COMMENT ON COLUMN influence_epoch_test.other_target_id IS 'The same probe or labelled text, traced at the later epoch.';
COMMENT ON COLUMN influence_epoch_test.n IS 'Training examples with different scores.';
COMMENT ON COLUMN influence_epoch_test.z IS 'Standardised rank sum, above 0 where the later scores are the higher ones; NULL where no score differs.';
COMMENT ON COLUMN influence_epoch_test.p IS 'Its p-value; NULL where no score differs.';

CREATE TABLE influence_histogram (
    influence_target_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    bin INTEGER NOT NULL,
    n INTEGER NOT NULL,
    CHECK (n > 0)
);
COMMENT ON TABLE influence_histogram IS 'How many training examples of a language have a score of a target in a bin (Choenni et al. 2023, figures 9 to 11), of targets over all checkpoints. Bin b has the scores from b to b + 1 times the run''s bin_width, the upper end left out: bins below 0 hold the negative scores, all others the positive ones and 0. A bin without examples has no row.';
COMMENT ON COLUMN influence_histogram.influence_target_id IS 'The target.';
COMMENT ON COLUMN influence_histogram.language_id IS 'Language of the training examples.';
COMMENT ON COLUMN influence_histogram.bin IS 'Number of the bin: the score over the run''s bin_width, rounded down.';
COMMENT ON COLUMN influence_histogram.n IS 'Training examples.';

CREATE TABLE influence_language (
    influence_target_id INTEGER NOT NULL,
    direction VARCHAR NOT NULL,
    language_id INTEGER NOT NULL,
    ranked INTEGER NOT NULL,
    examples INTEGER NOT NULL,
    translated INTEGER NOT NULL,
    wrong_sign INTEGER NOT NULL,
    CHECK (direction IN ('positive', 'negative'))
);
COMMENT ON TABLE influence_language IS 'How many of a target''s ranked examples are in each language that the traced run was trained on: counted when the rankings enter.';
COMMENT ON COLUMN influence_language.influence_target_id IS 'The target.';
COMMENT ON COLUMN influence_language.direction IS 'positive: the examples with the highest scores; negative: those with the lowest.';
COMMENT ON COLUMN influence_language.language_id IS 'Language of the examples.';
COMMENT ON COLUMN influence_language.ranked IS 'Ranked examples in all languages together.';
COMMENT ON COLUMN influence_language.examples IS 'Ranked examples in this one.';
COMMENT ON COLUMN influence_language.translated IS 'Of these, those whose text is among the ranked examples in the test language too.';
COMMENT ON COLUMN influence_language.wrong_sign IS 'Of these, those with a score of the other sign: a highest one below 0, a lowest one above.';

CREATE TABLE influence_overlap (
    influence_target_id INTEGER NOT NULL,
    other_target_id INTEGER NOT NULL,
    direction VARCHAR NOT NULL,
    shared INTEGER NOT NULL,
    CHECK (direction IN ('positive', 'negative'))
);
COMMENT ON TABLE influence_overlap IS 'What the rankings of two targets share, counted when these enter: under the same question in two test languages of a run the same examples; under the same probe, in runs that are alike but for the one language they trace, the same texts, by parallel key. No row where they share nothing, nor for targets of an epoch.';
COMMENT ON COLUMN influence_overlap.influence_target_id IS 'The target of the first test or fine-tuning language, by code.';
COMMENT ON COLUMN influence_overlap.other_target_id IS 'The target of the second.';
COMMENT ON COLUMN influence_overlap.direction IS 'positive: the examples with the highest scores; negative: those with the lowest.';
COMMENT ON COLUMN influence_overlap.shared IS 'Ranked examples, or pairs of a text and its translation, that both have.';

CREATE TABLE influence_ranking (
    influence_target_id INTEGER NOT NULL,
    direction VARCHAR NOT NULL,
    rank INTEGER NOT NULL,
    training_example_id INTEGER NOT NULL,
    score REAL NOT NULL,
    CHECK (direction IN ('positive', 'negative')),
    CHECK (rank > 0)
);
COMMENT ON TABLE influence_ranking IS 'The training examples of a target with the highest and with the lowest scores (Echoes section 7).';
COMMENT ON COLUMN influence_ranking.influence_target_id IS 'The target.';
COMMENT ON COLUMN influence_ranking.direction IS 'positive: the examples with the highest scores; negative: those with the lowest.';
COMMENT ON COLUMN influence_ranking.rank IS '1 for the highest score, or the lowest, of that direction.';
COMMENT ON COLUMN influence_ranking.training_example_id IS 'The training example.';
COMMENT ON COLUMN influence_ranking.score IS 'Influence score: above 0 it supports the traced quantity, below 0 it contradicts it.';

CREATE TABLE influence_run (
    run_id INTEGER NOT NULL,
    traced_run_id INTEGER NOT NULL,
    method VARCHAR NOT NULL,
    similarity VARCHAR NOT NULL,
    quantity VARCHAR NOT NULL,
    selection VARCHAR NOT NULL,
    projection VARCHAR NOT NULL,
    dimensions INTEGER NOT NULL,
    modules VARCHAR NOT NULL,
    damping DOUBLE PRECISION NOT NULL,
    checkpoints INTEGER NOT NULL,
    examples INTEGER NOT NULL,
    top_k INTEGER NOT NULL,
    bin_width DOUBLE PRECISION NOT NULL,
    training_masks VARCHAR,
    PRIMARY KEY (run_id),
    CHECK (method IN ('trak', 'tracin')),
    CHECK (training_masks IN ('test', 'own', 'none'))
);
COMMENT ON TABLE influence_run IS 'What an influence run traces, and how.';
COMMENT ON COLUMN influence_run.run_id IS 'The influence run.';
COMMENT ON COLUMN influence_run.traced_run_id IS 'The run whose training examples are ranked.';
COMMENT ON COLUMN influence_run.method IS 'trak or tracin.';
COMMENT ON COLUMN influence_run.similarity IS 'dot, or cosine if gradients are normalised first.';
COMMENT ON COLUMN influence_run.quantity IS 'What is traced: answer (given after fine-tuning), margin (first minus second) or shift (the margin, in the direction in which it moved); of a labelled text label (the class of its label).';
COMMENT ON COLUMN influence_run.selection IS 'Which targets are traced: of probes shifted, all or chosen; of labelled texts correct ones, or chosen.';
COMMENT ON COLUMN influence_run.projection IS 'none, principal, random or dense.';
COMMENT ON COLUMN influence_run.dimensions IS 'Directions on each side of a matrix; in all for a dense projection; 0 for none.';
COMMENT ON COLUMN influence_run.modules IS 'Groups of parameters that take part, comma-separated.';
COMMENT ON COLUMN influence_run.damping IS 'Lambda of TRAK in units of the features'' mean squared norm; 0 for TracIn.';
COMMENT ON COLUMN influence_run.checkpoints IS 'Model states that scores are averaged (TRAK) or summed (TracIn) over.';
COMMENT ON COLUMN influence_run.examples IS 'Training examples that were scored.';
COMMENT ON COLUMN influence_run.top_k IS 'Examples ranked per target and direction.';
COMMENT ON COLUMN influence_run.bin_width IS 'Width of the bins of influence_histogram. For TracIn''s cosines, which sum up to at most the number of checkpoints, 0.01 times that number. Other scores have no bound: of 1 and 5 times the powers of ten the largest that is at most a tenth of the standard deviation of that target''s scores which vary most.';
COMMENT ON COLUMN influence_run.training_masks IS 'Under which mask gradients of training examples were taken, where targets are traced under masks: test, that of the target; own, that of the example''s language; none. NULL where targets are traced without masks.';

CREATE TABLE influence_summary (
    influence_target_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    n INTEGER NOT NULL,
    score_sum DOUBLE PRECISION NOT NULL,
    score_sum_squares DOUBLE PRECISION NOT NULL,
    score_min DOUBLE PRECISION NOT NULL,
    score_max DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE influence_summary IS 'Moments of a target''s scores over all training examples of a language.';
COMMENT ON COLUMN influence_summary.influence_target_id IS 'The target.';
COMMENT ON COLUMN influence_summary.language_id IS 'Language of the training examples.';
COMMENT ON COLUMN influence_summary.n IS 'Training examples.';
COMMENT ON COLUMN influence_summary.score_sum IS 'Sum of scores.';
COMMENT ON COLUMN influence_summary.score_sum_squares IS 'Sum of squared scores.';
COMMENT ON COLUMN influence_summary.score_min IS 'Lowest score.';
COMMENT ON COLUMN influence_summary.score_max IS 'Highest score.';

CREATE TABLE influence_target (
    influence_target_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    probe_id INTEGER,
    segment_id INTEGER,
    epoch INTEGER,
    answer INTEGER,
    value DOUBLE PRECISION NOT NULL,
    CHECK (answer >= 1),
    CHECK ((probe_id IS NULL) <> (segment_id IS NULL))
);
COMMENT ON TABLE influence_target IS 'A prediction that an influence run traces back to training examples: the answer to a probe, or the class of a labelled text.';
COMMENT ON COLUMN influence_target.influence_target_id IS 'Key, unique over all runs.';
COMMENT ON COLUMN influence_target.run_id IS 'The influence run.';
COMMENT ON COLUMN influence_target.probe_id IS 'The probe; NULL for a target that is something else.';
COMMENT ON COLUMN influence_target.segment_id IS 'The labelled text; NULL for a probe.';
COMMENT ON COLUMN influence_target.epoch IS 'The epoch whose checkpoint alone was used; NULL where all were.';
COMMENT ON COLUMN influence_target.answer IS 'The answer that positive influence supports, from 1; NULL if it supports none.';
COMMENT ON COLUMN influence_target.value IS 'The traced quantity in the traced checkpoint, nats per token.';

CREATE TABLE ingest_file (
    ingest_file_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    target VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    rows_read INTEGER NOT NULL,
    rows_kept INTEGER NOT NULL,
    rows_rejected INTEGER NOT NULL,
    rows_repaired INTEGER NOT NULL,
    ingested_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    PRIMARY KEY (ingest_file_id),
    UNIQUE (kind, sha256, target)
);
COMMENT ON TABLE ingest_file IS 'A file that was ingested, with what was kept and rejected.';
COMMENT ON COLUMN ingest_file.ingest_file_id IS 'Key.';
COMMENT ON COLUMN ingest_file.kind IS 'probes, codebook, survey, corpus, task, groups, stereotype_collection or lexicon.';
COMMENT ON COLUMN ingest_file.target IS 'What the file was read into, e.g. pbc/fa/Farsi or arora-2023/fa.';
COMMENT ON COLUMN ingest_file.name IS 'File name; for an archive, archive and member.';
COMMENT ON COLUMN ingest_file.sha256 IS 'SHA-256 of the file''s bytes.';
COMMENT ON COLUMN ingest_file.rows_read IS 'Rows, verses or sentences in the file.';
COMMENT ON COLUMN ingest_file.rows_kept IS 'Rows that are in the store because of it.';
COMMENT ON COLUMN ingest_file.rows_rejected IS 'Rows that are in reject.';
COMMENT ON COLUMN ingest_file.rows_repaired IS 'Rows kept after a repair (entities, stray punctuation and the like).';
COMMENT ON COLUMN ingest_file.ingested_at IS 'When, UTC.';

CREATE TABLE language (
    language_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    iso639_3 VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    PRIMARY KEY (language_id),
    UNIQUE (code)
);
COMMENT ON TABLE language IS 'A language, as probes, corpora and profiles name it.';
COMMENT ON COLUMN language.language_id IS 'Key.';
COMMENT ON COLUMN language.code IS 'ISO 639-1 code; ISO 639-3 where the language has no two-letter code.';
COMMENT ON COLUMN language.iso639_3 IS 'ISO 639-3 code of the language or macrolanguage.';
COMMENT ON COLUMN language.name IS 'English name (ISO 639-3).';

CREATE TABLE lexicon (
    lexicon_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    citation VARCHAR NOT NULL,
    licence VARCHAR NOT NULL,
    may_be_passed_on BOOLEAN NOT NULL,
    emotions VARCHAR NOT NULL,
    is_complete BOOLEAN NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (lexicon_id),
    UNIQUE (code)
);
COMMENT ON TABLE lexicon IS 'A lexicon of words and the emotions that they are associated with (D6 section 6.5).';
COMMENT ON COLUMN lexicon.lexicon_id IS 'Key.';
COMMENT ON COLUMN lexicon.code IS 'Short name, e.g. nrc-0.92.';
COMMENT ON COLUMN lexicon.citation IS 'How to cite it.';
COMMENT ON COLUMN lexicon.licence IS 'Licence as the origin states it; empty where it states none.';
COMMENT ON COLUMN lexicon.may_be_passed_on IS 'Whether the licence allows to give the words to others, with a store for instance.';
COMMENT ON COLUMN lexicon.emotions IS 'Its emotions, comma-separated in its order.';
COMMENT ON COLUMN lexicon.is_complete IS 'Whether it has the words without any emotion too: where it lacks them shares are of fewer words, and higher.';
COMMENT ON COLUMN lexicon.sha256 IS 'SHA-256 of its words, emotions and values.';

CREATE TABLE lexicon_value (
    lexicon_id INTEGER NOT NULL,
    word VARCHAR NOT NULL,
    emotion VARCHAR NOT NULL,
    value INTEGER NOT NULL,
    CHECK (value IN (0, 1))
);
COMMENT ON TABLE lexicon_value IS 'Whether a word is associated with an emotion: a row of every word for every emotion of its lexicon.';
COMMENT ON COLUMN lexicon_value.lexicon_id IS 'The lexicon.';
COMMENT ON COLUMN lexicon_value.word IS 'The word, in lower case.';
COMMENT ON COLUMN lexicon_value.emotion IS 'The emotion.';
COMMENT ON COLUMN lexicon_value.value IS '1 if the word is associated with it, otherwise 0.';

CREATE TABLE mask (
    mask_id INTEGER NOT NULL,
    digest VARCHAR NOT NULL,
    layers INTEGER NOT NULL,
    heads INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    bits VARCHAR NOT NULL,
    PRIMARY KEY (mask_id),
    CHECK (enabled BETWEEN 0 AND layers * heads),
    UNIQUE (digest)
);
COMMENT ON TABLE mask IS 'Which attention heads of a model take part. A mask is its content: two ways to the same heads are one mask.';
COMMENT ON COLUMN mask.mask_id IS 'Key.';
COMMENT ON COLUMN mask.digest IS 'SHA-256 of LAYERSxHEADS:BITS, the bits as in the column.';
COMMENT ON COLUMN mask.layers IS 'Layers of the model.';
COMMENT ON COLUMN mask.heads IS 'Attention heads of a layer.';
COMMENT ON COLUMN mask.enabled IS 'Heads that take part.';
COMMENT ON COLUMN mask.bits IS 'Hexadecimal digits, layer by layer: a set bit is an enabled head; zeros fill up the last digit.';

CREATE TABLE mask_head (
    mask_id INTEGER NOT NULL,
    layer INTEGER NOT NULL,
    attention_head INTEGER NOT NULL,
    enabled BOOLEAN NOT NULL,
    CHECK (layer >= 1 AND attention_head >= 1)
);
COMMENT ON TABLE mask_head IS 'Whether an attention head takes part: the bits of a mask, one a row.';
COMMENT ON COLUMN mask_head.mask_id IS 'The mask.';
COMMENT ON COLUMN mask_head.layer IS 'Layer, from 1.';
COMMENT ON COLUMN mask_head.attention_head IS 'Attention head of the layer, from 1.';
COMMENT ON COLUMN mask_head.enabled IS 'Whether it takes part.';

CREATE TABLE metric (
    run_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    epoch DOUBLE PRECISION NOT NULL,
    step INTEGER NOT NULL,
    value DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE metric IS 'A number measured during a run, e.g. the training loss at a step.';
COMMENT ON COLUMN metric.run_id IS 'The run.';
COMMENT ON COLUMN metric.name IS 'loss (nats per target token), eval_loss (likewise), eval_accuracy, examples_per_second; leak, where subnetworks are trained: mean absolute change of a weight of a disabled head in a step, in units of that of an enabled one.';
COMMENT ON COLUMN metric.epoch IS 'Epochs done.';
COMMENT ON COLUMN metric.step IS 'Optimizer steps done.';
COMMENT ON COLUMN metric.value IS 'The number.';

CREATE TABLE option_score (
    prompt_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    logprob_sum DOUBLE PRECISION NOT NULL,
    logprob_first DOUBLE PRECISION NOT NULL,
    CHECK (tokens > 0)
);
COMMENT ON TABLE option_score IS 'How a model scores one option as the answer, by teacher forcing: exact where answers are a sample.';
COMMENT ON COLUMN option_score.prompt_id IS 'The prompt.';
COMMENT ON COLUMN option_score.run_id IS 'The run.';
COMMENT ON COLUMN option_score.number IS 'Number of the option.';
COMMENT ON COLUMN option_score.tokens IS 'Its tokens.';
COMMENT ON COLUMN option_score.logprob_sum IS 'Sum of their log-probabilities, nats.';
COMMENT ON COLUMN option_score.logprob_first IS 'Log-probability of the first token, nats.';

CREATE TABLE pca_point (
    run_id INTEGER NOT NULL,
    profile_id INTEGER NOT NULL,
    x DOUBLE PRECISION NOT NULL,
    y DOUBLE PRECISION NOT NULL
);
COMMENT ON TABLE pca_point IS 'Where a profile lies in the plane of the first two principal components.';
COMMENT ON COLUMN pca_point.run_id IS 'The run.';
COMMENT ON COLUMN pca_point.profile_id IS 'The profile.';
COMMENT ON COLUMN pca_point.x IS 'Coordinate along the first component.';
COMMENT ON COLUMN pca_point.y IS 'Coordinate along the second component.';

CREATE TABLE pca_run (
    run_id INTEGER NOT NULL,
    probe_set_id INTEGER NOT NULL,
    score VARCHAR,
    questions INTEGER NOT NULL,
    explained_x DOUBLE PRECISION NOT NULL,
    explained_y DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (run_id)
);
COMMENT ON TABLE pca_run IS 'A principal component analysis of profiles, centred and not scaled (Echoes Figures 4, 11 and 13).';
COMMENT ON COLUMN pca_run.run_id IS 'The run.';
COMMENT ON COLUMN pca_run.probe_set_id IS 'The probe set whose questions the profiles are over.';
COMMENT ON COLUMN pca_run.score IS 'Way of scoring behind models'' profiles; NULL where only countries are compared.';
COMMENT ON COLUMN pca_run.questions IS 'Questions that all profiles have.';
COMMENT ON COLUMN pca_run.explained_x IS 'Share of the profiles'' variance along x, in [0, 1].';
COMMENT ON COLUMN pca_run.explained_y IS 'Share of the profiles'' variance along y, in [0, 1].';

CREATE TABLE prediction_run (
    run_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    PRIMARY KEY (run_id)
);
COMMENT ON TABLE prediction_run IS 'What a run asks a classifier.';
COMMENT ON COLUMN prediction_run.run_id IS 'The run.';
COMMENT ON COLUMN prediction_run.task_id IS 'What the classifier tells apart.';

CREATE TABLE probe_answer (
    run_id INTEGER NOT NULL,
    checkpoint_id INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    score VARCHAR NOT NULL,
    answer INTEGER NOT NULL,
    margin DOUBLE PRECISION NOT NULL,
    p_first DOUBLE PRECISION NOT NULL,
    CHECK (score IN ('sum', 'mean', 'first')),
    CHECK (answer >= 1)
);
COMMENT ON TABLE probe_answer IS 'The answer that a checkpoint gives, by each way of scoring. Equal scores count for the first answer.';
COMMENT ON COLUMN probe_answer.run_id IS 'The probing run.';
COMMENT ON COLUMN probe_answer.checkpoint_id IS 'The checkpoint.';
COMMENT ON COLUMN probe_answer.probe_id IS 'The probe.';
COMMENT ON COLUMN probe_answer.score IS 'sum: summed log-probability; mean: per token; first: of the first token.';
COMMENT ON COLUMN probe_answer.answer IS 'Number of the candidate with the highest score, from 1.';
COMMENT ON COLUMN probe_answer.margin IS 'Score of the first candidate minus that of the second, nats.';
COMMENT ON COLUMN probe_answer.p_first IS 'Softmax over the two scores, first component (Echoes section 3.5).';

CREATE TABLE probe_collection (
    probe_collection_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    citation VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (probe_collection_id),
    UNIQUE (code)
);
COMMENT ON TABLE probe_collection IS 'Where probes come from, e.g. the archive of Arora et al. (2023).';
COMMENT ON COLUMN probe_collection.probe_collection_id IS 'Key.';
COMMENT ON COLUMN probe_collection.code IS 'Name given at ingest, e.g. arora-2023.';
COMMENT ON COLUMN probe_collection.citation IS 'How to cite the probes.';
COMMENT ON COLUMN probe_collection.sha256 IS 'SHA-256 of the ingested content.';

CREATE TABLE probe_logit (
    run_id INTEGER NOT NULL,
    checkpoint_id INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    answer INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    logit_sum DOUBLE PRECISION NOT NULL,
    logprob_sum DOUBLE PRECISION NOT NULL,
    logprob_first DOUBLE PRECISION NOT NULL,
    CHECK (answer >= 1),
    CHECK (tokens > 0)
);
COMMENT ON TABLE probe_logit IS 'Score of one candidate answer by teacher forcing (Echoes section 3.4), over the answer''s own tokens.';
COMMENT ON COLUMN probe_logit.run_id IS 'The probing run.';
COMMENT ON COLUMN probe_logit.checkpoint_id IS 'The checkpoint.';
COMMENT ON COLUMN probe_logit.probe_id IS 'The probe.';
COMMENT ON COLUMN probe_logit.answer IS 'Number of the candidate, from 1.';
COMMENT ON COLUMN probe_logit.tokens IS 'Tokens of the answer, sentinels not counted.';
COMMENT ON COLUMN probe_logit.logit_sum IS 'Sum of the tokens'' logits.';
COMMENT ON COLUMN probe_logit.logprob_sum IS 'Sum of the tokens'' log-probabilities over the full vocabulary, nats.';
COMMENT ON COLUMN probe_logit.logprob_first IS 'Log-probability of the first token, nats.';

CREATE TABLE probe_set_member (
    probe_set_id INTEGER NOT NULL,
    question_id INTEGER NOT NULL,
    battery VARCHAR NOT NULL
);
COMMENT ON TABLE probe_set_member IS 'The questions of a probe set.';
COMMENT ON COLUMN probe_set_member.probe_set_id IS 'The probe set.';
COMMENT ON COLUMN probe_set_member.question_id IS 'A question in it.';
COMMENT ON COLUMN probe_set_member.battery IS 'What it is drawn and left out together with: the consecutive questions that share its frame and pair of answers, e.g. 64-89. A question that stands alone is a battery of one.';

CREATE TABLE profile (
    profile_id INTEGER NOT NULL,
    checkpoint_id INTEGER,
    language_id INTEGER,
    probe_collection_id INTEGER,
    score VARCHAR,
    run_id INTEGER,
    survey_id INTEGER,
    country_id INTEGER,
    weighting VARCHAR,
    PRIMARY KEY (profile_id),
    UNIQUE (checkpoint_id, language_id, probe_collection_id, score, run_id),
    UNIQUE (survey_id, country_id, weighting),
    CHECK ((checkpoint_id IS NULL) <> (survey_id IS NULL))
);
COMMENT ON TABLE profile IS 'A cultural profile: of a checkpoint in a language, or of the people of a country (Echoes section 3.5).';
COMMENT ON COLUMN profile.profile_id IS 'Key.';
COMMENT ON COLUMN profile.checkpoint_id IS 'The checkpoint of a model''s profile.';
COMMENT ON COLUMN profile.language_id IS 'The test language of a model''s profile.';
COMMENT ON COLUMN profile.probe_collection_id IS 'The probes behind a model''s profile.';
COMMENT ON COLUMN profile.score IS 'The way of scoring behind a model''s profile: sum, mean or first of probes; sampled or scored of a chat model.';
COMMENT ON COLUMN profile.run_id IS 'The run whose answers a chat model''s profile is made of; NULL for one made of all probes that were asked.';
COMMENT ON COLUMN profile.survey_id IS 'The survey of a country''s profile.';
COMMENT ON COLUMN profile.country_id IS 'The country of a country''s profile.';
COMMENT ON COLUMN profile.weighting IS 'weighted or unweighted, for a country''s profile.';

CREATE TABLE profile_value (
    profile_id INTEGER NOT NULL,
    question_id INTEGER NOT NULL,
    p_first DOUBLE PRECISION NOT NULL,
    CHECK (p_first BETWEEN 0 AND 1)
);
COMMENT ON TABLE profile_value IS 'One question of a profile. Both kinds are oriented alike: p_first belongs to the side that answer_side calls first, also where a language''s probe has its answers the other way round.';
COMMENT ON COLUMN profile_value.profile_id IS 'The profile.';
COMMENT ON COLUMN profile_value.question_id IS 'The question.';
COMMENT ON COLUMN profile_value.p_first IS 'Probability of, or share of people on, the first answer''s side.';

CREATE TABLE prompt (
    prompt_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    probe_id INTEGER NOT NULL,
    variant INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    tokens INTEGER,
    CHECK (variant >= 1 AND samples >= 0)
);
COMMENT ON TABLE prompt IS 'One text that a run puts to a model, before its chat template.';
COMMENT ON COLUMN prompt.prompt_id IS 'Key, unique over all runs.';
COMMENT ON COLUMN prompt.run_id IS 'The run.';
COMMENT ON COLUMN prompt.probe_id IS 'The probe that is asked.';
COMMENT ON COLUMN prompt.variant IS 'Number among the prompts of the probe in the run, from 1.';
COMMENT ON COLUMN prompt.samples IS 'Sampled answers that it was to have.';
COMMENT ON COLUMN prompt.text IS 'The text.';
COMMENT ON COLUMN prompt.tokens IS 'Its tokens, with those of the chat template; NULL where that is not known.';

CREATE TABLE prompt_option (
    prompt_id INTEGER NOT NULL,
    number INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    place INTEGER NOT NULL,
    side VARCHAR NOT NULL,
    CHECK (number >= 1 AND place >= 1),
    CHECK (side IN ('first', 'second'))
);
COMMENT ON TABLE prompt_option IS 'One answer that a prompt offers.';
COMMENT ON COLUMN prompt_option.prompt_id IS 'The prompt.';
COMMENT ON COLUMN prompt_option.number IS 'Number of the option, from 1: 1 and 2 are the answers of a probe.';
COMMENT ON COLUMN prompt_option.text IS 'The option, as shown.';
COMMENT ON COLUMN prompt_option.place IS 'Where it is shown among the options, from 1.';
COMMENT ON COLUMN prompt_option.side IS 'Side of answer_side that it is on; polarity is allowed for.';

CREATE TABLE pruning_run (
    run_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    examples INTEGER NOT NULL,
    development_examples INTEGER NOT NULL,
    score_before DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (run_id),
    CHECK (score_before BETWEEN 0 AND 1)
);
COMMENT ON TABLE pruning_run IS 'What a run prunes. The model is run.start_checkpoint_id.';
COMMENT ON COLUMN pruning_run.run_id IS 'The run.';
COMMENT ON COLUMN pruning_run.task_id IS 'What the model tells apart.';
COMMENT ON COLUMN pruning_run.language_id IS 'Language of the examples.';
COMMENT ON COLUMN pruning_run.examples IS 'Training examples that importance was estimated on.';
COMMENT ON COLUMN pruning_run.development_examples IS 'Development examples that accuracy is of.';
COMMENT ON COLUMN pruning_run.score_before IS 'Accuracy on these with all heads.';

CREATE TABLE pruning_step (
    run_id INTEGER NOT NULL,
    iteration INTEGER NOT NULL,
    enabled INTEGER NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    kept BOOLEAN NOT NULL,
    CHECK (iteration >= 1),
    CHECK (score BETWEEN 0 AND 1)
);
COMMENT ON TABLE pruning_step IS 'One iteration of pruning: the least important heads are disabled, and accuracy is measured.';
COMMENT ON COLUMN pruning_step.run_id IS 'The run.';
COMMENT ON COLUMN pruning_step.iteration IS 'Its number, from 1.';
COMMENT ON COLUMN pruning_step.enabled IS 'Heads that are enabled after it.';
COMMENT ON COLUMN pruning_step.score IS 'Accuracy on the development examples with these.';
COMMENT ON COLUMN pruning_step.kept IS 'Whether that is at or above the threshold; the first that is not is the last iteration.';

CREATE TABLE reject (
    ingest_file_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    line INTEGER NOT NULL,
    item VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    content VARCHAR NOT NULL
);
COMMENT ON TABLE reject IS 'A row that ingest did not take, kept with the reason.';
COMMENT ON COLUMN reject.ingest_file_id IS 'The file.';
COMMENT ON COLUMN reject.position IS 'Number of the rejected row in the file, from 0.';
COMMENT ON COLUMN reject.line IS 'Line in the file, from 1; 0 where the whole file is meant.';
COMMENT ON COLUMN reject.item IS 'What the row is about, e.g. question 130d or MAT 18:11; may be empty.';
COMMENT ON COLUMN reject.reason IS 'Why it was not taken.';
COMMENT ON COLUMN reject.content IS 'The row as it was, at most 500 characters.';

CREATE TABLE response (
    prompt_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    text VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    answer INTEGER,
    finish VARCHAR,
    refused BOOLEAN NOT NULL,
    tokens INTEGER,
    logprob DOUBLE PRECISION,
    CHECK (outcome IN ('answer', 'refusal', 'none', 'both', 'truncated', 'filtered', 'empty')),
    CHECK ((answer IS NULL) = (outcome <> 'answer')),
    CHECK (sample >= 0)
);
COMMENT ON TABLE response IS 'One sampled answer, and how it was read.';
COMMENT ON COLUMN response.prompt_id IS 'The prompt.';
COMMENT ON COLUMN response.run_id IS 'The run.';
COMMENT ON COLUMN response.sample IS 'Number of the answer, from 0.';
COMMENT ON COLUMN response.text IS 'What was answered.';
COMMENT ON COLUMN response.outcome IS 'How it was read: answer, refusal, none or both of the options, truncated before one, filtered, or empty.';
COMMENT ON COLUMN response.answer IS 'Number of the option; NULL where it is no answer.';
COMMENT ON COLUMN response.finish IS 'Why it ended: stop, length or content_filter; NULL where that is not known.';
COMMENT ON COLUMN response.refused IS 'Whether the service itself called it a refusal.';
COMMENT ON COLUMN response.tokens IS 'Its tokens; NULL where that is not known.';
COMMENT ON COLUMN response.logprob IS 'Its log-probability at temperature 1, nats; NULL where that is not known.';

CREATE TABLE response_run (
    run_id INTEGER NOT NULL,
    probe_set_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    prompt_form_id INTEGER NOT NULL,
    strategy VARCHAR,
    demonstrations INTEGER,
    ordering VARCHAR,
    demonstrated_country_id INTEGER,
    demonstrated_survey_id INTEGER,
    weighting VARCHAR,
    answers VARCHAR,
    options VARCHAR NOT NULL,
    option_order VARCHAR NOT NULL,
    samples INTEGER NOT NULL,
    scored BOOLEAN NOT NULL,
    temperature DOUBLE PRECISION NOT NULL,
    top_p DOUBLE PRECISION NOT NULL,
    top_k INTEGER,
    max_tokens INTEGER NOT NULL,
    draw INTEGER NOT NULL,
    parser INTEGER NOT NULL,
    PRIMARY KEY (run_id),
    CHECK (options IN ('probe', 'scale')),
    CHECK (option_order IN ('drawn', 'listed', 'balanced')),
    CHECK (strategy IN ('random', 'random_category', 'chrf_category', 'chrf')),
    CHECK (ordering IN ('similar_last', 'similar_first', 'shuffled')),
    CHECK (answers IN ('majority', 'minority')),
    CHECK (weighting IN ('weighted', 'unweighted')),
    CHECK ((strategy IS NULL) = (demonstrations IS NULL)),
    CHECK ((strategy IS NULL) = (ordering IS NULL)),
    CHECK ((strategy IS NULL) = (demonstrated_country_id IS NULL)),
    CHECK ((strategy IS NULL) = (demonstrated_survey_id IS NULL)),
    CHECK ((strategy IS NULL) = (answers IS NULL)),
    CHECK ((strategy IS NULL) = (weighting IS NULL)),
    CHECK (samples >= 0 AND draw >= 1 AND temperature > 0)
);
COMMENT ON TABLE response_run IS 'What a run asks a chat model, and how. The model is run.start_checkpoint_id: NULL if none was asked.';
COMMENT ON COLUMN response_run.run_id IS 'The run.';
COMMENT ON COLUMN response_run.probe_set_id IS 'The probe set that is asked.';
COMMENT ON COLUMN response_run.language_id IS 'Language of the questions.';
COMMENT ON COLUMN response_run.prompt_form_id IS 'Wording of the prompts.';
COMMENT ON COLUMN response_run.strategy IS 'How demonstrations are chosen; NULL of a zero-shot run, as the next six.';
COMMENT ON COLUMN response_run.demonstrations IS 'Most demonstrations before a question.';
COMMENT ON COLUMN response_run.ordering IS 'In which order they stand.';
COMMENT ON COLUMN response_run.demonstrated_country_id IS 'Whose answers they show.';
COMMENT ON COLUMN response_run.demonstrated_survey_id IS 'Survey that has these.';
COMMENT ON COLUMN response_run.weighting IS 'Whether its weights count: weighted or unweighted.';
COMMENT ON COLUMN response_run.answers IS 'majority, or minority: the answer of the other side.';
COMMENT ON COLUMN response_run.options IS 'What there is to choose from: probe, its two answers; scale, the survey''s own.';
COMMENT ON COLUMN response_run.option_order IS 'Which option is shown first: drawn, listed or balanced.';
COMMENT ON COLUMN response_run.samples IS 'Sampled answers of a question; 0 if none were asked for.';
COMMENT ON COLUMN response_run.scored IS 'Whether options were scored.';
COMMENT ON COLUMN response_run.temperature IS 'Sampling temperature.';
COMMENT ON COLUMN response_run.top_p IS 'Share of the probability that tokens are drawn from.';
COMMENT ON COLUMN response_run.top_k IS 'Most tokens that one is drawn from; NULL for all.';
COMMENT ON COLUMN response_run.max_tokens IS 'Length at which an answer is cut off, in tokens.';
COMMENT ON COLUMN response_run.draw IS 'Number of the repetition, from 1.';
COMMENT ON COLUMN response_run.parser IS 'Version of the parser that read the answers.';

CREATE TABLE run (
    run_id INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    spec_hash VARCHAR NOT NULL,
    spec VARCHAR NOT NULL,
    parent_run_id INTEGER,
    start_checkpoint_id INTEGER,
    seed INTEGER NOT NULL,
    status VARCHAR NOT NULL,
    started_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    finished_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    committed_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    provenance VARCHAR NOT NULL,
    PRIMARY KEY (run_id),
    CHECK (status IN ('committed', 'deleting')),
    UNIQUE (spec_hash)
);
COMMENT ON TABLE run IS 'A compute job whose results are in the store.';
COMMENT ON COLUMN run.run_id IS 'Key.';
COMMENT ON COLUMN run.kind IS 'Kind of job, e.g. finetune or probe.';
COMMENT ON COLUMN run.name IS 'Name of the job directory: kind and the first 12 digits of the spec hash.';
COMMENT ON COLUMN run.spec_hash IS 'SHA-256 of the canonical specification: the identity of the job.';
COMMENT ON COLUMN run.spec IS 'The specification as JSON: all that determines the result.';
COMMENT ON COLUMN run.parent_run_id IS 'The run whose checkpoint this one starts from or examines.';
COMMENT ON COLUMN run.start_checkpoint_id IS 'The checkpoint that this run starts from or examines.';
COMMENT ON COLUMN run.seed IS 'Seed of everything random in the run.';
COMMENT ON COLUMN run.status IS 'committed, or deleting while a deletion is under way.';
COMMENT ON COLUMN run.started_at IS 'When the job started, UTC.';
COMMENT ON COLUMN run.finished_at IS 'When it finished, UTC.';
COMMENT ON COLUMN run.committed_at IS 'When it was committed, UTC.';
COMMENT ON COLUMN run.provenance IS 'JSON: mlv version, git commit and dirty flag, package versions, hardware, thread count, determinism flags, arguments as given.';

CREATE TABLE run_corpus (
    run_id INTEGER NOT NULL,
    corpus_id INTEGER NOT NULL,
    segments INTEGER NOT NULL
);
COMMENT ON TABLE run_corpus IS 'Which corpora a run trained on, and how much of each.';
COMMENT ON COLUMN run_corpus.run_id IS 'The run.';
COMMENT ON COLUMN run_corpus.corpus_id IS 'A corpus it trained on.';
COMMENT ON COLUMN run_corpus.segments IS 'Segments taken from it, training and development together.';

CREATE TABLE run_event (
    run_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    happened_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    event VARCHAR NOT NULL,
    detail VARCHAR NOT NULL
);
COMMENT ON TABLE run_event IS 'The log of a run: started, resumed, checkpoint written, finished.';
COMMENT ON COLUMN run_event.run_id IS 'The run.';
COMMENT ON COLUMN run_event.position IS 'Order of the event, from 0.';
COMMENT ON COLUMN run_event.happened_at IS 'When, UTC.';
COMMENT ON COLUMN run_event.event IS 'What happened.';
COMMENT ON COLUMN run_event.detail IS 'JSON with the particulars.';

CREATE TABLE run_mask (
    run_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    mask_id INTEGER NOT NULL,
    subnetwork VARCHAR NOT NULL
);
COMMENT ON TABLE run_mask IS 'Under which mask a run trains on, predicts or traces texts in a language. Languages without a row: without a mask.';
COMMENT ON COLUMN run_mask.run_id IS 'The run.';
COMMENT ON COLUMN run_mask.language_id IS 'Language of the texts.';
COMMENT ON COLUMN run_mask.mask_id IS 'The mask.';
COMMENT ON COLUMN run_mask.subnetwork IS 'Name of the subnetwork, as the run was given it: it may be deleted since.';

CREATE TABLE segment (
    segment_id INTEGER NOT NULL,
    corpus_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    parallel_key VARCHAR NOT NULL,
    text VARCHAR NOT NULL,
    text_pair VARCHAR,
    label VARCHAR
);
COMMENT ON TABLE segment IS 'A sentence, verse or aya, or an example of a labelled data set. Segments of one source with the same parallel key are translations of each other.';
COMMENT ON COLUMN segment.segment_id IS 'Key, unique over all corpora.';
COMMENT ON COLUMN segment.corpus_id IS 'The corpus.';
COMMENT ON COLUMN segment.position IS 'Place in the corpus from 0, in the order of the source.';
COMMENT ON COLUMN segment.parallel_key IS 'Key shared by translations, e.g. MAT 5:3 (verse), 2:255 (aya), 17 (line), dev:17 (of a split).';
COMMENT ON COLUMN segment.text IS 'The text, white space collapsed, Unicode NFC.';
COMMENT ON COLUMN segment.text_pair IS 'Second text of a pair, e.g. the hypothesis of a premise; NULL if there is none.';
COMMENT ON COLUMN segment.label IS 'Label as in the file, e.g. entailment; NULL for text that is not labelled.';

CREATE TABLE social_group (
    social_group_id INTEGER NOT NULL,
    group_list_id INTEGER NOT NULL,
    category VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    PRIMARY KEY (social_group_id),
    CHECK (kind IN ('people', 'country')),
    UNIQUE (group_list_id, category, name)
);
COMMENT ON TABLE social_group IS 'A social group of a list (D6 section 6.3). A name that stands in two categories is two groups.';
COMMENT ON COLUMN social_group.social_group_id IS 'Key.';
COMMENT ON COLUMN social_group.group_list_id IS 'The list.';
COMMENT ON COLUMN social_group.category IS 'Category, e.g. profession.';
COMMENT ON COLUMN social_group.name IS 'The group as sentences have it, e.g. academics.';
COMMENT ON COLUMN social_group.kind IS 'people or country: which templates it fits.';

CREATE TABLE source (
    source_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    domain VARCHAR NOT NULL,
    citation VARCHAR NOT NULL,
    PRIMARY KEY (source_id),
    UNIQUE (code)
);
COMMENT ON TABLE source IS 'A data source such as pbc, tanzil, flores or a news outlet (Echoes section 4.1).';
COMMENT ON COLUMN source.source_id IS 'Key.';
COMMENT ON COLUMN source.code IS 'Short name, as --source takes it.';
COMMENT ON COLUMN source.name IS 'Full name.';
COMMENT ON COLUMN source.domain IS 'religious, encyclopedic, news or other.';
COMMENT ON COLUMN source.citation IS 'How to cite the source.';

CREATE TABLE stereotype (
    stereotype_collection_id INTEGER NOT NULL,
    line INTEGER NOT NULL,
    cloze_id INTEGER NOT NULL,
    attribute VARCHAR NOT NULL,
    words INTEGER NOT NULL,
    engine VARCHAR NOT NULL,
    CHECK (line >= 1 AND words >= 1)
);
COMMENT ON TABLE stereotype IS 'An attribute that people give to a group: a row of a collection, whether or not another says the same.';
COMMENT ON COLUMN stereotype.stereotype_collection_id IS 'The collection.';
COMMENT ON COLUMN stereotype.line IS 'Number of the row in the collection, from 1.';
COMMENT ON COLUMN stereotype.cloze_id IS 'The sentence that it completes.';
COMMENT ON COLUMN stereotype.attribute IS 'The attribute, stripped, e.g. pretentious.';
COMMENT ON COLUMN stereotype.words IS 'Words that it has.';
COMMENT ON COLUMN stereotype.engine IS 'Where it was found, e.g. Google; multiple for more than one; empty where it is not said.';

CREATE TABLE subnetwork (
    subnetwork_id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    mask_id INTEGER NOT NULL,
    origin VARCHAR NOT NULL,
    run_id INTEGER,
    language_id INTEGER,
    amount INTEGER,
    seed INTEGER,
    PRIMARY KEY (subnetwork_id),
    CHECK (origin IN ('pruned', 'union', 'intersection', 'shuffled', 'shuffled_in_layers', 'random', 'avoiding')),
    CHECK ((origin = 'pruned') = (run_id IS NOT NULL)),
    CHECK ((origin = 'pruned') = (language_id IS NOT NULL)),
    CHECK ((origin IN ('random', 'avoiding')) = (amount IS NOT NULL)),
    CHECK ((origin IN ('pruned', 'union', 'intersection')) = (seed IS NULL))
);
COMMENT ON TABLE subnetwork IS 'A mask with where it comes from: found by pruning, or derived from others.';
COMMENT ON COLUMN subnetwork.subnetwork_id IS 'Key.';
COMMENT ON COLUMN subnetwork.name IS 'Of a pruned one its run; of a derived one how it is derived, e.g. shuffled(prune-0123456789ab,1).';
COMMENT ON COLUMN subnetwork.mask_id IS 'Its mask.';
COMMENT ON COLUMN subnetwork.origin IS 'pruned; union or intersection of its parts; shuffled: as many heads as its part has, at random places, or shuffled_in_layers: as many in each layer; random: so many heads at random places; avoiding: all heads but so many random ones of those that its part has.';
COMMENT ON COLUMN subnetwork.run_id IS 'The prune run that found it; NULL of a derived one.';
COMMENT ON COLUMN subnetwork.language_id IS 'Language whose examples it was pruned for; NULL of a derived one.';
COMMENT ON COLUMN subnetwork.amount IS 'Heads that a random one enables, or that an avoiding one disables; otherwise NULL.';
COMMENT ON COLUMN subnetwork.seed IS 'Seed of the draw; NULL where nothing is drawn.';

CREATE TABLE subnetwork_part (
    subnetwork_id INTEGER NOT NULL,
    part_subnetwork_id INTEGER NOT NULL
);
COMMENT ON TABLE subnetwork_part IS 'What a subnetwork is derived from.';
COMMENT ON COLUMN subnetwork_part.subnetwork_id IS 'The derived one.';
COMMENT ON COLUMN subnetwork_part.part_subnetwork_id IS 'One that it is derived from.';

CREATE TABLE survey_response (
    survey_id INTEGER NOT NULL,
    country_id INTEGER NOT NULL,
    variable VARCHAR NOT NULL,
    response_code INTEGER NOT NULL,
    n INTEGER,
    share DOUBLE PRECISION,
    weighted_n DOUBLE PRECISION,
    weighted_share DOUBLE PRECISION,
    CHECK (share BETWEEN 0 AND 1),
    CHECK (weighted_share BETWEEN 0 AND 1)
);
COMMENT ON TABLE survey_response IS 'Answers of a country''s interviewees to a survey variable, one row per response code. Shares are over all codes that the source reports, missing ones included where it has them.';
COMMENT ON COLUMN survey_response.survey_id IS 'The survey.';
COMMENT ON COLUMN survey_response.country_id IS 'The country.';
COMMENT ON COLUMN survey_response.variable IS 'Survey variable, e.g. Q106.';
COMMENT ON COLUMN survey_response.response_code IS 'Response code.';
COMMENT ON COLUMN survey_response.n IS 'Interviewees, unweighted; NULL where the source has only shares.';
COMMENT ON COLUMN survey_response.share IS 'Unweighted share in [0, 1], of n where that is there; NULL where the source has only weighted ones.';
COMMENT ON COLUMN survey_response.weighted_n IS 'Sum of the respondents'' weights; NULL where the source has no respondents.';
COMMENT ON COLUMN survey_response.weighted_share IS 'Share by the respondents'' weights, in [0, 1]; NULL where the source has no weights.';

CREATE TABLE training_example (
    training_example_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    split VARCHAR NOT NULL,
    segment_id INTEGER,
    CHECK (split IN ('train', 'development', 'test'))
);
COMMENT ON TABLE training_example IS 'An example of a split of a run, in the order that the run numbers them: made of a segment.';
COMMENT ON COLUMN training_example.training_example_id IS 'Key, unique over all runs.';
COMMENT ON COLUMN training_example.run_id IS 'The run.';
COMMENT ON COLUMN training_example.position IS 'Number of the example in the run, from 0: with seed and epoch its corruption.';
COMMENT ON COLUMN training_example.split IS 'train, development or test.';
COMMENT ON COLUMN training_example.segment_id IS 'The segment that it is made of; NULL for an example that is made of something else.';

CREATE TABLE validation_lds (
    run_id INTEGER NOT NULL,
    test VARCHAR NOT NULL,
    quantity VARCHAR NOT NULL,
    scores VARCHAR NOT NULL,
    seeds VARCHAR NOT NULL,
    targets INTEGER NOT NULL,
    draws INTEGER NOT NULL,
    n INTEGER NOT NULL,
    lds DOUBLE PRECISION NOT NULL,
    lds_low DOUBLE PRECISION,
    lds_high DOUBLE PRECISION,
    difference DOUBLE PRECISION,
    difference_low DOUBLE PRECISION,
    difference_high DOUBLE PRECISION,
    null_mean DOUBLE PRECISION,
    null_sd DOUBLE PRECISION,
    CHECK (test IN ('lds', 'language')),
    CHECK (seeds IN ('same', 'other')),
    CHECK (quantity IN ('answer', 'margin', 'shift', 'label'))
);
COMMENT ON TABLE validation_lds IS 'Linear datamodeling scores (LDS; Park et al. 2023, section 3): Spearman''s rho between predicted and true values over models trained on subsets of the examples, mean over the probes. Intervals, of 95 percent, are from resamples of models and probes that all scores of a run share; its specification has their number and seed.';
COMMENT ON COLUMN validation_lds.run_id IS 'The validation run.';
COMMENT ON COLUMN validation_lds.test IS 'lds: models are trained on random halves; language: without one of the run''s languages.';
COMMENT ON COLUMN validation_lds.quantity IS 'What is predicted, and what the scores are of: answer, margin or shift.';
COMMENT ON COLUMN validation_lds.scores IS 'The scores: an attribution such as trak-principal-32, or a baseline such as random; of languages also whether an example is among the highest of these, as in trak-principal-32 top 100.';
COMMENT ON COLUMN validation_lds.seeds IS 'Seeds of the retrained models: other, each its own; or same as the traced run''s, so that order and corruption are the run''s, too.';
COMMENT ON COLUMN validation_lds.targets IS 'Probes whose rho is defined.';
COMMENT ON COLUMN validation_lds.draws IS 'Draws of a random baseline; 1 for scores that are not random.';
COMMENT ON COLUMN validation_lds.n IS 'Retrained models behind each rho; 16 or fewer are a smoke test.';
COMMENT ON COLUMN validation_lds.lds IS 'Mean of rho over the probes, then over the draws.';
COMMENT ON COLUMN validation_lds.lds_low IS 'Lower end of its interval; NULL for random baselines, and of fewer than 10 models or probes.';
COMMENT ON COLUMN validation_lds.lds_high IS 'Upper end.';
COMMENT ON COLUMN validation_lds.difference IS 'lds minus that of the run''s first attribution; NULL for it and for random baselines.';
COMMENT ON COLUMN validation_lds.difference_low IS 'Lower end of its interval, from the same resamples of both; NULL as lds_low is.';
COMMENT ON COLUMN validation_lds.difference_high IS 'Upper end.';
COMMENT ON COLUMN validation_lds.null_mean IS 'The same of these scores dealt to the examples at random, mean of 200 draws; NULL for random baselines.';
COMMENT ON COLUMN validation_lds.null_sd IS 'Its standard deviation over the draws.';

CREATE TABLE validation_result (
    run_id INTEGER NOT NULL,
    test VARCHAR NOT NULL,
    quantity VARCHAR NOT NULL,
    scores VARCHAR NOT NULL,
    probe_id INTEGER,
    segment_id INTEGER,
    seeds VARCHAR NOT NULL,
    seed INTEGER,
    direction VARCHAR,
    k INTEGER,
    draw INTEGER NOT NULL,
    n INTEGER NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    reference DOUBLE PRECISION,
    CHECK (test IN ('lds', 'language', 'removal')),
    CHECK (seeds IN ('same', 'other')),
    CHECK (direction IS NULL OR direction IN ('positive', 'negative')),
    CHECK (quantity IN ('answer', 'margin', 'shift', 'label'))
);
COMMENT ON TABLE validation_result IS 'How well influence scores predict what retraining on a part of the examples shows, per probe.';
COMMENT ON COLUMN validation_result.run_id IS 'The validation run.';
COMMENT ON COLUMN validation_result.test IS 'lds: linear datamodeling score, Spearman''s rho between predicted and true values over random halves (Park et al. 2023, section 3); language: the same over models without one of the run''s languages; removal: change in the probability of the traced answer when the top k are left out (H section 6).';
COMMENT ON COLUMN validation_result.quantity IS 'What is predicted, and what the scores are of: answer, margin or shift.';
COMMENT ON COLUMN validation_result.scores IS 'The scores: an attribution such as trak-principal-32, or a baseline such as bm25; of a removal the first attribution, or random.';
COMMENT ON COLUMN validation_result.probe_id IS 'The probe; NULL for a target that is something else.';
COMMENT ON COLUMN validation_result.segment_id IS 'The labelled text; NULL for a probe.';
COMMENT ON COLUMN validation_result.seeds IS 'Seeds of the retrained models: same as the traced run''s, or other.';
COMMENT ON COLUMN validation_result.seed IS 'Seed of the retrained model; NULL where there are several.';
COMMENT ON COLUMN validation_result.direction IS 'Which examples were left out, positive or negative; NULL but for a removal of these.';
COMMENT ON COLUMN validation_result.k IS 'How many examples were left out; NULL but for a removal.';
COMMENT ON COLUMN validation_result.draw IS 'Number of the draw of random examples; 0 for scores that are not random.';
COMMENT ON COLUMN validation_result.n IS 'Retrained models behind the value.';
COMMENT ON COLUMN validation_result.value IS 'lds, language: rho; removal: probability after minus before.';
COMMENT ON COLUMN validation_result.reference IS 'removal: probability before, of the model trained on all examples with the same seed; else NULL.';

CREATE TABLE validation_run (
    run_id INTEGER NOT NULL,
    traced_run_id INTEGER NOT NULL,
    quantities VARCHAR NOT NULL,
    checkpoints INTEGER NOT NULL,
    examples INTEGER NOT NULL,
    PRIMARY KEY (run_id)
);
COMMENT ON TABLE validation_run IS 'A comparison of attributions and baselines, by retraining a run without parts of its examples.';
COMMENT ON COLUMN validation_run.run_id IS 'The validation run.';
COMMENT ON COLUMN validation_run.traced_run_id IS 'The fine-tuning run that is retrained.';
COMMENT ON COLUMN validation_run.quantities IS 'What is predicted, comma-separated: answer, margin, shift, as in influence_run.';
COMMENT ON COLUMN validation_run.checkpoints IS 'Model states of that run that scores are averaged (TRAK) or summed (TracIn) over.';
COMMENT ON COLUMN validation_run.examples IS 'Training examples that were scored.';

CREATE TABLE checkpoint (
    checkpoint_id INTEGER NOT NULL,
    base_model_id INTEGER NOT NULL,
    run_id INTEGER,
    epoch INTEGER NOT NULL,
    step INTEGER NOT NULL,
    is_final BOOLEAN NOT NULL,
    path VARCHAR NOT NULL,
    digest VARCHAR NOT NULL,
    PRIMARY KEY (checkpoint_id),
    UNIQUE (run_id, epoch),
    FOREIGN KEY(base_model_id) REFERENCES base_model (base_model_id)
);
COMMENT ON TABLE checkpoint IS 'A state of a model: pretrained (epoch 0), or after an epoch of a run.';
COMMENT ON COLUMN checkpoint.checkpoint_id IS 'Key.';
COMMENT ON COLUMN checkpoint.base_model_id IS 'The pretrained model that it descends from.';
COMMENT ON COLUMN checkpoint.run_id IS 'The run that made it; NULL for a model that was there before.';
COMMENT ON COLUMN checkpoint.epoch IS 'Epochs of the run that are done; 0 for a pretrained model.';
COMMENT ON COLUMN checkpoint.step IS 'Optimizer steps that are done.';
COMMENT ON COLUMN checkpoint.is_final IS 'Whether it is what its run ended with: the last, or with patience the one of the lowest development loss; true for a pretrained model.';
COMMENT ON COLUMN checkpoint.path IS 'Folder, relative to the store''s folder where it is inside; a hub name otherwise.';
COMMENT ON COLUMN checkpoint.digest IS 'SHA-256 over configuration, weights and tokenizer.';

CREATE TABLE cloze (
    cloze_id INTEGER NOT NULL,
    social_group_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    form VARCHAR NOT NULL,
    stereotype_collection_id INTEGER,
    text VARCHAR NOT NULL,
    prior_text VARCHAR,
    PRIMARY KEY (cloze_id),
    UNIQUE (social_group_id, language_id, form, text),
    FOREIGN KEY(language_id) REFERENCES language (language_id)
);
COMMENT ON TABLE cloze IS 'A sentence about a social group with one place to fill: a template''s, or one that people were asked.';
COMMENT ON COLUMN cloze.cloze_id IS 'Key.';
COMMENT ON COLUMN cloze.social_group_id IS 'The group.';
COMMENT ON COLUMN cloze.language_id IS 'Language of the sentence.';
COMMENT ON COLUMN cloze.form IS 'Name of the template, e.g. why-are-so, or of the collection of stereotypes that it is from.';
COMMENT ON COLUMN cloze.stereotype_collection_id IS 'That collection; NULL of a template.';
COMMENT ON COLUMN cloze.text IS 'The sentence with [MASK] for the attribute, e.g. why are academics so [MASK] ?';
COMMENT ON COLUMN cloze.prior_text IS 'The sentence with [GROUP] for the group''s words, e.g. why are [GROUP] so [MASK] ?; NULL where the group does not stand in it.';

CREATE TABLE corpus (
    corpus_id INTEGER NOT NULL,
    source_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    edition VARCHAR NOT NULL,
    licence VARCHAR NOT NULL,
    origin VARCHAR NOT NULL,
    "columns" VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (corpus_id),
    UNIQUE (source_id, language_id, edition),
    FOREIGN KEY(source_id) REFERENCES source (source_id),
    FOREIGN KEY(language_id) REFERENCES language (language_id)
);
COMMENT ON TABLE corpus IS 'The text of a source in one language and edition.';
COMMENT ON COLUMN corpus.corpus_id IS 'Key.';
COMMENT ON COLUMN corpus.source_id IS 'The source.';
COMMENT ON COLUMN corpus.language_id IS 'Language of the text.';
COMMENT ON COLUMN corpus.edition IS 'Edition, translation or split, from the file unless given, e.g. fa.makarem or train.';
COMMENT ON COLUMN corpus.licence IS 'Licence as the origin states it; empty where it states none.';
COMMENT ON COLUMN corpus.origin IS 'Name of the ingested file or its address.';
COMMENT ON COLUMN corpus."columns" IS 'Columns of a table that it was read from, e.g. text=sentence,key=id; else empty.';
COMMENT ON COLUMN corpus.sha256 IS 'SHA-256 of the ingested keys, texts, second texts and labels, in order.';

CREATE TABLE language_country (
    language_country_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    country_id INTEGER NOT NULL,
    citation VARCHAR NOT NULL,
    PRIMARY KEY (language_country_id),
    UNIQUE (language_id, country_id),
    FOREIGN KEY(language_id) REFERENCES language (language_id),
    FOREIGN KEY(country_id) REFERENCES country (country_id)
);
COMMENT ON TABLE language_country IS 'The countries that a language''s profile is aligned with: that of Echoes section 3.2 (dissertation Table 7.2), and what probes came with.';
COMMENT ON COLUMN language_country.language_country_id IS 'Key.';
COMMENT ON COLUMN language_country.language_id IS 'The language.';
COMMENT ON COLUMN language_country.country_id IS 'The country.';
COMMENT ON COLUMN language_country.citation IS 'Where the mapping is from.';

CREATE TABLE probe_set (
    probe_set_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    probe_collection_id INTEGER NOT NULL,
    description VARCHAR NOT NULL,
    PRIMARY KEY (probe_set_id),
    UNIQUE (code),
    FOREIGN KEY(probe_collection_id) REFERENCES probe_collection (probe_collection_id)
);
COMMENT ON TABLE probe_set IS 'A named selection of probes, e.g. echoes-2024.';
COMMENT ON COLUMN probe_set.probe_set_id IS 'Key.';
COMMENT ON COLUMN probe_set.code IS 'Name, e.g. echoes-2024.';
COMMENT ON COLUMN probe_set.probe_collection_id IS 'The collection that the probes are from.';
COMMENT ON COLUMN probe_set.description IS 'What is in it and why.';

CREATE TABLE prompt_form (
    prompt_form_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    language_id INTEGER NOT NULL,
    sha256 VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    PRIMARY KEY (prompt_form_id),
    UNIQUE (sha256),
    FOREIGN KEY(language_id) REFERENCES language (language_id)
);
COMMENT ON TABLE prompt_form IS 'A wording of prompts in one language.';
COMMENT ON COLUMN prompt_form.prompt_form_id IS 'Key.';
COMMENT ON COLUMN prompt_form.code IS 'Name of the form, e.g. gap; the same in all languages that have it.';
COMMENT ON COLUMN prompt_form.language_id IS 'Language of the questions that it is for.';
COMMENT ON COLUMN prompt_form.sha256 IS 'SHA-256 of content.';
COMMENT ON COLUMN prompt_form.content IS 'Instruction, demonstration, question, cue and layout, as JSON.';

CREATE TABLE question (
    question_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    number INTEGER,
    category_id INTEGER NOT NULL,
    PRIMARY KEY (question_id),
    UNIQUE (code),
    FOREIGN KEY(category_id) REFERENCES category (category_id)
);
COMMENT ON TABLE question IS 'A question as the probes name it, the same in all collections. Questions with two poles have two rows, e.g. 106a and 106b.';
COMMENT ON COLUMN question.question_id IS 'Key.';
COMMENT ON COLUMN question.code IS 'Identifier in the probe files, e.g. 1, 106a, 130d, or any text for a question of one''s own.';
COMMENT ON COLUMN question.number IS 'Question number in WVS wave 7; NULL for other questions.';
COMMENT ON COLUMN question.category_id IS 'The category: of WVS by question number, of others as the probe file says.';

CREATE TABLE response_option (
    response_option_id INTEGER NOT NULL,
    codebook_id INTEGER NOT NULL,
    variable VARCHAR NOT NULL,
    response_code INTEGER NOT NULL,
    label VARCHAR NOT NULL,
    PRIMARY KEY (response_option_id),
    UNIQUE (codebook_id, variable, response_code),
    FOREIGN KEY(codebook_id) REFERENCES codebook (codebook_id)
);
COMMENT ON TABLE response_option IS 'A response code of a survey variable, with its label.';
COMMENT ON COLUMN response_option.response_option_id IS 'Key.';
COMMENT ON COLUMN response_option.codebook_id IS 'The codebook.';
COMMENT ON COLUMN response_option.variable IS 'Survey variable, e.g. Q106.';
COMMENT ON COLUMN response_option.response_code IS 'Code in the survey''s files.';
COMMENT ON COLUMN response_option.label IS 'What the code means; empty where the codebook does not say.';

CREATE TABLE stereotype_collection (
    stereotype_collection_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    group_list_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    citation VARCHAR NOT NULL,
    licence VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (stereotype_collection_id),
    UNIQUE (code),
    FOREIGN KEY(language_id) REFERENCES language (language_id)
);
COMMENT ON TABLE stereotype_collection IS 'A collection of stereotypes that people hold of the groups of a list (D6 section 6.3).';
COMMENT ON COLUMN stereotype_collection.stereotype_collection_id IS 'Key.';
COMMENT ON COLUMN stereotype_collection.code IS 'Short name, as --collection takes it.';
COMMENT ON COLUMN stereotype_collection.group_list_id IS 'The list that its groups are of.';
COMMENT ON COLUMN stereotype_collection.language_id IS 'Language of its sentences.';
COMMENT ON COLUMN stereotype_collection.citation IS 'How to cite it.';
COMMENT ON COLUMN stereotype_collection.licence IS 'Licence as the origin states it; empty where it states none.';
COMMENT ON COLUMN stereotype_collection.sha256 IS 'SHA-256 of its rows.';

CREATE TABLE survey (
    survey_id INTEGER NOT NULL,
    codebook_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    illustrative BOOLEAN NOT NULL,
    citation VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    PRIMARY KEY (survey_id),
    UNIQUE (code),
    FOREIGN KEY(codebook_id) REFERENCES codebook (codebook_id)
);
COMMENT ON TABLE survey IS 'A release of a survey, or a table of shares derived from one.';
COMMENT ON COLUMN survey.survey_id IS 'Key.';
COMMENT ON COLUMN survey.codebook_id IS 'What it was read by.';
COMMENT ON COLUMN survey.code IS 'Name given at ingest, e.g. wvs7-v6.0.';
COMMENT ON COLUMN survey.illustrative IS 'True where the numbers are invented for demonstration.';
COMMENT ON COLUMN survey.citation IS 'How to cite the survey.';
COMMENT ON COLUMN survey.sha256 IS 'SHA-256 of the ingested content.';

CREATE TABLE task (
    task_id INTEGER NOT NULL,
    code VARCHAR NOT NULL,
    source_id INTEGER NOT NULL,
    description VARCHAR NOT NULL,
    sha256 VARCHAR NOT NULL,
    content VARCHAR NOT NULL,
    PRIMARY KEY (task_id),
    UNIQUE (code),
    FOREIGN KEY(source_id) REFERENCES source (source_id)
);
COMMENT ON TABLE task IS 'A task: what a classifier is to tell apart in the texts of a labelled source.';
COMMENT ON COLUMN task.task_id IS 'Key.';
COMMENT ON COLUMN task.code IS 'Name that its file gives it, e.g. xnli-entailment.';
COMMENT ON COLUMN task.source_id IS 'Source of the labelled texts.';
COMMENT ON COLUMN task.description IS 'What is told apart, in words.';
COMMENT ON COLUMN task.sha256 IS 'SHA-256 of content.';
COMMENT ON COLUMN task.content IS 'All that the file says, as JSON.';

CREATE TABLE answer_side (
    answer_side_id INTEGER NOT NULL,
    codebook_id INTEGER NOT NULL,
    question_id INTEGER NOT NULL,
    variable VARCHAR NOT NULL,
    response_code INTEGER NOT NULL,
    side VARCHAR NOT NULL,
    PRIMARY KEY (answer_side_id),
    CHECK (side IN ('first', 'second', 'missing')),
    UNIQUE (codebook_id, question_id, response_code),
    FOREIGN KEY(codebook_id) REFERENCES codebook (codebook_id),
    FOREIGN KEY(question_id) REFERENCES question (question_id)
);
COMMENT ON TABLE answer_side IS 'Which answer of a question''s probes a response code counts for; middle classes go to the nearer end (Echoes section 3.5).';
COMMENT ON COLUMN answer_side.answer_side_id IS 'Key.';
COMMENT ON COLUMN answer_side.codebook_id IS 'The codebook.';
COMMENT ON COLUMN answer_side.question_id IS 'The question.';
COMMENT ON COLUMN answer_side.variable IS 'Survey variable that asks it, e.g. Q106 of 106a and 106b.';
COMMENT ON COLUMN answer_side.response_code IS 'Response code of the variable.';
COMMENT ON COLUMN answer_side.side IS 'first or second answer; missing: counts for neither.';

CREATE TABLE probe (
    probe_id INTEGER NOT NULL,
    probe_collection_id INTEGER NOT NULL,
    question_id INTEGER NOT NULL,
    language_id INTEGER NOT NULL,
    template VARCHAR NOT NULL,
    answer_first VARCHAR NOT NULL,
    answer_second VARCHAR NOT NULL,
    mask_prefix VARCHAR NOT NULL,
    mask_suffix VARCHAR NOT NULL,
    polarity VARCHAR NOT NULL,
    PRIMARY KEY (probe_id),
    CHECK (polarity IN ('canonical', 'reversed', 'undefined')),
    UNIQUE (probe_collection_id, question_id, language_id),
    FOREIGN KEY(probe_collection_id) REFERENCES probe_collection (probe_collection_id),
    FOREIGN KEY(question_id) REFERENCES question (question_id),
    FOREIGN KEY(language_id) REFERENCES language (language_id)
);
COMMENT ON TABLE probe IS 'A cloze sentence in one language with two candidate answers (Echoes section 3.2).';
COMMENT ON COLUMN probe.probe_id IS 'Key.';
COMMENT ON COLUMN probe.probe_collection_id IS 'Where the probe is from.';
COMMENT ON COLUMN probe.question_id IS 'The question.';
COMMENT ON COLUMN probe.language_id IS 'Language of the sentence.';
COMMENT ON COLUMN probe.template IS 'Sentence with exactly one [MASK].';
COMMENT ON COLUMN probe.answer_first IS 'First candidate answer (A), as it takes the place of [MASK].';
COMMENT ON COLUMN probe.answer_second IS 'Second candidate answer (B).';
COMMENT ON COLUMN probe.mask_prefix IS 'Letters that the mask is glued to on its left, e.g. ber; mostly empty.';
COMMENT ON COLUMN probe.mask_suffix IS 'Letters that the mask is glued to on its right, e.g. dir; mostly empty.';
COMMENT ON COLUMN probe.polarity IS 'Whether the first answer is on the side that answer_side calls first (canonical), on the other (reversed), or cannot be told (undefined; profiles take such a probe as canonical, as the paper does).';

CREATE TABLE task_label (
    task_label_id INTEGER NOT NULL,
    task_id INTEGER NOT NULL,
    label VARCHAR NOT NULL,
    class_number INTEGER,
    class_name VARCHAR,
    PRIMARY KEY (task_label_id),
    CHECK ((class_number IS NULL) = (class_name IS NULL)),
    CHECK (class_number >= 1),
    UNIQUE (task_id, label),
    FOREIGN KEY(task_id) REFERENCES task (task_id)
);
COMMENT ON TABLE task_label IS 'A label of a task''s source, and the class that it stands for.';
COMMENT ON COLUMN task_label.task_label_id IS 'Key.';
COMMENT ON COLUMN task_label.task_id IS 'The task.';
COMMENT ON COLUMN task_label.label IS 'Label as in the files.';
COMMENT ON COLUMN task_label.class_number IS 'Class, from 1, in the order of a classifier''s outputs; NULL: left out.';
COMMENT ON COLUMN task_label.class_name IS 'Name of the class; NULL: left out.';
