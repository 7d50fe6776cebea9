"""What a backend hands back, and the report made of it."""

import json

from taylorseer_ov.generation.job import Denoised

MEASURED = Denoised(
    step_s=(0.5, 0.25, 0.125),
    mask=(True, True, False),
    forecast_errors={1: 0.01},
    rescued_steps=(2,),
    interrupted=True,
    image_encoding_s=0.75,
)


def test_what_was_denoised_outlives_json():
    assert Denoised.from_dict(json.loads(json.dumps(MEASURED.to_dict()))) == MEASURED


def test_what_an_unfinished_batch_of_0_1_has_left_is_read():
    account = (
        '{"step_s": [0.5, 0.25, 0.125], "mask": [true, true, false], "forecast_errors": '
        '{"1": 0.01}, "rescued_steps": [2], "interrupted": true, "image_encoding_s": 0.75, '
        '"text_encoding_s": 0.1, "total_s": 2.0}'
    )
    assert Denoised.from_dict(json.loads(account)) == MEASURED
