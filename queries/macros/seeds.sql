-- Intervals and p-values over other seeds of fine-tuning, alone or with other questions (docs/statistics.md), of values that
-- are means over fine-tuning languages of the means over their seeds. over says what varies: questions (or NULL, where no
-- interval is wanted), seeds or both.

-- What other seeds do to such a mean, from the values of the seeds, a list for each fine-tuning language: sd within a
-- language, the variance of the mean, its degrees of freedom by Welch (1947), at most as many as seeds beyond the first of
-- each language, and the fewest of any language. All NULL where no language has two seeds. A sum of squares is its degrees
-- of freedom times a variance.
CREATE OR REPLACE TEMP MACRO seed_spread(samples) AS
    list_transform(
        [
            list_transform(
                list_sort(samples),
                lambda seeds: {'n': len(seeds), 'df': len(seeds) - 1, 'squares': len(seeds) * list_var_pop(seeds)}
            )
        ],
        lambda languages: list_transform(
            [{
                'pooled': list_sum(list_transform(languages, lambda one: one.squares))
                    / nullif(list_sum(list_transform(languages, lambda one: one.df)), 0),
                'share': list_sum(list_transform(languages, lambda one: 1 / one.n)) / len(languages) ** 2,
                'welch': list_sum(list_transform(languages, lambda one: one.squares)) ** 2
                    / nullif(list_sum(list_transform(languages, lambda one: one.squares ** 2 / (one.df + 2))), 0) - 2,
                'df': list_sum(list_transform(languages, lambda one: one.df))::DOUBLE,
                'fewest': list_min(list_transform(languages, lambda one: nullif(one.df, 0)))::DOUBLE
            }],
            lambda known: {
                'sd': sqrt(known.pooled),
                'variance': known.pooled * known.share,
                'df': CASE WHEN known.pooled IS NOT NULL THEN least(known.welch, known.df) END,
                'fewest': known.fewest
            }
        )[1]
    )[1];

-- An estimate by batteries with what varies: of both, the variances are added, which counts what seeds do to single
-- batteries twice, and degrees of freedom are Satterthwaite's; fewest are those of the part that has the fewest. spread is
-- by seed_spread, slope says how fast the scale of the estimate moves with that of the seeds. NULL where no seed differs
-- from another.
CREATE OR REPLACE TEMP MACRO varied(over, batteries, spread, slope) AS
    list_transform(
        [{
            'over': over, 'batteries': batteries, 'df': spread.df, 'fewest': spread.fewest,
            'between_seeds': slope ** 2 * spread.variance, 'between_batteries': batteries.se ** 2
        }],
        lambda known: CASE known.over
            WHEN 'seeds'
            THEN {
                'value': known.batteries.value,
                'se': sqrt(nullif(known.between_seeds, 0)),
                'df': known.df,
                'fewest': known.fewest
            }
            WHEN 'both'
            THEN {
                'value': known.batteries.value,
                'se': sqrt(known.between_seeds + known.between_batteries),
                'df': coalesce(
                    (known.between_seeds + known.between_batteries) ** 2
                    / nullif(
                        known.between_seeds ** 2 / known.df + known.between_batteries ** 2 / known.batteries.df, 0
                    ),
                    known.batteries.df
                ),
                'fewest': least(known.fewest, known.batteries.df)
            }
            ELSE {
                'value': known.batteries.value,
                'se': known.batteries.se,
                'df': known.batteries.df,
                'fewest': known.batteries.df
            }
        END
    )[1];

CREATE OR REPLACE TEMP MACRO mean_low(over, rows, spread) AS
    list_transform([varied(over, by_batteries(rows), spread, 1)], lambda estimate: t_low(estimate))[1];

CREATE OR REPLACE TEMP MACRO mean_high(over, rows, spread) AS
    list_transform([varied(over, by_batteries(rows), spread, 1)], lambda estimate: t_high(estimate))[1];

CREATE OR REPLACE TEMP MACRO mean_p(over, rows, spread) AS
    list_transform([varied(over, by_batteries(rows), spread, 1)], lambda estimate: t_p(estimate))[1];

-- How fast the empirical logit moves with the percentage, of so many draws.
CREATE OR REPLACE TEMP MACRO logit_slope(percentage, draws) AS
    draws / (draws * percentage + 50) + draws / (draws * (100 - percentage) + 50);

-- Of a percentage, its estimate as it is and that on the logit scale.
CREATE OR REPLACE TEMP MACRO varied_share(over, rows, spread) AS
    list_transform(
        [{'share': estimated_share(rows), 'items': rows[1].items}],
        lambda known: {
            'as_it_is': varied(over, known.share.as_it_is, spread, 1),
            'scaled': varied(
                over,
                known.share.scaled,
                spread,
                logit_slope(known.share.as_it_is.value, worth(known.share.as_it_is, known.items))
            )
        }
    )[1];

CREATE OR REPLACE TEMP MACRO mean_share_low(over, rows, spread) AS
    list_transform(
        [varied_share(over, rows, spread)], lambda share: percentage_low(share.as_it_is, share.scaled)
    )[1];

CREATE OR REPLACE TEMP MACRO mean_share_high(over, rows, spread) AS
    list_transform(
        [varied_share(over, rows, spread)], lambda share: percentage_high(share.as_it_is, share.scaled)
    )[1];

-- p-values of values that would be 0 by chance, corrected for their family: over questions as family_p has them. Over seeds
-- by Holm (1979), who asks for nothing but valid p-values: a few seeds have too few resamples to say what chance gives the
-- largest of many. So far out in the tails, degrees of freedom that are estimated make p too small by up to six times:
-- the fewest of any part never do. A cell is a struct of a key, its family, the value's replicates and its spread.
CREATE OR REPLACE TEMP MACRO family_over(over, cells, wanted_probe_set) AS TABLE
    WITH tested AS (
        SELECT
            cell.key AS key,
            cell.family AS family,
            list_transform(
                [varied(over, by_batteries(cell.rows), cell.spread, 1)],
                lambda estimate: t_p({'value': estimate.value, 'se': estimate.se, 'df': estimate.fewest})
            )[1] AS p
        FROM (SELECT unnest(cells) AS cell)
        WHERE over IN ('seeds', 'both')
    )
    FROM family_p((SELECT cells WHERE over = 'questions'), wanted_probe_set)
    UNION ALL
    FROM holm((SELECT list(t) FROM tested t));
