"""What the tiny models share: text encoders, tokenizers and VAEs."""

from __future__ import annotations

import diffusers
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from scripts.demo.text import WORDS

WIDTH = 16  # of every text encoder


def clip(tokenizer, with_projection: bool = False):
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if with_projection:
        return transformers.CLIPTextModelWithProjection(config)
    return transformers.CLIPTextModel(config)


def t5(tokenizer, width: int = WIDTH):
    config = transformers.T5Config(
        vocab_size=len(tokenizer), d_model=width, d_kv=8, d_ff=width, num_layers=1, num_heads=2
    )
    return transformers.T5EncoderModel(config)


def word_tokenizer():
    """Splits at spaces and knows the demo's words; for the language models."""
    special = {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<bos>"}
    special["eos_token"] = "<eos>"
    vocabulary = {word: index for index, word in enumerate([*special.values(), *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        **special,
        # an empty prompt has a token too: attention to nothing is not finite
        chat_template="<bos>{% for message in messages %}{{ message.content }}{% endfor %}",
    )


LANGUAGE_MODEL = {
    "hidden_size": WIDTH,
    "intermediate_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def small_vae(latent_channels: int, **options):
    return diffusers.AutoencoderKL(
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=1,
        sample_size=32,
        **options,
    )


def flow_vae(latent_channels: int):
    return small_vae(
        latent_channels,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
    )
