"""Ranges of a key: what needs memory for every row of a table then needs it for some of them at a time."""

FIRST_KEY, LAST_KEY = -(2**31), 2**31 - 1

ROWS_AT_ONCE = 4_000_000
"""Rows of a range: more need more memory, fewer cost time."""


def ranges(of: str, floor: int = FIRST_KEY, rows: int = ROWS_AT_ONCE) -> str:
    """The query of ranges (first, last) of the values of a column, ``table.column``.

    Together they have every integer from ``floor`` on, and each has about ``rows`` rows of the table: more if a single
    value has.
    """
    table, column = of.split(".")
    return f"""
SELECT first, coalesce(lead(first) OVER (ORDER BY first) - 1, {LAST_KEY}) AS last
FROM (
    SELECT {floor} AS first
    UNION ALL
    SELECT min({column})
    FROM (
        SELECT {column}, (sum(count(*)) OVER (ORDER BY {column}) - count(*)) // {rows} AS part
        FROM {table}
        WHERE {column} >= {floor}
        GROUP BY {column}
    )
    WHERE part > 0
    GROUP BY part
)
ORDER BY ALL
"""
