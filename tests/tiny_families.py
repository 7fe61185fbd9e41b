"""A tiny model of every family that Limbeck fine-tunes, in the form its real checkpoints are published in.

Real model classes with random weights and, as on the hub, a language-modelling head that a teacher has no use for; real
tokenizer classes over vocabularies learnt from the generated world: WordPiece, SentencePiece, byte-level BPE.
"""

import io
import shutil
import tempfile
from functools import cache
from pathlib import Path

import sentencepiece
import torch
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from toy_task import SENTENCES
from transformers import AddedToken, AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

from limbeck.settings import World
from limbeck.sources.world.pins import pins

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
}
T5_SIZES = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "initializer_factor": 1.0}
LLAMA_3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CHAT = "{% for m in messages %}<|start_header_id|>{{ m['role'] }}\n{{ m['content'] }}<|eot_id|>{% endfor %}"


@cache
def texts() -> tuple[str, ...]:
    """What the Pins of a small world say, in five languages, and the toy task's sentences."""
    table = pins(World(pins=400), 0, 0)
    said = [t for column in ("title", "description") for t in table.column(column).to_pylist() if t]
    return tuple(said) + SENTENCES


MADE = tempfile.TemporaryDirectory(prefix="tiny-families-")  # one of each: learning a vocabulary takes a while


def write(name: str, folder: Path) -> Path:
    """Write the tiny model of a family (a key of `FAMILIES`) to `folder`."""
    return Path(shutil.copytree(_made(name), folder, dirs_exist_ok=True))


@cache
def _made(name: str) -> Path:
    folder = Path(MADE.name) / name
    folder.mkdir()
    torch.manual_seed(0)
    FAMILIES[name](folder)
    return folder


def bert(folder: Path) -> None:
    """As bert-base-multilingual-cased: WordPiece, cased."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    learner.train_from_iterator(texts(), trainers.WordPieceTrainer(vocab_size=900, special_tokens=special))
    vocabulary = {t: i for i, (t, _) in enumerate(sorted(learner.get_vocab().items(), key=lambda item: item[1]))}
    tokenizer = transformers.BertTokenizer(vocab=vocabulary, do_lower_case=False, model_max_length=64)
    _masked("bert", tokenizer, folder)


def t5(folder: Path) -> None:
    """As t5-base: an encoder and a decoder; the tokenizer is a SentencePiece model alone."""
    _t5(transformers.T5ForConditionalGeneration, transformers.T5Config, folder)


def mt5(folder: Path) -> None:
    """As mt5-base: gated activations, embeddings of its own for the output."""
    _t5(transformers.MT5ForConditionalGeneration, transformers.MT5Config, folder)


def deberta(folder: Path) -> None:
    """As deberta-v3-base and mdeberta-v3-base: relative positions in buckets, half-precision weights, SentencePiece."""
    named = {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
    learnt = _sentencepiece(pad_id=0, bos_id=1, eos_id=2, unk_id=3, **named)
    (folder / "spm.model").write_bytes(learnt)
    own = {"relative_attention": True, "position_buckets": 16, "max_relative_positions": -1, "type_vocab_size": 0}
    kinds = {"pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm", "share_att_key": True}
    size = sentencepiece.SentencePieceProcessor(model_proto=learnt).vocab_size() + 1  # and [MASK]
    config = AutoConfig.for_model(
        "deberta-v2", vocab_size=size, position_biased_input=False, pad_token_id=0, **own, **kinds, **SIZES
    )
    AutoModelForMaskedLM.from_config(config).to(torch.float16).save_pretrained(folder)


def xlm_roberta(folder: Path) -> None:
    """As xlm-roberta-base: positions begin after the padding's number, so two fewer tokens than positions are read."""
    (folder / "sentencepiece.bpe.model").write_bytes(_sentencepiece(pad_id=-1, unk_id=0, bos_id=1, eos_id=2))
    tokenizer = transformers.XLMRobertaTokenizer.from_pretrained(folder)
    _masked("xlm-roberta", tokenizer, folder)


