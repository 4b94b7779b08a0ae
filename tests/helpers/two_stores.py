"""Two stores with the same texts and probes: one with runs of most kinds, one without."""

import shutil
from pathlib import Path

import pytest
from planned import Jobs, plan_influence, plan_pca
from played_study import play
from traced_study import Runs, add_runs

from mlv.compute.machine.options import ExecuteOptions
from mlv.compute.running.execute import execute
from mlv.ingest.jobs.committing import Committed, commit_job
from mlv.ingest.upkeep.exchange import export_runs, import_runs
from mlv.ingest.upkeep.fingerprint import fingerprints
from mlv.schema.errors import DataError, MlvError
from mlv.schema.store.opening import connect


class Place:
    """A store and its job directories."""

    def __init__(self, folder: Path, study_store: Path) -> None:
        folder.mkdir()
        self.store, self.jobs = folder / "store.duckdb", folder / "jobs"
        shutil.copyfile(study_store, self.store)

    def prints(self) -> dict[str, tuple[int, int]]:
        """What the store holds, whatever its keys."""
        with connect(self.store) as connection:
            return fingerprints(connection)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Rows of a query on the store."""
        with connect(self.store) as connection:
            return connection.execute(statement).fetchall()

    def do(self, statement: str) -> None:
        """Change the store."""
        with connect(self.store, read_only=False) as connection:
            connection.execute(statement)

    def export(self, *names: str, checkpoints: bool = False) -> Path:
        """An archive of some of its runs."""
        path = self.store.with_name("runs.zip")
        with connect(self.store) as connection:
            export_runs(connection, names, self.jobs, path, checkpoints=checkpoints)
        return path

    def take(self, archive: Path) -> list[Committed]:
        """Import an archive."""
        with connect(self.store, read_only=False) as connection:
            return import_runs(connection, self.store, archive, self.jobs)

    def refuses(self, archive: Path, kind: type[MlvError] = DataError) -> str:
        """Why an archive is refused; the store and its job directories are as before."""
        before, folders = self.prints(), set(self.jobs.glob("*"))
        with pytest.raises(kind) as caught:
            self.take(archive)
        assert self.prints() == before
        assert set(self.jobs.glob("*")) == folders
        return caught.value.line


class Theirs(Place):
    """A store with fine-tuning, probing, influence and PCA runs."""

    def __init__(self, folder: Path, study_store: Path) -> None:
        super().__init__(folder, study_store)
        self.runs: Runs = add_runs(self.store)
        jobs = Jobs(self.jobs)
        with connect(self.store, read_only=False) as connection:
            settings = {"items": ["1"], "languages": ["fa"], "top_k": 3}
            traced = plan_influence(connection, jobs, self.runs.traced, **settings)
            play(traced)
            compared = plan_pca(connection, jobs)
            execute(compared.path, ExecuteOptions("cpu", 1))
            self.traced, self.compared = (commit_job(connection, job, self.store).run for job in (traced, compared))

    def probing(self, run: str) -> str:
        """The run that asked the last checkpoint of a fine-tuning run."""
        ((name,),) = self.rows(
            f"SELECT r.name FROM run r JOIN run t ON t.run_id = r.parent_run_id "
            f"WHERE r.kind = 'probe' AND t.name = '{run}'"
        )
        return str(name)
