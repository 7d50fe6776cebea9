"""Which steps run the transformer, and what the others use instead.

A sampler takes n steps, and running the transformer for the velocity of each is nearly all the
cost. Here it runs in some of them, and the velocity of every step is a weighted sum of the outputs
computed so far,

    velocity[i] = sum over computed j <= i of  W[i, j] * output[j]

A `CachePlan` is the mask of computed steps and the matrix W, decided beforehand; a `CachePolicy`
decides during the generation, and makes the same rows one at a time.

| module | what it holds |
|---|---|
| `plan` | `CachePlan`: mask and W, checked, compared, combined |
| `schedule` | which steps are computed: native's rule, spread runs, schedules as text |
| `rows` | the rows of W: interpolation of the last outputs, repair of the gap before a run |
| `fit` | the rows by least squares |
| `schedule_search` | the schedule whose runs tell most, for each number of them |
| `plan_json` | plans as JSON |
| `config` | `TaylorSeerCacheConfig`, with native's names and defaults, to and from native's own |
| `policy` | the contract of a policy, and the rules for who writes one |
| `error_control` | `ErrorControl`, a policy that bounds the error of its forecasts |
| `cached_velocity` | begin a generation with a plan or a policy; apply a plan |
| `decision` | from what a caller asked for, or JSON holds, to what decides |
| `presets` | plans by name: "high", "balanced", "fast" |
| `limit` | at most so many forecasts in a row, whatever caches |
| `occasion` | sigmas, size and guidance scale of the generation that is decided for |
| `calibration` | learn plans for a model: what is asked for, checked |
| `trials` | fit them, draw with the fit, refine it, choose by the held-out latents |
| `recording` | draw for calibration, in memory that does not grow with the picture |
| `learned_plan` | `CalibratedPlan`: a learned plan, and what it was learned for |
| `plans_file` | the file of learned plans, of which those are built that are wanted |
| `calibrated_plans` | learned plans, kept for the weights they were learned for |
| `account` | the steps' part of every report: how many were computed and predicted, how long |

Imports the ground (`arrays`, `checks`, `files`, `genai`, `learned_files`, `model_files`,
`version`, `warning`) and numpy; nothing of OpenVINO, and no other room.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
