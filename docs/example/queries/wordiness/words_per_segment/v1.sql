/*
question = "How many words has a segment in each language?"
grain = """\
A run and a corpus."""
paper = "An example"
reason = "First version."
parameters = ["run"]
columns = ["run.run", "source", "language", "edition", "words_per_segment", "segments"]

[parameter.run]
type = "text"
about = "Only this run."
values_from = "v_word_count.run"

[column]
edition = "Edition of the text."
words_per_segment = "Mean number of words."
segments = "Segments in the mean."
*/
SELECT run, source, language, edition, words / segments AS words_per_segment, segments
FROM v_word_count
WHERE matches($run, run)
ORDER BY run, source, language, edition
