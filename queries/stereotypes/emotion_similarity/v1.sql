/*
question = "Do two models describe groups alike?"
grain = """\
Two checkpoints and a category of groups; or `all` for all groups together."""
paper = "Stepmothers are mean and academics are pretentious Figures 6.3 and D.3"
reason = "First version."
parameters = ["groups", "lexicon", "prior", "model", "source", "share", "seed", "epoch", "within", "self", "emotions", "grouped.ci"]
columns = ["compared.checkpoint_id_a", "compared.checkpoint_a", "compared.checkpoint_id_b", "compared.checkpoint_b", "category", "rho", "groups"]
intervals = ["rho_low", "rho_high"]

[parameter.within]
type = "text"
about = "all: similarities to all groups; categories: to those of the same category, a row for each."
default = "all"
values = ["all", "categories"]

[column]
rho = """\
Spearman's correlation of a group's similarities to the others in the two models, mean over the groups; similarity is the cosine \
of two groups' emotions."""
groups = "Groups in the mean."
*/
WITH chosen AS MATERIALIZED (
    FROM completing_checkpoints($groups, $prior, $model, $source, $share, $seed, $epoch)
),
pairs AS (
    SELECT a.checkpoint_id AS a, b.checkpoint_id AS b FROM chosen a JOIN chosen b ON a.place < b.place
),
rhos AS (
    FROM mean_correlations(
        (SELECT list({'a': a, 'b': b}) FROM pairs),
        $within = 'categories', $self, $groups, $prior, $lexicon, $emotions, $ci IS NOT NULL
    )
)
SELECT
    r.a AS checkpoint_id_a,
    x.checkpoint AS checkpoint_a,
    r.b AS checkpoint_id_b,
    y.checkpoint AS checkpoint_b,
    r.cell AS category,
    r.rho,
    rho_low(r.rows) AS rho_low,
    rho_high(r.rows) AS rho_high,
    r.n AS "groups"
FROM rhos r
JOIN chosen x ON x.checkpoint_id = r.a
JOIN chosen y ON y.checkpoint_id = r.b
ORDER BY x.place, y.place, r.cell
