"""Prompts and options as a decoder's tokens.

A chat model is given one user's turn through its own template, and no system turn (some templates refuse one); a model
without a template, the text itself. A template that takes a day to show is given one and the same; one that lets the
model think aloud first is asked not to, since answers are a few tokens.

An option's tokens are those by which prompt and option together go on from the prompt's. Where the tokenizer merges the
two, so that the prompt's tokens are no beginning, they are the tokens of the option by itself. In a plain text a space
parts the two unless the prompt ends in white space.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from mlv.compute.models.folder import quote
from mlv.compute.models.interfaces import Tokenizer
from mlv.compute.respondents.respondent import Wanted
from mlv.schema.errors import DataError

DAY: Final = "26 Jul 2024"
"""What templates take for today: the day that Llama 3.1's names if it is told none."""


class Encoded(NamedTuple):
    """A prompt as tokens."""

    prompt: list[int]
    options: list[list[int]]
    """Tokens of each option, if options are to be scored."""


def encode(wanted: Sequence[Wanted], tokenizer: Tokenizer, chat: bool) -> list[Encoded]:
    """Tokens of all prompts. Raises DataError if the template fails, or a prompt or an option has no tokens."""
    templated = chat and bool(tokenizer.chat_template)
    puts = [_put(one.prompt.text, tokenizer) if templated else one.prompt.text for one in wanted]
    prompts = _tokens(puts, tokenizer, templated)
    return [
        Encoded(prompt, _options(put, prompt, one, tokenizer, templated) if one.scores else [])
        for one, put, prompt in zip(wanted, puts, prompts, strict=True)
    ]


def _put(text: str, tokenizer: Tokenizer) -> str:
    """A text as the user's turn of a conversation, and the beginning of the answer."""
    try:
        return tokenizer.apply_chat_template(
            [{"role": "user", "content": text}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
            date_string=DAY,
        )
    # templates are programs, and raise whatever they like
    except Exception as error:
        raise DataError(
            f"The chat template of the model fails: {quote(error)}",
            "Plan the job with --no-chat, or mend chat_template.jinja in the model's folder.",
        ) from error


def _tokens(texts: list[str], tokenizer: Tokenizer, templated: bool) -> list[list[int]]:
    """Tokens of texts that are to be continued: a template brings its own special tokens, an end of text is none."""
    rows = tokenizer(texts, add_special_tokens=not templated)["input_ids"]
    found = [row[:-1] if row and not templated and row[-1] == tokenizer.eos_token_id else row for row in rows]
    if not all(found):
        raise DataError("A prompt has no tokens.", "Look at the form that it was made by.")
    return found


def _options(put: str, prompt: list[int], one: Wanted, tokenizer: Tokenizer, templated: bool) -> list[list[int]]:
    options = [continued(put, option, templated) for option in one.prompt.options]
    whole = _tokens([put + option for option in options], tokenizer, templated)
    alone = tokenizer(options, add_special_tokens=False)["input_ids"]
    found = [
        tokens[len(prompt) :] if tokens[: len(prompt)] == prompt else own
        for tokens, own in zip(whole, alone, strict=True)
    ]
    empty = [option for option, tokens in zip(options, found, strict=True) if not tokens]
    if empty:
        raise DataError(
            f"The option {empty[0]!r} of question {one.prompt.question} has no tokens", "Correct the probe."
        )
    return found


def continued(put: str, option: str, templated: bool) -> str:
    """An option as it follows what was put."""
    return option if templated or put[-1:].isspace() else f" {option}"
