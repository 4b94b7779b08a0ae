"""Forms of prompts: the wording in which a chat model is asked to fill the gap of a sentence, in one language.

A form is a TOML file (``docs/prompts.md`` has one to adapt). Those in ``wordings/`` come with mlv: the paper shows the
wording of its instruction in an image that is lost, so they are mlv's own. A placeholder is a name in braces; braces
around anything else are text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Self

from pydantic import Field

from mlv.ingest.readers.probes import MASK
from mlv.ingest.reference.document import Document
from mlv.ingest.reference.languages import language as find_language
from mlv.schema.errors import NotFoundError, UsageError, joined

GAP: Final = "_"
"""What a sentence shows in place of its mask (Self-Alignment, section 8.4.2)."""

ANY_LANGUAGE: Final = "gap-english"
"""The packaged form that asks for sentences of any language, in English."""

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")

_NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "instruction": frozenset({"options"}),
    "option": frozenset({"option"}),
    "between": frozenset(),
    "before_last": frozenset(),
    "demonstration": frozenset({"completed"}),
    "question": frozenset({"sentence"}),
    "cue": frozenset(),
    "layout": frozenset({"instruction", "demonstrations", "question", "cue"}),
}
"""Placeholders of each text of a form; each stands there once."""


class Form(Document):
    """How questions are asked in one language, as its file says it."""

    WHAT = "form of prompts"
    HOW = "docs/prompts.md has one to adapt."

    code: Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$")]
    """Its name: forms of several languages that differ in the language alone share it."""

    language: str = ""
    """Code of the language of the questions; empty if they may be in any."""

    origin: str = ""
    """Who worded it: ``mlv``, a person, a publication."""

    instruction: str
    """What to do, with ``{options}``: the options in the order shown, separated by ``between`` and ``before_last``."""

    option: str
    """How an option is shown among these: ``{option}`` in the language's quotation marks, perhaps after ``{number}``,
    its place in the order shown, from 1."""

    between: str
    """What separates options, e.g. a comma and a space."""

    before_last: str
    """What separates the last two options, e.g. *or* between spaces."""

    digits: str = Field("0123456789", min_length=10, max_length=10)
    """The digits that ``{number}`` is written in, from 0 to 9."""

    demonstration: str = "{completed}"
    """A demonstration: ``{completed}`` is its sentence with the answer in the gap (Self-Alignment, table 8.2)."""

    question: str = "{sentence}"
    """The question: ``{sentence}`` has an underscore for its gap."""

    cue: str = ""
    """What the answer follows, e.g. ``Answer:``; may be empty."""

    layout: str = "{instruction}\n\n{demonstrations}\n{question}\n{cue}"
    """The whole prompt. ``{demonstrations}`` has a line for each; a line of the layout without any content is left
    out."""

    @property
    def numbered(self) -> bool:
        """Whether options are numbered, so that a number may be the answer."""
        return "{number}" in self.option

    def problems(self) -> Iterator[str]:
        """What is wrong with it although its form is right."""
        if self.language and (problem := _language_problem(self.language)):
            yield f"language: {problem}"
        for key, needed in _NEEDED.items():
            there = _PLACEHOLDER.findall(getattr(self, key))
            known = needed | {"number"} if key == "option" else needed
            yield from (f"{key}: {{{name}}} is missing" for name in sorted(needed.difference(there)))
            yield from (f"{key}: {{{name}}} stands there twice" for name in sorted(known) if there.count(name) > 1)
            if unknown := [f"{{{name}}}" for name in dict.fromkeys(there) if name not in known]:
                names = joined(f"{{{name}}}" for name in sorted(known))
                yield f"{key}: {joined(unknown)} is no placeholder here. Known here: {names}"

    def for_language(self, language: str) -> Self:
        """The form for questions in a language, by its code. Raises UsageError if it is for another language."""
        if self.language not in ("", language):
            raise UsageError(
                f"The form {self.code} is for questions in {self.language}, not in {language}.",
                f"Take {ANY_LANGUAGE}, which is for questions in any language, or write one: {self.HOW}",
            )
        return self.model_validate({**self.model_dump(), "language": language})


def _language_problem(code: str) -> str:
    """Why this is not the code of a language; empty if it is."""
    try:
        known = find_language(code).code
    except UsageError as error:
        return error.line
    return "" if known == code else f"{code!r} is not the code that mlv uses: write {known!r}"


@cache
def packaged() -> tuple[Form, ...]:
    """The forms that come with mlv, by code and language."""
    folder = files("mlv.ingest.prompts").joinpath("wordings")
    found = [Form.parse(file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir()]
    return tuple(sorted(found, key=lambda form: (form.code, form.language)))


def packaged_form(code: str, language: str) -> Form:
    """The form of this code that comes with mlv, for questions in a language. Raises NotFoundError if there is none."""
    for form in packaged():
        if form.code == code and form.language in ("", language):
            return form.for_language(language)
    same_language = [form.code for form in packaged() if form.language in ("", language)]
    same_code = [form.language for form in packaged() if form.code == code]
    elsewhere = f" {code} is there for {joined(same_code)}." if same_code else ""
    raise NotFoundError(
        f"There is no form {code} for questions in {language}; there is {joined(same_language)}.{elsewhere}",
        f"Take {ANY_LANGUAGE}, which is for questions in any language, or write one: {Form.HOW}",
    )


def gapped(template: str) -> str:
    """The sentence of a probe with an underscore for its mask; letters around it stay (``ber_``, ``_dir``)."""
    return template.replace(MASK, GAP)


def completed(template: str, answer: str) -> str:
    """The sentence of a probe with an answer for its mask, as it is: capitals and letters around it stay."""
    return template.replace(MASK, answer)


def render(form: Form, template: str, options: Sequence[str], demonstrations: Sequence[str] = ()) -> str:
    """The prompt for a question.

    Args:
        form: For the language of the question.
        template: The sentence with its mask.
        options: At least two, in the order shown.
        demonstrations: Completed sentences, in the order shown.
    """
    parts = {
        "instruction": _filled(form.instruction, {"options": _listed(form, options)}),
        "demonstrations": "\n".join(_filled(form.demonstration, {"completed": one}) for one in demonstrations),
        "question": _filled(form.question, {"sentence": gapped(template)}),
        "cue": form.cue,
    }
    return "\n".join(_filled(line, parts) for line in form.layout.split("\n") if _has_content(line, parts))


def _listed(form: Form, options: Sequence[str]) -> str:
    in_digits = str.maketrans("0123456789", form.digits)
    *others, last = (
        _filled(form.option, {"option": option, "number": str(number).translate(in_digits)})
        for number, option in enumerate(options, 1)
    )
    return form.between.join(others) + form.before_last + last


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _has_content(line: str, parts: Mapping[str, str]) -> bool:
    """Whether a line of a layout has a part that is not empty, or none at all."""
    names = _PLACEHOLDER.findall(line)
    return not names or any(parts[name] for name in names)
