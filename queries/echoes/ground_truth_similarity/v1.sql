/*
question = "How alike are the values of people in different countries?"
grain = "A pair of countries, in alphabetical order, over the questions of the probe set that both have."
paper = "Echoes section 6 and Figure 13 left"
reason = "Intervals and p-values by battery of questions; before, questions were taken for independent."
parameters = ["probe_set", "survey", "weighting", "countries", "ci"]
columns = ["country_a", "country_b", "cosine", "questions"]
intervals = ["cosine_low", "cosine_high"]

[parameter.countries]
about = "Countries to compare (ISO 3166-1 alpha-2): those of the languages with probes, unless given."
default_sql = "probed_countries()"

[column]
country_a = "First country (ISO 3166-1 alpha-2)."
country_b = "Second country."
cosine = "Cosine of the two profiles; NULL where one has no length."
questions = "Questions that both have."
*/
WITH profiles AS (
    SELECT country, question, p_first
    FROM v_country_profile
    WHERE survey = $survey AND weighting = $weighting AND list_contains($countries, country)
),
cosines AS (
    SELECT
        a.country AS country_a,
        b.country AS country_b,
        left_out,
        kept_cosine(a.p_first, b.p_first, question, left_out) AS cosine,
        count(*) AS questions
    FROM profiles a
    JOIN profiles b USING (question)
    JOIN kept_questions($probe_set, $ci IS NOT NULL) USING (question)
    WHERE a.country < b.country
    GROUP BY ALL
)
SELECT
    country_a,
    country_b,
    observed(cosine, left_out) AS cosine,
    rho_low(replicates(cosine, questions, left_out)) AS cosine_low,
    rho_high(replicates(cosine, questions, left_out)) AS cosine_high,
    observed(questions, left_out) AS questions
FROM cosines
GROUP BY ALL
ORDER BY country_a, country_b
