"""Turn a diffusers folder into OpenVINO models with optimum-intel, as exactly as asked.

Optimum's own fp16 rounds every constant, not only weights. Among them are the frequencies of Flux's
timestep embedding, which are multiplied by up to 1000: that alone moves the final latents by about
1e-2. Here float16 weights compute exactly what torch computes with them in float32.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
from pathlib import Path
from typing import Any

from .checkpoint import Checkpoint, ExportError, parts_of
from .compression import Compression


def convert(checkpoint: Checkpoint, unfinished: Path, compression: Compression) -> None:
    """Write the IR of every part and of the tokenizers."""
    if not compression.is_quantized:
        _export(checkpoint, unfinished, compression)
        return
    floating = unfinished / "floating"
    _export(checkpoint, floating, compression)
    _quantize(floating, unfinished, compression)
    gc.collect()
    shutil.rmtree(floating)


def _export(checkpoint: Checkpoint, folder: Path, compression: Compression) -> None:
    """Write everything in floating point."""
    import torch
    from optimum.exporters.openvino import main_export
    from optimum.intel import OVConfig

    main_export(
        str(checkpoint.folder),
        folder,
        task="fill" if checkpoint.is_fill else "text-to-image",
        library_name="diffusers",
        convert_tokenizer=True,
        # Weights become float16 by being loaded so. The "fp32" below keeps Optimum from rounding
        # all other constants too, and from choosing int8 for parts of 10^9 or more parameters.
        model_loading_kwargs={
            "torch_dtype": torch.float16 if compression.is_half else torch.float32
        },
        ov_config=OVConfig(dtype="fp32"),
    )
    if compression.weight_format == "fp16":
        for xml in sorted(folder.glob("*/openvino_model.xml")):
            _round_matrices(xml)


def _quantize(floating: Path, folder: Path, compression: Compression) -> None:
    """Write an export with its weights as integers; the tokenizers are moved, not copied."""
    from optimum.intel import OVDiffusionPipeline, OVWeightQuantizationConfig

    if compression.weight_format == "int8":
        config = OVWeightQuantizationConfig(bits=8, sym=compression.sym)
    else:
        config = OVWeightQuantizationConfig(
            bits=4,
            sym=compression.sym,
            group_size=compression.group_size or 128,
            ratio=1.0 if compression.ratio is None else compression.ratio,
            group_size_fallback="adjust",
        )
    pipeline = OVDiffusionPipeline.from_pretrained(
        floating, compile=False, quantization_config=config
    )
    pipeline.save_pretrained(folder)
    for converted in floating.glob("*/openvino_*tokenizer.*"):
        shutil.move(converted, folder / converted.relative_to(floating))


def _round_matrices(xml: Path) -> None:
    """Store as float16 the matrices that torch kept in float32: convolutions, and some of T5's."""
    rounded = xml.with_name("rounded.xml")
    if not _save_rounded(xml, rounded):
        return
    gc.collect()  # while a model is there, its file is open
    for suffix in (".bin", ".xml"):
        os.replace(rounded.with_suffix(suffix), xml.with_suffix(suffix))


def _save_rounded(xml: Path, rounded: Path) -> bool:
    """Write the model with float16 matrices if it has wider ones, and tell whether it has.

    Vectors and numbers stay as they are: they weigh nothing, and some are not weights.
    """
    import openvino as ov
    from openvino._offline_transformations import compress_model_transformation

    model = ov.Core().read_model(xml)
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    wide = [node for node in constants if node.get_element_type() in (ov.Type.f32, ov.Type.f64)]
    vectors = [node for node in wide if sum(size > 1 for size in node.shape) < 2]
    if len(vectors) == len(wide):
        return False
    readers = [(node, list(node.output(0).get_target_inputs())) for node in vectors]
    compress_model_transformation(model)
    for node, inputs in readers:
        for reader in inputs:
            reader.replace_source_output(node.output(0))
    ov.save_model(model, rounded, compress_to_fp16=False)
    return True


def check_tokenizers(folder: Path, index: dict[str, Any]) -> None:
    """Check that every tokenizer of a pipeline was converted.

    Raises:
        ExportError: naming the one that was not.
    """
    for name, kind in parts_of(index, "tokenizer").items():
        # Optimum says nothing when it cannot convert one
        if not (folder / name / "openvino_tokenizer.xml").is_file():
            raise ExportError(
                f"{name} ({kind}) could not be converted; openvino and openvino-tokenizers must be "
                "of the same version: pip install -U openvino openvino-tokenizers"
            )


def mend_configs(folder: Path, index: dict[str, Any]) -> None:
    """Make OpenVINO GenAI sample FLUX.1 as diffusers does, and drop the paths of this machine.

    With `"time_shift_type": "exponential"`, its default, diffusers means how the sigmas are
    shifted; OpenVINO GenAI since 2026.3 takes FLUX.2's amount of shift for it. Without the key,
    both do what FLUX.1 was trained for.
    """
    name = str(index["_class_name"])
    drop_shift = name.startswith("Flux") and not name.startswith("Flux2")
    for path in (folder / "model_index.json", *folder.glob("*/*config.json")):
        config = json.loads(path.read_text(encoding="utf-8"))
        kept = {key: value for key, value in config.items() if key != "_name_or_path"}
        if drop_shift and kept.get("time_shift_type") == "exponential":
            del kept["time_shift_type"]
        if kept != config:
            path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
