/*
question = "How alike are the values of people in different countries?"
grain = "A pair of countries, in alphabetical order, over the questions of the probe set that both have."
paper = "Echoes section 6 and Figure 13 left"
reason = "First version."
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
        resample,
        drawn_cosine(a.p_first, b.p_first, question, times, resample) AS cosine,
        count(*) AS questions
    FROM profiles a
    JOIN profiles b USING (question)
    JOIN drawn_questions($probe_set, $ci) USING (question)
    WHERE a.country < b.country
    GROUP BY ALL
)
SELECT
    country_a,
    country_b,
    observed(cosine, resample) AS cosine,
    interval_low(cosine, resample) AS cosine_low,
    interval_high(cosine, resample) AS cosine_high,
    observed(questions, resample) AS questions
FROM cosines
GROUP BY ALL
ORDER BY country_a, country_b
