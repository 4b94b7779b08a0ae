"""A study of classifiers with real workers, from labelled texts to influence."""

from pathlib import Path

import pytest
from classified_study import labelled_store, train_classifier
from command_line import Mlv

from mlv.cli import edge

STUDY = """
[[task]]
name = "words"
model = "{model}"
task = "praise"
languages = ["de", "en", "fr"]
examples = 40
epochs = 3
batch_size = 16
learning_rate = 3e-3
leave_out = ["fr"]
influence = {{ preset = "languages", per_language = 2, top_k = 5 }}
"""


def test_a_task_is_trained_asked_and_traced_without_a_language_too(tmp_path: Path) -> None:
    mlv = labelled_store(tmp_path)
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(model=tmp_path / "encoder"))
    done = mlv("study", "run", str(file), "--device", "cpu", "--threads", "1")
    assert done.code == 0, done.err
    kinds = mlv.rows("SELECT kind, count(*) FROM v_run GROUP BY ALL ORDER BY ALL")
    assert kinds == [("classify", 2), ("influence", 2), ("predict", 2)]
    asked = mlv.rows(
        "SELECT ft_languages, language, count(*) FROM v_prediction JOIN v_checkpoint k USING (checkpoint_id) "
        "GROUP BY ft_languages, v_prediction.language ORDER BY ALL"
    )
    assert asked == [(trained, tested, 40) for trained in ("de,en", "de,en,fr") for tested in ("de", "en", "fr")]
    traced = mlv.rows(
        "SELECT DISTINCT ft_languages, language, question FROM v_influence_target JOIN v_influence_run USING (run)"
    )
    of_full = {(language, question) for trained, language, question in traced if trained == "de,en,fr"}
    assert len(of_full) == 3 * 2
    # as far as the classifier without French has them right
    assert {(language, question) for trained, language, question in traced if trained == "de,en"} <= of_full
    ranked = mlv.rows(
        "SELECT DISTINCT ft_languages, train_language FROM v_influence JOIN v_influence_run USING (run) ORDER BY ALL"
    )
    assert ranked == [("de,en", "de"), ("de,en", "en"), ("de,en,fr", "de"), ("de,en,fr", "en"), ("de,en,fr", "fr")]
    assert mlv("db", "check").code == 0


def test_what_needs_predictions_that_it_does_not_name_waits_for_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlv = labelled_store(tmp_path)
    run = train_classifier(mlv, "--examples", "40", "--epochs", "1", "--patience", "0")
    asked = f'[[job]]\nkind = "predict"\nmodel = "{run}"\nsplit = "dev"\n'
    traced = (
        f'[[job]]\nkind = "influence"\nrun = "{run}"\nsplit = "dev"\nper_language = 2\nallow_seen = true\ntop_k = 5\n'
    )
    study = tmp_path / "study.toml"
    study.write_text(traced + asked)
    mlv = Mlv(mlv.folder, capsys)
    planned = mlv("study", "plan", str(study))
    assert "blocked" in planned.out
    done = mlv("study", "run", str(study), "--threads", "1")
    assert (done.code, "2 cells: 2 committed" in done.err) == (0, True), done.err
    # what stays blocked ends the command
    study.write_text(traced + traced.replace('"dev"', '"nowhere"'))
    assert mlv("study", "run", str(study), "--threads", "1").code == edge.ExitCode.JOB
