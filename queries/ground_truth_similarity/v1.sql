/*
question = "How alike are the values of people in different countries?"
grain = "A pair of countries, in alphabetical order, over the questions of the probe set that both have."
paper = "Echoes section 6 and Figure 13 left"
reason = "First version."

[parameters.probe_set]
type = "text"
about = "Probe set that the questions are from: echoes-2024 where the store has it, else wvs7-all, else the first."
default_sql = "default_probe_set()"
values_from = "v_probe_set.probe_set"

[parameters.survey]
type = "text"
about = "Survey of the countries' profiles: the last by name, an illustrative one only where there is no other."
default_sql = "default_survey()"
values_from = "v_country_profile.survey"

[parameters.weighting]
type = "text"
about = "Whether interviewees are weighted: weighted where the survey has weights."
default_sql = "default_weighting($survey)"
values = ["weighted", "unweighted"]

[parameters.countries]
type = "text[]"
about = "Countries to compare (ISO 3166-1 alpha-2): those of the languages with probes, unless given."
default_sql = "probed_countries()"
values_from = "v_country_profile.country"

[parameters.ci]
type = "boolean"
about = "Whether to add the columns under intervals: 95% intervals by resampling the questions; no unless given."

[columns]
country_a = "First country (ISO 3166-1 alpha-2)."
country_b = "Second country."
cosine = "Cosine of the two profiles; NULL where one has no length."
questions = "Questions that both have."

[intervals]
cosine_low = "Lower end of the 95% interval of cosine."
cosine_high = "Its upper end."
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
