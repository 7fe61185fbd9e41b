"""BLIP, or any newer image-to-text model that the auto classes of transformers know, as a captioner.

Only safetensors are loaded, and no code that comes with a model. A model that chats is asked; another one begins to
talk, or goes on where the prompt ends. The caption is what it adds.
"""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from limbeck import backbone
from limbeck.captions import processors
from limbeck.errors import InputError
from limbeck.settings import Captions
from limbeck.training import quiet

QUESTION = "Describe this picture in one short sentence."  # to a model that chats, where the recipe has no prompt


class Captioner:
    """A captioning model with its processor, from the folder (or hub id) where it was `found`."""

    def __init__(self, settings: Captions, found: str) -> None:
        self._model, self._processor = _loaded(settings.model, found)
        self._tokens = settings.max_new_tokens
        self._tokenizer = self._processor.tokenizer
        self._tokenizer.padding_side = "left"  # what is added follows the prompt at once
        self._chats = bool(getattr(self._processor, "chat_template", None))
        self._prompt = self._question(settings.prompt) if self._chats else settings.prompt
        if self._prompt and isinstance(self._processor, processors.Halves):
            raise InputError(f"captions.prompt: {settings.model} takes none", remedy="Leave it out")

    @torch.inference_mode()
    def caption(self, pictures: Sequence[Image.Image]) -> list[str]:
        """What each RGB picture shows, in one line; empty where the model says nothing."""
        inputs = {k: self._placed(v) for k, v in self._inputs(pictures).items()}
        ids = self._model.generate(**inputs, max_new_tokens=self._tokens, do_sample=False)
        said = self._tokenizer.batch_decode(_added(ids, inputs.get("input_ids")), skip_special_tokens=True)
        return [self._without_prompt(" ".join(text.split())) for text in said]

    def _inputs(self, pictures: Sequence[Image.Image]) -> Any:
        if not self._prompt:
            return self._processor(images=list(pictures), return_tensors="pt")
        images = [[p] for p in pictures] if self._chats else list(pictures)
        texts = [self._prompt] * len(pictures)
        inputs = self._processor(images=images, text=texts, padding=True, return_tensors="pt")
        config, ends = self._model.config, (self._tokenizer.sep_token_id, self._tokenizer.eos_token_id)
        # After [SEP] a decoder has nothing to add. BLIP's own generate() takes it away; an encoder wants it.
        if config.model_type != "blip" and not config.is_encoder_decoder and int(inputs["input_ids"][0, -1]) in ends:
            whole = inputs["input_ids"].shape[1]
            inputs = {k: v[:, :-1] if v.shape[:2] == (len(pictures), whole) else v for k, v in inputs.items()}
        return inputs

    def _question(self, prompt: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": prompt or QUESTION}]
        messages = [{"role": "user", "content": content}]
        return self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def _placed(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        value = value.to(self._model.device)
        return value.to(self._model.dtype) if value.is_floating_point() else value

    def _without_prompt(self, text: str) -> str:
        """BLIP repeats the prompt, as its tokenizer writes it."""
        if self._chats or not self._prompt:
            return text
        begun = self._tokenizer.decode(self._tokenizer(self._prompt)["input_ids"], skip_special_tokens=True)
        return text.removeprefix(" ".join(begun.split())).strip()


def _loaded(name: str, found: str) -> tuple[Any, Any]:
    dtype = torch.bfloat16 if backbone.bf16() else torch.float32
    try:
        with quiet():
            processor = processors.load(found)
            model = AutoModelForImageTextToText.from_pretrained(
                found, dtype=dtype, trust_remote_code=False, **backbone.LOADING
            )
        return model.eval().to(backbone.device()), processor
    except (OSError, ValueError) as error:
        problem = f"captions.model {name!r} cannot be loaded: {str(error).strip().splitlines()[0]}"
        remedy = "Name a folder or hub id of an image-to-text model with safetensors"
        raise InputError(problem, remedy=remedy) from None


def _added(ids: torch.Tensor, prompt: torch.Tensor | None) -> torch.Tensor:
    """What was generated, of ids (n, length), where the prompt's ids are repeated before it."""
    if prompt is None or not torch.equal(ids[:, : prompt.shape[1]], prompt):
        return ids
    return ids[:, prompt.shape[1] :]
