"""The study file: what is refused and how that is worded, and the cells that its jobs come to."""

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from mlv.ingest.studies.study import MOST_CELLS, Study, bundled, read_study
from mlv.schema.errors import DataError, NotFoundError
from mlv.schema.jobs.kinds import KINDS

BASE = """
[[job]]
name = "base"
kind = "probe"
model = ["nano", "tiny"]
"""
TRAINED = """
[[job]]
name = "trained"
kind = "finetune"
model = "@base"
source = "a"
languages = [["fa"], ["ko", "fa"]]
sentences = 40
"""


def _read(folder: Path, text: str) -> Study:
    file = folder / "study.toml"
    file.write_text(text)
    return read_study(str(file))


def test_lists_are_products_and_lists_of_lists_for_settings_that_are_lists(tmp_path: Path) -> None:
    block = """
[[job]]
kind = "finetune"
model = "nano"
source = ["a", "b"]
languages = [["ko"], ["fa"], ["ko", "fa"]]
sentences = [20, 40]
seed = [1, 2]
"""
    study = _read(tmp_path, block)
    assert len(study.cells) == 2 * 3 * 2 * 2
    assert {cell.setting("languages") for cell in study.cells} == {("ko",), ("fa",), ("fa", "ko")}
    assert str(study.cells[0]) == "finetune nano a ko sentences=20 seed=1"
    single = _read(tmp_path, block.replace('[["ko"], ["fa"], ["ko", "fa"]]', '["ko", "fa"]'))
    assert len(single.cells) == 2 * 2 * 2
    # what is not given is the command's default
    assert dict(single.cells[0].settings)["epochs"] == 5


def test_settings_of_a_table_go_together(tmp_path: Path) -> None:
    block = """
[[job]]
name = "asked"
kind = "respond"
each = [
  { model = "a", temperature = 0.6, language = ["en", "de"] },
  { endpoint = "http://localhost:8000/v1", api_model = "b", as_of = "2026-11", language = "ko" },
]
"""
    study = _read(tmp_path, block)
    found = [(cell.model, cell.setting("language"), cell.setting("temperature")) for cell in study.cells]
    assert found == [("a", "en", 0.6), ("a", "de", 0.6), ("b", "ko", 1.0)]
    assert {cell.block for cell in study.cells} == {"asked"}
    # what is behind an API is not fetched
    assert study.models == ("a",)


def test_several_lists_of_tables_are_all_combinations(tmp_path: Path) -> None:
    block = """
[[job]]
kind = "respond"
language = "en"
each = [
  [{ draw = [1, 2] }, { strategy = "chrf" }],
  [{ model = "a", top_k = 0 }, { model = "b" }],
]
"""
    found = [(cell.setting("strategy"), cell.setting("draw"), cell.model) for cell in _read(tmp_path, block).cells]
    assert found == [
        *((None, draw, model) for model in "ab" for draw in (1, 2)),
        *(("chrf", 1, model) for model in "ab"),
    ]


