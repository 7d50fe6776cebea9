"""What a report says of itself, without any of the libraries it reports on."""

from taylorseer_ov.optimum.report import BranchReport, CacheReport

BRANCH = BranchReport("cond", "CC.C", (0.5, 0.25, 0.125, 0.25), {3: 0.01}, (), ())
REPORT = CacheReport(
    pipeline="OVFluxPipeline",
    scheduler="FlowMatchEulerDiscreteScheduler",
    cache="fast",
    num_inference_steps=6,
    steps_taken=4,
    branches=(BRANCH,),
    sigmas=(1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.0),
    no_corrector=None,
    left_out=(),
)


def test_a_report_is_one_line_where_it_is_shown_and_an_account_where_it_is_printed():
    assert (
        repr(REPORT) == "<CacheReport OVFluxPipeline, 3 of 4 calls computed, 4 of 6 steps, 1.12 s>"
    )
    assert "CC.C  cond: 3 of 4 ran" in str(REPORT).splitlines()
