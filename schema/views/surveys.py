"""Views of surveys: whose answers a language is compared with, and what people answered."""

from mlv.schema.views.view import View

SURVEYS = (
    View(
        "v_language_country",
        "The country whose people a test language is compared with.",
        {
            "language": "Language.",
            "country": "ISO 3166-1 alpha-2 code of its country.",
            "language_name": "English name of the language.",
            "country_name": "English name of the country.",
        },
        """
        SELECT l.code AS language, y.code AS country, l.name AS language_name, y.name AS country_name
        FROM language_country
        JOIN "language" l USING (language_id)
        JOIN country y USING (country_id)
        """,
    ),
    View(
        "v_survey_response",
        "Survey answers with names and the side that each code counts for.",
        {
            "survey": "Name of the survey.",
            "country": "ISO 3166-1 alpha-2 code.",
            "question": "Identifier of the question.",
            "variable": "Survey variable.",
            "response_code": "Response code.",
            "label": "What the code means; empty where the codebook does not say.",
            "side": "first, second or missing.",
            "n": "Interviewees, unweighted; NULL where the source has only shares.",
            "share": "Unweighted share; NULL where the source has only weighted ones.",
            "weighted_share": "Share by the respondents' weights; NULL where the source has no weights.",
        },
        """
        SELECT s.code AS survey, y.code AS country, q.code AS question, r.variable, r.response_code, o.label,
               a.side, r.n, r.share, r.weighted_share
        FROM survey_response r
        JOIN survey s USING (survey_id)
        JOIN country y USING (country_id)
        JOIN answer_side a USING (codebook_id, variable, response_code)
        JOIN question q USING (question_id)
        JOIN response_option o USING (codebook_id, variable, response_code)
        """,
    ),
)
