"""Models small enough for tests, with the files of real ones: a tokenizer learnt from a few texts, random weights.

The weights are the same in every run, and large enough for different texts to get clearly different vectors.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}


def write_encoder(folder: Path, texts: Iterable[str]) -> None:
    """A BERT of two layers that reads 64 tokens, and a WordPiece tokenizer of the texts' most common words."""
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    words = Counter(w for text in texts for w, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted(set().union(*words))
    common = sorted(words, key=lambda w: (-words[w], w))[:300]  # a trainer's choice differs from run to run
    vocabulary = dict.fromkeys([*SPECIAL.values(), *letters, *(f"##{c}" for c in letters), *common])
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    ends = [(t, tokenizer.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B [SEP]", ends)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **SPECIAL).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), **SIZES)).save_pretrained(folder)


def write_decoder(folder: Path, texts: Iterable[str], kind: str, padding_side: str) -> None:
    """A Llama or GPT-2 of two layers, and a byte-level BPE tokenizer that has no padding token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    ends = {"bos_token": "<s>", "eos_token": "</s>"}
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=list(ends.values()), initial_alphabet=alphabet)
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, padding_side=padding_side, **ends)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    known = {"vocab_size": len(fast), "bos_token_id": fast.bos_token_id, "eos_token_id": fast.eos_token_id}
    if kind == "llama":
        LlamaModel(LlamaConfig(num_key_value_heads=1, **known, **SIZES)).save_pretrained(folder)
    else:
        GPT2Model(GPT2Config(**known, **SIZES)).save_pretrained(folder)
