"""Draw a picture twice, uncached and with TaylorSeer caching, and compare the two.

    python taylorseer_text2image.py MODEL_DIR "PROMPT"      # MODEL_DIR may be: demo

The same as `taylorseer-ov compare`; `--help` lists the options.
"""

import sys

from taylorseer_ov.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]]))
