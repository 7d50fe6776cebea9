"""Export a diffusers pipeline to the OpenVINO folder that this package and OpenVINO GenAI load.

    python scripts/export_model.py black-forest-labs/FLUX.1-schnell schnell --weight-format int8
    python scripts/export_model.py path/to/diffusers/folder exported --verify
    python scripts/export_model.py path/to/diffusers/folder exported --lora style.safetensors=0.8

The same as `taylorseer-ov export`; `--help` lists the options. Programs call
`taylorseer_ov.export.export_model`.
"""

import sys

try:
    from taylorseer_ov.cli import main
except ModuleNotFoundError as error:
    if error.name != "taylorseer_ov":
        raise
    sys.exit('error: install the package first, from its folder: pip install -e ".[export]"')

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
