"""docs/prompts.md: its form can be read, and what it says of the packaged ones is so."""

import re
from pathlib import Path
from typing import get_args

from mlv.ingest.prompts.chrf import SIGNATURE
from mlv.ingest.prompts.forms import Form, packaged, packaged_form, render
from mlv.schema.papers.selfalign import OptionOrder, Ordering, Strategy

PAGE = (Path(__file__).parent.parent.parent / "docs" / "prompts.md").read_text(encoding="utf-8")


def _block(kind: str) -> str:
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_prompt_on_the_page_is_what_is_rendered() -> None:
    shown = ["I have no confidence in the press.", "I have full confidence in the courts."]
    sentence = "I have [MASK] confidence in the government."
    assert render(packaged_form("gap", "en"), sentence, ("full", "no"), shown) == _block("text").rstrip("\n")


def test_the_form_on_the_page_has_every_key_and_the_defaults_that_it_says(tmp_path: Path) -> None:
    (tmp_path / "form.toml").write_text(_block("toml"), encoding="utf-8")
    form = Form.read(tmp_path / "form.toml")
    assert form.model_fields_set == Form.model_fields.keys() - {"digits"}
    required, said, _ = _block("toml").partition("# these may be missing")
    assert said
    shorter = Form.parse("form.toml", required)
    assert form == shorter.model_copy(update={"cue": form.cue})
    assert render(form, "Familia ni [MASK].", ("muhimu", "si muhimu")) == (
        "Jaza pengo (_) katika sentensi kwa mojawapo ya chaguo hizi: “muhimu” au “si muhimu”. Jibu kwa chaguo hilo tu."
        "\n\nFamilia ni _.\nJibu:"
    )


def test_the_page_lists_forms_strategies_and_orders() -> None:
    for form in packaged():
        assert f"| `{form.code}` |" in PAGE
    for name in (*get_args(Strategy), *get_args(OptionOrder)):
        assert f"| `{name}` |" in PAGE
    assert all(f"`{name}`" in PAGE for name in (*get_args(Ordering), SIGNATURE))
    gap = ", ".join(form.language for form in packaged() if form.code == "gap")
    assert f"| `gap` | {gap} |" in PAGE
