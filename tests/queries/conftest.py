"""Stores of small studies, made once."""

from collections.abc import Callable
from pathlib import Path

import asked_study
import completed_groups
import hand_study as by_hand
import pytest
from asked_texts import BY_HAND, Asked
from masked_texts import MaskedTexts
from study_store import Study, fill
from traced_texts import TracedTexts

from mlv.migrations import upgrade
from mlv.schema.store.opening import connect
from mlv.schema.tables.metadata import table_names


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without rows; copy it, do not write it."""
    path = tmp_path_factory.mktemp("empty") / "empty.duckdb"
    upgrade(path)
    return path


@pytest.fixture(scope="session")
def make_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Study], Path]:
    """Makes a store of a study."""

    def make(study: Study) -> Path:
        path = tmp_path_factory.mktemp("store") / "study.duckdb"
        path.write_bytes(empty_store.read_bytes())
        with connect(path, read_only=False) as connection:
            fill(connection, study)
        return path

    return make


@pytest.fixture(scope="session")
def shuffled(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Makes a store with the same rows, stored in another order."""

    def shuffle(path: Path) -> Path:
        target = tmp_path_factory.mktemp("shuffled") / "study.duckdb"
        target.write_bytes(empty_store.read_bytes())
        with connect(target, read_only=False) as connection:
            connection.execute(f"ATTACH '{path}' AS original (READ_ONLY)")
            for table in table_names():
                connection.execute(
                    f'INSERT INTO "{table}" SELECT * FROM original."{table}" t ORDER BY hash(t::VARCHAR)'
                )
        return target

    return shuffle


@pytest.fixture(scope="session")
def hand_study() -> Study:
    """The study that echoes/golden/README.md computes by hand."""
    return by_hand.hand_study()


@pytest.fixture(scope="session")
def hand_store(hand_study: Study, make_store: Callable[[Study], Path]) -> Path:
    """The store of the study that is computed by hand. Read only."""
    return make_store(hand_study)


@pytest.fixture(scope="session")
def grid_study() -> Study:
    """The larger study that it computes."""
    return by_hand.grid_study()


@pytest.fixture(scope="session")
def grid_store(grid_study: Study, make_store: Callable[[Study], Path]) -> Path:
    """The store of the larger study. Read only."""
    return make_store(grid_study)


@pytest.fixture(scope="session")
def traced_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of classifiers whose predictions are traced. Read only."""
    path = tmp_path_factory.mktemp("store") / "traced.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        TracedTexts(connection)
    return path


@pytest.fixture(scope="session")
def masked_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of classifiers under masks that modularity/golden/README.md computes by hand. Read only."""
    path = tmp_path_factory.mktemp("store") / "masked.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        MaskedTexts(connection)
    return path


@pytest.fixture(scope="session")
def classified_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a classifier that was asked texts. Read only."""
    path = tmp_path_factory.mktemp("store") / "classified.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        Asked(connection).ask(BY_HAND)
    return path


@pytest.fixture(scope="session")
def make_asked_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Study], Path]:
    """Makes a store of a study of chat models."""

    def make(study: Study) -> Path:
        path = tmp_path_factory.mktemp("asked") / "study.duckdb"
        path.write_bytes(empty_store.read_bytes())
        with connect(path, read_only=False) as connection:
            asked_study.fill(connection, study)
        return path

    return make


@pytest.fixture(scope="session")
def asked_store(make_asked_store: Callable[[Study], Path]) -> Path:
    """The store of the chat models that selfalign/golden/README.md computes by hand. Read only."""
    path = make_asked_store(asked_study.hand_study())
    with connect(path, read_only=False) as connection:
        asked_study.build_profiles(connection)
    return path


@pytest.fixture(scope="session")
def completed_store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of completed sentences that stereotypes/golden/README.md computes by hand. Read only."""
    folder = tmp_path_factory.mktemp("completed")
    path = folder / "completed.duckdb"
    path.write_bytes(empty_store.read_bytes())
    with connect(path, read_only=False) as connection:
        completed_groups.make(connection, folder, completed_groups.HAND)
    return path
