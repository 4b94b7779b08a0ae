"""Takes the example of docs/extending.md from plan to report, where mlv has it: ``python example_study.py FOLDER``"""

import sys
from pathlib import Path

from command_line import Done, Mlv
from tiny_study import demo_store

from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.queries import run
from mlv.queries.engine import lock
from mlv.schema.store.opening import connect, open_store


def main(folder: Path) -> None:
    """Plan, run, commit, query, check, report, rebuild and delete."""
    assert lock.update() == ["words_per_segment@1"]
    mlv = demo_store(folder)
    _ok(mlv, "compute", "wordcount", "--source", "lines", "--language", "fa")
    _ok(mlv, "study", "run", "wordiness", "--workers", "2")
    with open_store(mlv.store) as connection:
        rows = run(connection, "words_per_segment").frame
        texts = connection.execute("SELECT language, text FROM v_segment").fetchall()
    assert rows["language"].value_counts(sort=True).sort("language").rows() == [("fa", 2), ("ko", 2)]
    for language in ("fa", "ko"):
        words = [len(text.split(" ")) for code, text in texts if code == language]
        assert sum(words) / len(words) in rows.filter(language=language)["words_per_segment"]
    _ok(mlv, "db", "check")
    _ok(mlv, "report", "-o", str(folder / "report"), "--study", "wordiness")
    assert "How many words it takes" in (folder / "report" / "index.html").read_text(encoding="utf-8")
    _rebuild(mlv)
    name = str(rows["run"][0])
    _ok(mlv, "runs", "delete", name, "--yes")
    _ok(mlv, "db", "check")
    assert (name,) not in mlv.rows("SELECT DISTINCT run FROM v_word_count")


def _ok(mlv: Mlv, *arguments: str) -> Done:
    done = mlv(*arguments)
    assert done.code == 0, (arguments, done)
    return done


def _rebuild(mlv: Mlv) -> None:
    before = _fingerprints(mlv.store)
    mlv.store.unlink()
    _ok(mlv, "db", "rebuild")
    assert _fingerprints(mlv.store) == before


def _fingerprints(store: Path) -> dict[str, tuple[int, int]]:
    with connect(store) as connection:
        return fingerprints(connection)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
