"""Tasks: what a classifier is to tell apart in a labelled source."""

from mlv.schema.tables.columns import Row, check, column, table


class TaskRow(Row, table=True):
    """A task."""

    __tablename__ = "task"
    __table_args__ = table(
        "A task: what a classifier is to tell apart in the texts of a labelled source.",
        identity=("code",),
        enforced=True,
        owner="source_id",
    )

    task_id: int = column("Key.", key=True)
    code: str = column("Name that its file gives it, e.g. xnli-entailment.")
    source_id: int = column("Source of the labelled texts.", refers="source.source_id", enforced=True)
    description: str = column("What is told apart, in words.")
    sha256: str = column("SHA-256 of content.")
    content: str = column("All that the file says, as JSON.")


class TaskLabel(Row, table=True):
    """The class that a label stands for."""

    __tablename__ = "task_label"
    __table_args__ = table(
        "A label of a task's source, and the class that it stands for.",
        check("(class_number IS NULL) = (class_name IS NULL)"),
        check("class_number >= 1"),
        identity=("task_id", "label"),
        enforced=True,
        owner="task_id",
    )

    task_label_id: int = column("Key.", key=True)
    task_id: int = column("The task.", refers="task.task_id", enforced=True)
    label: str = column("Label as in the files.")
    class_number: int | None = column("Class, from 1, in the order of a classifier's outputs; NULL: left out.")
    class_name: str | None = column("Name of the class; NULL: left out.")
