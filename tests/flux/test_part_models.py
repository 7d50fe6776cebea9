"""The parts of a model one by one: checked at once, and openvino_genai's own beyond that."""

import copy
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from taylorseer_ov import (
    AutoencoderKL,
    CLIPTextModel,
    FluxTransformer2DModel,
    ModelFolderError,
    T5EncoderModel,
    demo_model_path,
    genai,
)
from tests.common import F32, PROMPT

MODEL = demo_model_path()
FOLDERS = {
    CLIPTextModel: MODEL / "text_encoder",
    T5EncoderModel: MODEL / "text_encoder_2",
    FluxTransformer2DModel: MODEL / "transformer",
    AutoencoderKL: MODEL / "vae_decoder",
}


@pytest.mark.parametrize(("kind", "folder"), FOLDERS.items())
def test_a_part_knows_its_folder_and_where_it_is_to_run(kind, folder):
    part = kind(folder)
    assert (list(part.paths.values()), part.device, part.properties) == ([folder], None, {})
    for made in (kind(str(folder), "CPU", **F32), kind(folder, device="CPU", **F32)):
        assert (made.paths, made.device, made.properties) == (part.paths, "CPU", F32)
        assert made.shape == {}
    part.compile(" cpu ", **F32)  # in any case, as the pipelines take it
    assert repr(part) == f"<{kind.__name__} demo_model/{folder.name} on CPU>"
    for copied in (kind(part), copy.copy(part)):
        assert (copied.paths, copied.device, copied.properties) == (part.paths, "CPU", F32)
    assert isinstance(part, kind)


def test_shapes_are_native_s():
    folders = iter(FOLDERS.items())
    clip, t5, transformer, vae = (kind(folder) for kind, folder in folders)
    assert clip.reshape(1) is clip
    t5.reshape(batch_size=1, max_sequence_length=32)
    transformer.reshape(1, 64, 96, tokenizer_model_max_length=32)
    vae.reshape(1, 64, 96)
    assert [list(part.shape.values()) for part in (clip, t5, transformer, vae)] == [
        [1],
        [1, 32],
        [1, 64, 96, 32],
        [1, 64, 96],
    ]
    with pytest.raises(ValueError, match="height must be a whole number of at least 1, got 0"):
        vae.reshape(1, 0, 96)
    with pytest.raises(TypeError, match=r"width must be a whole number.*, got 96\.5"):
        vae.reshape(1, 64, 96.5)
    vae.reshape(np.int64(2), np.int32(32), np.uint16(48))
    assert [(type(size), size) for size in vae.shape.values()] == [(int, 2), (int, 32), (int, 48)]


def test_the_autoencoder_has_a_decoder_or_both():
    encoder, decoder = MODEL / "vae_encoder", MODEL / "vae_decoder"
    for both in (
        AutoencoderKL(encoder, decoder),
        AutoencoderKL(str(encoder), str(decoder), "CPU", **F32),
        AutoencoderKL(vae_encoder_path=encoder, vae_decoder_path=decoder, device="CPU"),
        AutoencoderKL(encoder, vae_decoder_path=decoder),
    ):
        assert both.paths == {"vae_encoder": encoder, "vae_decoder": decoder}
    assert AutoencoderKL(decoder, "CPU").paths == {"vae_decoder": decoder}
    for wrong in ((), (encoder, decoder, decoder)):
        with pytest.raises(TypeError, match="takes the decoder's folder, or the encoder's and"):
            AutoencoderKL(*wrong)


