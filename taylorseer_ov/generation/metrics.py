"""A report under the names of openvino_genai's performance metrics."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .report import GenerationReport

TEXT_ENCODERS = ("text_encoder", "text_encoder_2")


class MeanStdPair(NamedTuple):
    """Mean and standard deviation in milliseconds, (-1, -1) where there is nothing to average."""

    mean: float
    std: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> MeanStdPair:
        """Average durations in seconds."""
        if not seconds:
            return cls(-1.0, -1.0)
        return cls(1000 * statistics.fmean(seconds), 1000 * statistics.pstdev(seconds))


@dataclass(frozen=True)
class RawImageGenerationPerfMetrics:
    """The duration of every step in microseconds, as openvino_genai's class of this name has them.

    Attributes:
        unet_inference_durations: empty, Flux has no U-Net.
        transformer_inference_durations: of the steps that ran the transformer. openvino_genai has
            an entry for every step, of a few microseconds where it ran none.
        iteration_durations: of all steps that were taken.
        predicted_durations: of the steps that were forecast instead; openvino_genai's has none.
    """

    unet_inference_durations: list[float] = field(default_factory=list)
    transformer_inference_durations: list[float] = field(default_factory=list)
    iteration_durations: list[float] = field(default_factory=list)
    predicted_durations: list[float] = field(default_factory=list)


class ImageGenerationPerfMetrics:
    """A report under the names of `openvino_genai.ImageGenerationPerfMetrics`; milliseconds.

    openvino_genai counts forecast steps as transformer runs; here they are none, and counts and
    averages of the transformer are of the steps that ran it.
    """

    def __init__(self, report: GenerationReport | None = None, *, load_s: float = 0.0) -> None:
        """Tell the times of a report.

        Args:
            report: what to tell of; without one there are no steps, and all durations are 0.
            load_s: seconds of loading, where there is no report to tell them.
        """
        self._report, self._load_s = report, load_s
        self._step_s = self._computed_s = self._predicted_s = tuple[float, ...]()
        if report is not None:
            self._load_s, self._step_s = report.load_s, report.step_s
            self._computed_s, self._predicted_s = report.computed_step_s, report.predicted_step_s

    def __repr__(self) -> str:
        return f"<ImageGenerationPerfMetrics of {self._report!r}>"

    @property
    def raw_metrics(self) -> RawImageGenerationPerfMetrics:
        """The duration of every step, in microseconds."""
        return RawImageGenerationPerfMetrics(
            transformer_inference_durations=[1e6 * step_s for step_s in self._computed_s],
            iteration_durations=[1e6 * step_s for step_s in self._step_s],
            predicted_durations=[1e6 * step_s for step_s in self._predicted_s],
        )

    def get_load_time(self) -> float:
        """Return the milliseconds of loading and compiling the models."""
        return 1000 * self._load_s

    def get_generate_duration(self) -> float:
        """Return the milliseconds of the whole call, without loading."""
        return 0.0 if self._report is None else 1000 * self._report.total_s

    def get_inference_duration(self) -> float:
        """Return the milliseconds inside the models: text encoders, transformer and VAE."""
        encoders_ms = sum(self.get_text_encoder_infer_duration().values())
        vae_ms = self.get_vae_encoder_infer_duration() + self.get_vae_decoder_infer_duration()
        return encoders_ms + 1000 * sum(self._computed_s) + vae_ms

    def get_iteration_duration(self) -> MeanStdPair:
        """Return mean and deviation over all steps taken, in milliseconds."""
        return MeanStdPair.of(self._step_s)

    def get_transformer_infer_duration(self) -> MeanStdPair:
        """Return mean and deviation over the steps that ran the transformer, in milliseconds."""
        return MeanStdPair.of(self._computed_s)

    def get_unet_infer_duration(self) -> MeanStdPair:
        """Return (-1, -1): Flux has no U-Net."""
        return MeanStdPair.of(())

    def get_first_and_other_iter_duration(self) -> tuple[float, float]:
        """Return the milliseconds of the first step, and the mean of the others."""
        return _first_and_others(self._step_s)

    def get_first_and_other_trans_infer_duration(self) -> tuple[float, float]:
        """Return the milliseconds of the first transformer run, and the mean of the others."""
        return _first_and_others(self._computed_s)

    def get_first_and_other_unet_infer_duration(self) -> tuple[float, float]:
        """Return (0, 0): Flux has no U-Net."""
        return _first_and_others(())

    def get_text_encoder_infer_duration(self) -> dict[str, float]:
        """Return the milliseconds of each text encoder by its folder's name."""
        if self._report is None:
            return {}
        times = zip(TEXT_ENCODERS, self._report.text_encoder_s, strict=True)
        return {name: 1000 * encoder_s for name, encoder_s in times}

    def get_vae_encoder_infer_duration(self) -> float:
        """Return the milliseconds of encoding the given picture, 0 for text to image."""
        return 0.0 if self._report is None else 1000 * self._report.image_encoding_s

    def get_vae_decoder_infer_duration(self) -> float:
        """Return the milliseconds of decoding all pictures."""
        return 0.0 if self._report is None else 1000 * self._report.vae_s


def _first_and_others(seconds: Sequence[float]) -> tuple[float, float]:
    """The first duration and the mean of the others in milliseconds, 0 for what there is not."""
    first_s = seconds[0] if seconds else 0.0
    others_s = statistics.fmean(seconds[1:]) if len(seconds) > 1 else 0.0
    return 1000 * first_s, 1000 * others_s
