"""Tokenizers and text encoders of the demo model: the real CLIP and T5 classes, very small."""

from __future__ import annotations

import io
import json
from pathlib import Path

import sentencepiece
import torch
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from scripts.demo.shapes import COLORS, SHAPES, SIZES

WORDS = (
    "a",
    *SIZES,
    *COLORS,
    *SHAPES,
    "on",
    "background",
    "left",
    "right",
    "of",
    "next",
    "to",
    "and",
)
CLIP_WIDTH, T5_WIDTH = 64, 128


def build_t5_tokenizer(folder: Path) -> T5Tokenizer:
    """A SentencePiece unigram model with one piece per known word; any other word is `<unk>`."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(WORDS) + " ."] * 10),
        model_writer=trained,
        model_type="unigram",
        vocab_size=100,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        normalization_rule_name="nmt_nfkc_cf",  # folds case
        minloglevel=2,
    )
    # Keep the normalizer and the special tokens, and put in just the words.
    proto = sentencepiece_model_pb2.ModelProto.FromString(trained.getvalue())
    del proto.pieces[3:]
    for piece in ["\u2581", ".", *("\u2581" + word for word in WORDS)]:
        proto.pieces.add(piece=piece, score=-1.0)
    (folder / "spiece.model").write_bytes(proto.SerializeToString())
    return T5Tokenizer.from_pretrained(folder, extra_ids=0, model_max_length=512)


def build_clip_tokenizer() -> CLIPTokenizer:
    """Byte-level pairs as in CLIP, merged until every known word is one token."""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        initial_alphabet=sorted(alphabet),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 10, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in state["merges"]]
    pieces = sorted(alphabet)
    pieces += [piece + "</w>" for piece in pieces]
    pieces += ["".join(merge) for merge in merges]
    # the end token has the largest id, as in CLIP, where a model may look for it by that
    pieces = [*dict.fromkeys(pieces), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def build_text_encoders(clip_tokenizer, t5_tokenizer) -> tuple[CLIPTextModel, T5EncoderModel]:
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(clip_tokenizer),
            hidden_size=CLIP_WIDTH,
            intermediate_size=4 * CLIP_WIDTH,
            projection_dim=CLIP_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
            bos_token_id=clip_tokenizer.bos_token_id,
            eos_token_id=clip_tokenizer.eos_token_id,
            pad_token_id=clip_tokenizer.pad_token_id,
        )
    )
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(t5_tokenizer),
            d_model=T5_WIDTH,
            d_kv=32,
            d_ff=2 * T5_WIDTH,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=32,
            relative_attention_max_distance=32,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=0,
            eos_token_id=1,
            use_cache=False,
        )
    )
    _point_heads(t5)
    return clip, t5


def _point_heads(t5: T5EncoderModel) -> None:
    """Have T5's four heads begin by looking at the previous word, the next word, all words before
    and all words after, and let what they see outweigh the word itself.

    From T5's own start, where every head looks everywhere alike, a small model stays a bag of words
    for thousands of steps: it draws the right objects on the wrong sides.
    """
    t5.shared.weight.data *= 0.3
    attention = t5.encoder.block[0].layer[0].SelfAttention
    offsets = torch.arange(-20, 21)  # of a word that is looked at from the word that looks
    buckets = attention._relative_position_bucket(
        offsets, num_buckets=t5.config.relative_attention_num_buckets, max_distance=32
    )
    looked_at = torch.stack([offsets == -1, offsets == 1, offsets < 0, offsets > 0], dim=1)
    with torch.no_grad():
        attention.relative_attention_bias.weight[buckets] = torch.where(looked_at, 4.0, 0.0)
