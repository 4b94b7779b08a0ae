"""Languages, countries, questions and categories: what every store begins with."""
