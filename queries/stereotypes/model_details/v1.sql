/*
question = "How large are the models of a store?"
grain = """\
A pretrained model."""
paper = "Stepmothers are mean and academics are pretentious Table D.1"
reason = "First version."
parameters = ["model"]
columns = ["model", "revision", "architecture", "parameters", "vocabulary", "adapter"]
[parameter.model]
type = "text"
about = "Only this pretrained model."
values_from = "v_base_model.model"

[column]
model = "Its name."
revision = "Commit on the hub; empty for a local model."
architecture = "Model type of its configuration."
parameters = "Number of parameters."
vocabulary = "Entries of the vocabulary."
adapter = "Adapter that is merged into its weights; empty without one."
*/
SELECT model, revision, architecture, parameters, vocabulary, adapter
FROM v_base_model
WHERE matches($model, model)
ORDER BY architecture, parameters, model, revision
