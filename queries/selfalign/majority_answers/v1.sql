/*
question = "Which answer do most people of a country give?"
grain = "A survey, country and question."
paper = "Self-alignment section 8.4.2"
reason = "First version."
parameters = ["survey", "weighting", "probe_set", "country"]
columns = ["survey", "country", "weighting", "question", "category", "side", "share", "margin", "respondents"]

[parameter.country]
about = "Only this country (ISO 3166-1 alpha-2)."

[parameter.probe_set]
about = "Only questions of this set, e.g. echoes-2024; all of the survey unless given."

[column]
survey = "Name of the survey."
country = "ISO 3166-1 alpha-2 code."
weighting = "weighted or unweighted."
side = "Side of the majority, first or second; an even split counts for the first."
share = "Percentage of people on that side, of those on either."
margin = "How many points the share on the first side is from 50: majorities of a few points are not settled."
respondents = "People on either side, unweighted; NULL where the survey has only shares."
*/
WITH people AS (
    SELECT survey, country, question, sum(n)::BIGINT AS respondents
    FROM v_survey_response
    WHERE survey = $survey AND side IN ('first', 'second')
    GROUP BY ALL
)
SELECT
    survey,
    country,
    weighting,
    question,
    category,
    side,
    100 * share AS share,
    100 * margin AS margin,
    respondents
FROM v_majority
LEFT JOIN people USING (survey, country, question)
WHERE survey = $survey
  AND weighting = $weighting
  AND matches($country, country)
  AND ($probe_set IS NULL OR question IN (SELECT s.question FROM v_probe_set s WHERE s.probe_set = $probe_set))
ORDER BY country, question