def modernbert(folder: Path) -> None:
    """As ModernBERT-base: byte-level BPE with BERT's special tokens, local and global attention, rotary positions."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    learnt = _bytes_bpe(special)
    learnt.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    ends = [(t, learnt.token_to_id(t)) for t in ("[CLS]", "[SEP]")]
    learnt.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", ends)
    named = {f"{token.strip('[]').lower()}_token": token for token in special}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=learnt, model_max_length=64, **named)
    _masked("modernbert", tokenizer, folder, local_attention=16, initializer_cutoff_factor=2.0)


def llama(folder: Path) -> None:
    """As Meta-Llama-3-8B-Instruct: bfloat16, grouped queries, a tokenizer without padding but with a chat template."""
    begin, end, turn = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
    learnt = _bytes_bpe([begin, end, turn])
    template = processors.TemplateProcessing(
        f"{begin} $A", f"{begin} $A {begin}:1 $B:1", [(begin, learnt.token_to_id(begin))]
    )
    learnt.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=learnt, model_max_length=131_072, bos_token=begin, eos_token=turn, chat_template=CHAT
    )
    _causal("llama", tokenizer, folder)


def qwen(folder: Path) -> None:
    """As Qwen3-8B: bfloat16, normed queries and keys, no token at the beginning, padding on the left."""
    text, begin, end = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
    learnt = _bytes_bpe([text])
    learnt.model.save(str(folder))  # vocab.json and merges.txt
    tokenizer = transformers.Qwen2Tokenizer.from_pretrained(
        folder, eos_token=end, extra_special_tokens=[begin, end], padding_side="left", model_max_length=131_072
    )
    tokenizer.chat_template = CHAT
    _causal("qwen3", tokenizer, folder, head_dim=16)


FAMILIES = {
    "bert-multilingual": bert,
    "t5": t5,
    "mt5": mt5,
    "deberta": deberta,
    "mdeberta": deberta,
    "xlm-roberta": xlm_roberta,
    "modernbert": modernbert,
    "llama": llama,
    "qwen": qwen,
}


def _masked(kind: str, tokenizer: PreTrainedTokenizerFast, folder: Path, **more: object) -> None:
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **{**SIZES, **more}
    )
    AutoModelForMaskedLM.from_config(config).save_pretrained(folder)


def _causal(kind: str, tokenizer: PreTrainedTokenizerFast, folder: Path, **more: object) -> None:
    tokenizer.save_pretrained(folder)
    known = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id, "num_key_value_heads": 1}
    config = AutoConfig.for_model(kind, bos_token_id=tokenizer.bos_token_id, **known, **{**SIZES, **more})
    transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(folder)


def _t5(model: type, config: type, folder: Path) -> None:
    learnt = _sentencepiece(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    (folder / "spiece.model").write_bytes(learnt)
    size = sentencepiece.SentencePieceProcessor(model_proto=learnt).vocab_size() + 100  # and the sentinels
    model(config(vocab_size=size, decoder_start_token_id=0, **T5_SIZES)).save_pretrained(folder)


def _sentencepiece(**special: object) -> bytes:
    """A SentencePiece unigram model, as Google's trainer makes it."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts()),
        model_writer=made,
        vocab_size=900,
        character_coverage=1.0,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **special,
    )
    return made.getvalue()


def _bytes_bpe(special: list[str]) -> Tokenizer:
    """Byte-level BPE that splits words as Llama-3's and Qwen's do."""
    learnt = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(LLAMA_3_WORDS), "isolated")
    learnt.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(False, use_regex=False)])
    learnt.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=alphabet)
    learnt.train_from_iterator(texts(), trainer)
    learnt.add_special_tokens([AddedToken(t, special=True) for t in special])
    return learnt
