"""How query and Pin are put together for a decoder, which has no [CLS] and [SEP] of its own: a prompt.

The prompt's fixed words become part of the tokenizer: a pair of texts comes out of it with the words around and between
them. Whoever loads the teacher's folder, with or without Limbeck, therefore asks in the same words; over-long texts are
cut before the words are added, which are never lost; and each text's tokens are its own, wherever it stands.
"""

import re
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

# Parts end with their lines: no line break comes from the texts, so that none can pretend to be the next part.
DEFAULT = "Query:\n{query}\nPin:\n{text}\nRelevance:"
PLACES = {"{query}": "$A", "{text}": "$B"}


def with_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> PreTrainedTokenizerFast:
    """A tokenizer that turns (query, Pin text) into `prompt` filled in, between the tokens that begin and end a text.

    Special tokens may stand in the prompt, by name. In the texts themselves, line breaks become spaces.
    """
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.encode_special_tokens = False
    backend.no_padding()  # some are saved with it, and the prompt's words would be padded, too
    before, after = _ends(tokenizer)
    parts: dict[str, list[int]] = {"before": before, "after": after}
    layout = ["before"]
    for part in re.split(r"(\{query\}|\{text\})", prompt):
        if part not in PLACES:
            parts[f"words{len(layout)}"] = backend.encode(part, add_special_tokens=False).ids
        layout.append(PLACES.get(part, f"words{len(layout)}"))
    layout.append("after")
    known = [_special(backend, name, ids) for name, ids in parts.items() if ids]
    backend.post_processor = processors.TemplateProcessing(
        single=[p for p in ("before", "$A", "after") if p == "$A" or parts[p]],
        pair=[p for p in layout if p.startswith("$") or parts[p]],
        special_tokens=known,
    )
    one_line = normalizers.Replace(Regex(r"[\r\n]+"), " ")
    backend.normalizer = normalizers.Sequence([one_line, *([backend.normalizer] if backend.normalizer else [])])
    return _tokenizer(backend, tokenizer)


def _ends(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """The special tokens that this tokenizer puts before and after a text."""
    read = tokenizer("a", return_special_tokens_mask=True)
    ids, special = read["input_ids"], read["special_tokens_mask"]
    begin = special.index(0)
    end = len(special) - special[::-1].index(0)
    return ids[:begin], ids[end:]


def _special(backend: Tokenizer, name: str, ids: list[int]) -> dict[str, Any]:
    return {"id": name, "ids": ids, "tokens": [backend.id_to_token(i) for i in ids]}


def _tokenizer(backend: Tokenizer, like: PreTrainedTokenizerBase) -> PreTrainedTokenizerFast:
    """The general class, which loads its file as it is: those of single families make parts of it anew."""
    named = {name: token for name, token in like.special_tokens_map.items() if isinstance(token, str)}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=like.model_max_length,
        padding_side="right",
        truncation_side="right",
        model_input_names=["input_ids", "attention_mask"],
        split_special_tokens=True,
        **named,
    )