def test_misuse(model_copy):
    with pytest.raises(FileNotFoundError, match=r"CLIPTextModel: there is no folder 'nowhere'"):
        CLIPTextModel("nowhere")
    with pytest.raises(ModelFolderError, match="is the model of another part"):
        FluxTransformer2DModel(MODEL / "vae_decoder")
    with pytest.raises(ModelFolderError, match=r"no openvino_model.xml; give MODEL/transformer$"):
        FluxTransformer2DModel(MODEL)
    for kind, other in ((CLIPTextModel, T5EncoderModel), (T5EncoderModel, CLIPTextModel)):
        right = FOLDERS[kind].name
        with pytest.raises(ModelFolderError, match=f"the other encoder's; give MODEL/{right}$"):
            kind(FOLDERS[other])
    with pytest.raises(TypeError, match="takes the folder of the part, got 5"):
        T5EncoderModel(5)
    with pytest.raises(TypeError, match="takes a folder and a device"):
        T5EncoderModel(FOLDERS[T5EncoderModel], "CPU", "GPU")
    with pytest.raises(TypeError, match="takes properties with a device only"):
        T5EncoderModel(FOLDERS[T5EncoderModel], **F32)
    with pytest.raises(ValueError, match="'WARP'"):
        T5EncoderModel(FOLDERS[T5EncoderModel], "WARP")
    with pytest.raises(TypeError, match="device must be a text such as 'CPU', got 5"):
        T5EncoderModel(FOLDERS[T5EncoderModel], device=5)
    (model_copy / "tokenizer" / "openvino_tokenizer.xml").unlink()
    with pytest.raises(ModelFolderError, match="the tokenizers were not converted"):
        CLIPTextModel(model_copy / "text_encoder")
    renamed = (model_copy / "text_encoder_2").rename(model_copy / "t5")
    with pytest.raises(ModelFolderError, match="call the folder text_encoder or text_encoder_2"):
        T5EncoderModel(renamed)


def test_without_openvino_genai_what_only_it_can_do_says_so(monkeypatch):
    monkeypatch.setattr(genai, "installed_version", lambda package: None)
    part = CLIPTextModel(FOLDERS[CLIPTextModel], "CPU")
    for use in (
        lambda: part.infer(PROMPT, "", False),
        lambda: CLIPTextModel.Config,
        lambda: CLIPTextModel("<net/>", ov.Tensor(np.zeros(1, np.uint8))),
    ):
        with pytest.raises(RuntimeError, match=r"CLIPTextModel is a class of openvino_gen.*pip"):
            use()


@pytest.mark.native
def test_it_does_what_native_s_does():
    import openvino_genai

    for kind in FOLDERS:
        native = getattr(openvino_genai, kind.__name__)
        ours, theirs = (made(FOLDERS[kind], device="CPU", **F32) for made in (kind, native))
        if kind is CLIPTextModel:
            for part in (ours, theirs):
                part.infer(PROMPT, "", False)
            outputs = [part.get_output_tensor(1).data for part in (ours, theirs)]
        elif kind is T5EncoderModel:
            outputs = [part.infer(PROMPT, "", False, 32).data for part in (ours, theirs)]
        elif kind is AutoencoderKL:
            latents = ov.Tensor(np.ones((1, 16, 4, 4), np.float32))
            outputs = [part.decode(latents).data for part in (ours, theirs)]
        else:
            outputs = [[part.get_config().in_channels] for part in (ours, theirs)]
        assert np.array_equal(*outputs)
    assert CLIPTextModel.Config is openvino_genai.CLIPTextModel.Config
    with pytest.raises(AttributeError, match="no attribute 'inferr'"):
        CLIPTextModel(FOLDERS[CLIPTextModel]).inferr(PROMPT)


@pytest.mark.native
def test_a_model_from_memory_is_native_s():
    import openvino_genai

    folder = FOLDERS[FluxTransformer2DModel]
    description = Path(folder, "openvino_model.xml").read_text(encoding="utf-8")
    weights = ov.Tensor(np.fromfile(folder / "openvino_model.bin", np.uint8))
    config = FluxTransformer2DModel.Config(folder / "config.json")
    made = FluxTransformer2DModel(description, weights, config, 8)
    assert isinstance(made, openvino_genai.FluxTransformer2DModel)
