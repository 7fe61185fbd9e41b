"""Captioning models small enough for tests, with the files of real ones: processor, tokenizer, random weights."""

from pathlib import Path

import torch
from tiny_models import write_decoder, write_encoder
from transformers import (
    AutoTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPImageProcessorPil,
    GitConfig,
    GitForCausalLM,
    GitProcessor,
    GPT2Config,
    GPT2LMHeadModel,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessorPil,
    ViTModel,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

TEXTS = ("a photo of a red sofa", "a blue lamp on a wooden table", "two green chairs in a garden", "what is it?")
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "initializer_range": 0.3}
SIDE = {"height": 32, "width": 32}
EYES = {"image_size": 32, "patch_size": 8, "intermediate_size": 64, **LAYERS}
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIGNS = ["<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def _words(folder: Path):
    """A WordPiece tokenizer in `folder`, as BLIP's and GIT's are."""
    write_encoder(folder, TEXTS)
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    return AutoTokenizer.from_pretrained(folder)


def _pieces(folder: Path, kind: str):
    """A byte-level tokenizer in `folder`, as Qwen's and GPT-2's are."""
    write_decoder(folder, TEXTS, kind, "right")
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    return AutoTokenizer.from_pretrained(folder)


def write_blip(folder: Path) -> None:
    """BLIP: a ViT, and a BERT that talks."""
    words = _words(folder)
    ends = {"bos_token_id": words.cls_token_id, "eos_token_id": words.sep_token_id, "sep_token_id": words.sep_token_id}
    text = {"vocab_size": len(words), "encoder_hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 64}
    text |= {"pad_token_id": words.pad_token_id, **ends, **LAYERS}
    config = BlipConfig(text_config=text, vision_config=EYES, image_text_hidden_size=16)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BlipProcessor(BlipImageProcessorPil(size=SIDE), words).save_pretrained(folder)


def write_git(folder: Path) -> None:
    """GIT: a decoder that reads the picture before the words."""
    words = _words(folder)
    ends = {"bos_token_id": words.cls_token_id, "eos_token_id": words.sep_token_id, "pad_token_id": words.pad_token_id}
    text = {"vocab_size": len(words), "intermediate_size": 64, "max_position_embeddings": 64, **LAYERS, **ends}
    GitForCausalLM(GitConfig(vision_config=EYES, **text)).save_pretrained(folder)
    GitProcessor(CLIPImageProcessorPil(size=SIDE, do_center_crop=False), words).save_pretrained(folder)


def write_qwen2_vl(folder: Path) -> None:
    """Qwen2-VL: a Llama-like decoder that chats, and sees pictures at their own size."""
    pieces = _pieces(folder, "llama")
    pieces.add_special_tokens({"pad_token": "<|endoftext|>", "additional_special_tokens": SIGNS})
    text = {"vocab_size": len(pieces), "intermediate_size": 64, "num_key_value_heads": 1, **LAYERS}
    text |= {"max_position_embeddings": 512, "pad_token_id": pieces.pad_token_id}
    text |= {"bos_token_id": pieces.bos_token_id, "eos_token_id": pieces.eos_token_id}
    text["rope_parameters"] = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10_000.0}
    eyes = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 8}
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    signs = dict(zip(names, pieces.convert_tokens_to_ids(SIGNS[2:])))
    Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(text_config=text, vision_config=eyes, initializer_range=0.3, **signs)
    ).save_pretrained(folder)
    pieces.save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=8, merge_size=2, min_pixels=256, max_pixels=4_096).save_pretrained(folder)
    (folder / "chat_template.jinja").write_text(CHAT, encoding="utf-8")


def write_vit_gpt2(folder: Path) -> None:
    """ViT with GPT-2: an encoder and a decoder that were put together, with no processor of their own."""
    pieces = _pieces(folder, "gpt2")
    pieces.pad_token = pieces.eos_token
    ends = {"bos_token_id": pieces.bos_token_id, "eos_token_id": pieces.eos_token_id}
    talks = GPT2Config(vocab_size=len(pieces), n_embd=32, n_layer=2, n_head=2, n_positions=64, **ends)
    talks.update({"add_cross_attention": True, "is_decoder": True, "initializer_range": 0.3})
    both = VisionEncoderDecoderModel(encoder=ViTModel(ViTConfig(**EYES)), decoder=GPT2LMHeadModel(talks))
    both.config.decoder_start_token_id = both.generation_config.decoder_start_token_id = pieces.bos_token_id
    both.config.pad_token_id = both.generation_config.pad_token_id = pieces.pad_token_id
    both.generation_config.eos_token_id = pieces.eos_token_id
    both.save_pretrained(folder)
    pieces.save_pretrained(folder)
    ViTImageProcessorPil(size=SIDE).save_pretrained(folder)


WRITERS = {"blip": write_blip, "git": write_git, "qwen2_vl": write_qwen2_vl, "vit_gpt2": write_vit_gpt2}