@pytest.mark.parametrize(
    ("each", "said"),
    [
        ("[]", r"job #2\.each: it is a list of tables, or several"),
        ('"seed"', r"job #2\.each: it is a list of tables, or several"),
        ("[[{ seed = 1 }], []]", r"job #2\.each: it is a list of tables, or several"),
        ("[{ seed = 1, source = 'b' }]", r"job #2\.each: source is given twice"),
        ("[[{ seed = 1 }], [{ seed = 2 }]]", r"job #2\.each: seed is given twice"),
        ("[{ sead = 1 }]", r"job #2\.sead: there is no such key"),
        ("[{ each = [{ seed = 1 }] }]", r"job #2\.each: there is no such key"),
    ],
)
def test_tables_that_are_none_or_say_a_thing_twice_are_refused(tmp_path: Path, each: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        _read(tmp_path, BASE + TRAINED + f"each = {each}\n")


def test_a_table_may_refer_to_a_task(tmp_path: Path) -> None:
    """Then its block comes after the task, wherever it stands."""
    text = """
[[job]]
kind = "predict"
each = [{ model = "@a-full", split = "dev" }, { model = "classify-0", split = "test" }]
[[task]]
name = "a"
model = "nano"
task = "t"
languages = ["fa"]
"""
    asked = [str(cell) for cell in _read(tmp_path, text).cells if cell.kind == "predict"]
    assert asked == ["predict nano t fa", "predict nano t fa dev", "predict classify-0 test"]


def test_combinations_of_tables_end_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are more than any machine could list."""
    monkeypatch.setattr("mlv.ingest.studies.study.MOST_CELLS", 50)
    keys = ("seed", "epochs", "batch_size", "gradient_accumulation", "max_tokens")
    each = ", ".join(f"[{', '.join(f'{{ {key} = {number} }}' for number in range(1, 1000))}]" for key in keys)
    block = TRAINED.replace('"@base"', '"nano"') + f"each = [{each}]\n"
    with pytest.raises(DataError, match="comes to more than 50 jobs"):
        _read(tmp_path, block)


def test_lists_of_a_trainings_settings_are_a_sweep(tmp_path: Path) -> None:
    swept = {
        "learning_rate": (1e-5, 5e-5),
        "gradient_accumulation": (1, 4),
        "schedule": ("linear", "cosine"),
        "warmup": (0, 0.1),
        "weight_decay": (0, 0.01),
        "patience": (1, 2),
    }
    lists = "\n".join(f"{name} = {list(values)}" for name, values in swept.items())
    study = _read(tmp_path, f'[[job]]\nkind = "finetune"\nmodel = "nano"\nsource = "a"\nlanguages = ["fa"]\n{lists}')
    found = {tuple(cell.setting(name) for name in swept) for cell in study.cells}
    assert found == set(product(*swept.values()))
    assert "warmup=0.1" in str(study.cells[-1])


def test_references_are_the_jobs_of_earlier_blocks(tmp_path: Path) -> None:
    asked = """
[[job]]
name = "asked"
kind = "probe"
model = ["@trained", "@base"]
probe_set = "wide"
[[job]]
kind = "influence"
run = "@asked"
only = { model = "tiny", languages = [["fa", "ko"]] }
"""
    study = _read(tmp_path, BASE + TRAINED + asked)
    assert Counter(cell.kind for cell in study.cells) == {"probe": 2 + 6, "finetune": 4, "influence": 1}
    place = {cell: number for number, cell in enumerate(study.cells)}
    assert all(place[needed] < place[cell] for cell in study.cells for needed in cell.needs)
    (traced,) = [cell for cell in study.cells if cell.kind == "influence"]
    assert str(traced) == "influence tiny a fa,ko sentences=40 wide"
    probed = traced.needs[0]
    assert (probed.kind, probed.setting("probe_set"), probed.needs[0].kind) == ("probe", "wide", "finetune")
    assert study.models == ("nano", "tiny")


def test_a_job_that_two_blocks_ask_for_is_one_cell(tmp_path: Path) -> None:
    once = _read(tmp_path, BASE + TRAINED)
    again = TRAINED.replace('"trained"', '"again"').replace('[["fa"], ["ko", "fa"]]', '[["Farsi"], ["fa", "Korean"]]')
    assert _read(tmp_path, BASE + TRAINED + again).cells == once.cells
    assert len(_read(tmp_path, BASE + TRAINED + again + "seed = [1, 2]\n").cells) == len(once.cells) + 4


def test_defaults_are_of_a_kind_and_given_way_to(tmp_path: Path) -> None:
    defaults = """
[defaults.finetune]
epochs = 3
seed = [1, 2]
[defaults.probe]
languages = ["fa"]
"""
    study = _read(tmp_path, BASE + TRAINED + "seed = 7\n" + defaults)
    trained = [cell for cell in study.cells if cell.kind == "finetune"]
    assert {(cell.setting("epochs"), cell.setting("seed")) for cell in trained} == {(3, 7)}
    assert {cell.setting("languages") for cell in study.cells if cell.kind == "probe"} == {("fa",)}


def test_runs_are_on_sentences_that_all_languages_of_their_source_have(tmp_path: Path) -> None:
    other = """
[[job]]
name = "other"
kind = "finetune"
model = "@base"
source = ["a", "news-fox"]
languages = [["hi"], ["fa"]]
sentences = 40
[[job]]
name = "own"
kind = "finetune"
model = "@base"
source = "a"
languages = [["hi"], ["fa", "ko"]]
parallel_with = [["none"], ["fa", "hi"], ["ko", "hi", "fa"]]
sentences = 40
[[job]]
kind = "probe"
model = ["@other", "@own"]
"""
    study = _read(tmp_path, BASE + TRAINED + other)
    runs = [dict(cell.settings) for cell in study.cells if cell.kind == "finetune" and cell.setting("model") == "nano"]
    assert [(run["source"], run["languages"], run["parallel_with"]) for run in runs] == [
        ("a", ("fa",), ("fa", "hi", "ko")),
        ("a", ("fa", "ko"), ("fa", "hi", "ko")),
        ("a", ("hi",), ("fa", "hi", "ko")),
        ("news-fox", ("hi",), ("none",)),
        ("news-fox", ("fa",), ("none",)),
        ("a", ("hi",), ("none",)),
        ("a", ("hi",), ("fa", "hi")),
        ("a", ("fa", "ko"), ("none",)),
        ("a", ("fa", "ko"), ("fa", "hi")),
    ]
    place = {cell: number for number, cell in enumerate(study.cells)}
    assert all(place[needed] < place[cell] for cell in study.cells for needed in cell.needs)
    assert sum(cell.kind == "probe" for cell in study.cells) == 2 + len(runs) * 2


MASKED = """
[[job]]
name = "mono"
kind = "classify"
model = "nano"
task = "t"
languages = [["de"], ["en"]]

[[job]]
name = "prune-de"
kind = "prune"
run = "@mono"
only = { languages = [["de"]] }

[[job]]
name = "prune-en"
kind = "prune"
run = "@mono"
threshold = [0.9, 0.95]
only = { languages = [["en"]] }

[[job]]
name = "full"
kind = "classify"
model = "nano"
task = "t"
languages = ["de", "en"]

[[job]]
kind = "predict"
name = "masked"
model = "@full"
masks = { German = "@prune-de", en = "@prune-en" }
shuffle = [1, 2, 3]

[[job]]
kind = "predict"
name = "composed"
model = "@full"
masks = { de = ["@prune-de", "@prune-en"], en = "random(2x4,3,1)" }
combine = "intersection"
"""


def test_masks_refer_to_the_jobs_that_find_them(tmp_path: Path) -> None:
    cells = _read(tmp_path, MASKED).cells
    masked = [cell for cell in cells if cell.block == "masked"]
    # one for each combination of thresholds and seeds
    assert len(masked) == 2 * 3
    for cell in masked:
        full, german, english = cell.needs
        assert (full.block, german.block, english.block) == ("full", "prune-de", "prune-en")
        assert cell.about == (full,)
        # a setting is looked for in what a cell is about, not in its masks
        assert list(cell.chain("threshold")) == []
        request = cell.request(lambda name, needed: f"{needed.block} of {name}")
        assert request.model_dump()["masks"] == {"de": ("prune-de of masks",), "en": ("prune-en of masks",)}
    thresholds = [dict(cell.needs[2].settings)["threshold"] for cell in masked]
    assert sorted(thresholds) == [0.9] * 3 + [0.95] * 3
    assert "masks=de:@prune-de,en:@prune-en" in str(masked[0])
    composed = [cell for cell in cells if cell.block == "composed"]
    assert [[needed.block for needed in cell.needs] for cell in composed] == [["full", "prune-de", "prune-en"]] * 2
    asked = composed[0].asked().model_dump()
    assert asked["masks"] == {"de": ("@prune-de", "@prune-en"), "en": ("random(2x4,3,1)",)}


def test_a_mask_that_no_job_finds_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        _read(tmp_path, MASKED.replace('"@prune-de", "@prune-en"', '"@prune-de", "@prune-fr"'))
    assert "job #6.masks.de #2: no earlier job is named prune-fr" in str(caught.value)


def test_every_kind_can_stand_in_a_file(tmp_path: Path) -> None:
    settings = {
        "pretrain": 'name = "nano"',
        "probe": 'model = "nano"',
        "finetune": 'model = "nano"\nsource = "a"\nlanguages = ["fa"]\neditions = { fa = "x" }',
        "influence": 'run = "finetune-0"\npreset = "echoes"',
        "validate": 'run = "finetune-0"\nattributions = [["default"], ["exact", "default"]]',
        "pca": "",
        "classify": 'model = "nano"\ntask = "t"\nlanguages = ["fa"]\nadded = { fa = 50 }',
        "predict": 'model = "classify-0"',
        "prune": 'run = "classify-0"',
        "complete": 'model = "nano"\ngroups = "own"',
        "respond": 'model = "nano"\nlanguage = "en"',
    }
    assert settings.keys() == KINDS.keys()
    blocks = [f'[[job]]\nkind = "{kind}"\n{own}\n' for kind, own in settings.items()]
    found = Counter(cell.kind for cell in _read(tmp_path, "".join(blocks)).cells)
    assert found == dict.fromkeys(KINDS, 1) | {"validate": 2}


def test_the_papers_study_has_as_many_cells_as_counted_by_hand() -> None:
    """Per model: FLORES 4 runs; PBC and Tanzil 4 languages x 2 sizes + 1 each; news 3; that is 25.

    mT5-small has PBC's 9 with two more seeds, and all its runs are traced, as the paper does and by default.
    """
    found = read_study("echoes")
    counts = Counter(cell.kind for cell in found.cells)
    assert counts == {"finetune": 3 * 25 + 2 * 9, "probe": 3 + 3 * 25 + 2 * 9, "influence": 2 * (25 + 2 * 9)}
    assert found.models == ("google/mt5-small", "google/mt5-base", "google/mt5-large")
    paper = {"epochs": 5, "batch_size": 8, "learning_rate": 5e-5, "max_tokens": 256, "precision": "fp32"}
    for cell in found.cells:
        assert cell.kind != "finetune" or paper.items() <= dict(cell.settings).items()
    together = {
        (cell.setting("source"), cell.setting("parallel_with")) for cell in found.cells if cell.kind == "finetune"
    }
    alone = {(f"news-{outlet}", ("none",)) for outlet in ("new-yorker", "reuters", "fox")}
    assert together == alone | {(source, ("fa", "hi", "ko", "ru")) for source in ("pbc", "tanzil", "flores")}
    traced = {cell.setting("model") for cell in found.cells if cell.kind == "influence"}
    assert traced == {"google/mt5-small"}
    presets = Counter(cell.setting("preset") for cell in found.cells if cell.kind == "influence")
    assert presets == {"echoes": 43, None: 43}


def test_every_study_that_comes_with_mlv_can_be_read() -> None:
    assert bundled() == [
        "demo",
        "echoes",
        "modularity",
        "modularity-demo",
        "selfalign",
        "selfalign-demo",
        "sharing",
        "sharing-demo",
        "stereotypes",
        "stereotypes-demo",
    ]
    assert Counter(cell.kind for cell in read_study("demo").cells) == {"probe": 11, "finetune": 10, "influence": 2}
    small = Counter(cell.kind for cell in read_study("sharing-demo").cells)
    assert small == {"pretrain": 1, "classify": 3, "predict": 3, "influence": 3}
    pruned = Counter(cell.kind for cell in read_study("modularity-demo").cells)
    assert pruned == {"pretrain": 1, "classify": 5, "prune": 3, "predict": 10, "influence": 12}
    completed = Counter(cell.kind for cell in read_study("stereotypes-demo").cells)
    assert completed == {"pretrain": 1, "finetune": 4, "complete": 5}
    trained = [cell for cell in read_study("stereotypes").cells if cell.kind == "finetune"]
    assert {dict(cell.settings)["parallel_with"] for cell in trained} == {()}
    of_paper = Counter(cell.kind for cell in read_study("stereotypes").cells)
    assert of_paper == {"finetune": (5 * 5 + 5 * 3) * 3, "complete": 9 + (5 * 5 + 5 * 3) * 3}
    asked = Counter(cell.kind for cell in read_study("selfalign-demo").cells)
    assert asked == {"pretrain": 1, "respond": 2 * 4}


def test_all_that_is_wrong_is_said_at_once_with_its_place(tmp_path: Path) -> None:
    text = """
models = ["nano"]
[defaults.ask]
seed = 1
[[job]]
kind = "tune"
[[job]]
name = "base"
kind = "probe"
model = "nano"
languages = ["fa", "xx-no"]
[[job]]
name = "base"
kind = "probe"
model = "nano"
[[job]]
kind = "finetune"
model = "@bases"
source = "pbc"
languages = ["fa", "ko", "hi"]
sentences = 10000
epoch = 5
seed = -2
[[job]]
kind = "influence"
run = "finetune-0"
preset = "ecoes"
method = "tracin"
damping = 0.5
"""
    with pytest.raises(DataError, match=r"models: there is no such key\. Known here: defaults, job"):
        _read(tmp_path, text)
    with pytest.raises(DataError) as caught:
        _read(tmp_path, text.replace('models = ["nano"]\n', "").replace('"@bases"', '"nano"'))
    said = caught.value.message.splitlines()
    expected = [
        "problems",
        "defaults.ask: there is no such kind of job. There are pretrain, finetune",
        "job #1.kind: there is no kind of job 'tune'. There are pretrain, finetune",
        "job #2.languages #2: There is no language 'xx-no'",
        "job #3.name: 'base' is not a name of its own.",
        "job #4.seed: should be greater than or equal to 0, not -2",
        "job #4.epoch: there is no such key. Known here: model, source, languages",
        "job #5.preset: should be 'echoes', 'languages' or 'modularity', not 'ecoes'",
        "job #5.damping: It belongs to TRAK",
    ]
    for part in expected:
        assert any(part in line for line in said), (part, said)
    assert len(said) == len(expected)


def test_a_reference_leads_to_an_earlier_block(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"job #1\.model: no earlier job is named base\. Named before: none"):
        _read(tmp_path, TRAINED + BASE)


def test_a_filter_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"job #2\.model: `only` leaves none of the jobs named base"):
        _read(tmp_path, BASE + TRAINED + 'only = { model = "large" }\n')


def test_sentences_that_do_not_divide_are_refused(tmp_path: Path) -> None:
    three = TRAINED.replace('[["fa"], ["ko", "fa"]]', '["fa", "ko", "hi"]').replace("40", "10000")
    with pytest.raises(DataError, match=r"job #2: 10,000 sentences do not divide into 3 languages\. .*: 9,999"):
        _read(tmp_path, BASE + three)


def test_a_study_has_at_most_so_many_cells(tmp_path: Path) -> None:
    seeds = list(range(MOST_CELLS + 5))
    block = f'[[job]]\nkind = "pca"\nseed = {seeds}\n'
    with pytest.raises(DataError, match=r"more than 100,000 jobs\. Make several studies of it"):
        _read(tmp_path, block)


def test_a_file_that_is_not_toml_or_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not valid TOML.*line 1"):
        _read(tmp_path, "models = ['nano' 'tiny']")
    with pytest.raises(NotFoundError, match="no study file echos") as caught:
        read_study("echos")
    assert "demo, echoes, modularity" in caught.value.hint
