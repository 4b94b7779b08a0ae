-- What this study's queries take where nothing else is said.

-- echoes-2024 where the store has it, else wvs7-all, else the first by name.
CREATE OR REPLACE TEMP MACRO echoes_probe_set() AS (
    SELECT probe_set
    FROM v_probe_set
    ORDER BY probe_set <> 'echoes-2024', probe_set <> 'wvs7-all', probe_set
    LIMIT 1
);

-- The four of Echoes Table 3 where the survey has them all, else those of the probed languages.
CREATE OR REPLACE TEMP MACRO alignment_countries(wanted_survey) AS (
    SELECT CASE WHEN count(DISTINCT country) = 4 THEN ['DE', 'PK', 'RS', 'VN'] ELSE probed_countries() END
    FROM v_country_profile
    WHERE survey = wanted_survey AND country IN ('DE', 'PK', 'RS', 'VN')
);
