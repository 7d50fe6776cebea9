"""What the tests of calibrated plans make theirs from."""

from taylorseer_ov.caching import CalibratedPlan


def learned_plan(plan, **changes):
    """A plan as if learned for pictures of 128x64."""
    known = {
        "calibration_db": 40.0,
        "held_out_db": 40.0,
        "taylor_db": 30.0,
        "height": 64,
        "width": 128,
        "guidance_scale": 3.5,
        "package_version": "0.1.0",
    }
    return CalibratedPlan(plan=plan, **(known | changes))
