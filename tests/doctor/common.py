"""Machines that are not here, and what is found about them."""

import json

from taylorseer_ov.doctor.machine import Device, Machine

CPU = Device("CPU", "Intel(R) Core(TM) i7-1355U", ("FP32", "INT8"), "f32")
IRIS = Device("GPU", "Intel(R) Iris(R) Xe Graphics (iGPU)", ("FP32", "FP16"), "f16")
UHD = Device("GPU", "Intel(R) UHD Graphics 770 (iGPU)", ("FP32", "FP16"), "f16")
ARC = Device("GPU.1", "Intel(R) Arc(TM) A770 Graphics (dGPU)", ("FP16", "GPU_HW_MATMUL"), "f16")
CORE_ULTRA = Device("GPU", "Intel(R) Arc(TM) Graphics (iGPU)", ("FP16",), "f16")
NPU = Device("NPU", "Intel(R) AI Boost", ("FP16",), "f16")


def machine(*devices, openvino="2026.4.1", tokenizers="2026.4.1.0", genai="2026.4.1.0"):
    return Machine(
        python="3.11.7",
        versions={
            "openvino": openvino,
            "openvino-tokenizers": tokenizers,
            "openvino-genai": genai,
        },
        devices=devices or (CPU,),
        free_disk=lambda path: 10**12,
    )


def found(diagnosis, subject):
    findings = [finding for finding in diagnosis.findings if finding.subject == subject]
    assert findings, f"nothing about {subject}: {diagnosis}"
    return findings[-1]


def edit_json(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def weights_of(model, element_type):
    """Say in a model's description that its transformer's weights are of this type."""
    (model / "cache_plans.json").unlink()  # made for the weights as they were
    xml = model / "transformer" / "openvino_model.xml"
    xml.write_text(xml.read_text().replace('element_type="f16"', f'element_type="{element_type}"'))
    return model
