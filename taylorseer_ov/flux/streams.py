"""A transformer that computes several pictures at once: OpenVINO's streams.

The weights are in memory once, the activations for each stream. On a processor the streams share
out its threads evenly, so that it does not matter to a picture which of them it comes to; that each
has fewer threads rounds differently in the last bits than all of them together.
"""

from __future__ import annotations

from ..checks import whole_number
from .devices import Properties

MOST = 64
NUM_STREAMS = "NUM_STREAMS"
# what would say otherwise how many there are
OTHERWISE = (NUM_STREAMS, "PERFORMANCE_HINT", "PERFORMANCE_HINT_NUM_REQUESTS")
DEVICES = ("CPU", "GPU")


def check_streams(streams: object) -> int:
    """Return a number of streams.

    Raises:
        TypeError, ValueError: if it is no whole number from 1 to `MOST`.
    """
    return whole_number("streams", streams, 1, MOST)


def stream_properties(device: str, properties: Properties, streams: int) -> Properties:
    """Return what a transformer is compiled with; for one stream nothing is changed.

    Raises:
        ValueError: for several streams on other devices than a processor or a GPU, or where
            properties have a say in their number too.
    """
    if streams == 1:
        return properties
    if not device.startswith(DEVICES):
        raise ValueError(
            f"streams={streams} draws on {' or '.join(DEVICES)}, named as such, and not on "
            f"{device}; name one of them for the transformer (denoise), or leave streams out"
        )
    given = [name for name in OTHERWISE if name in properties]
    if given:
        raise ValueError(
            f"streams={streams} says how many pictures OpenVINO computes at once, and so does "
            f"{given[0]}={properties[given[0]]!r}; leave out one of them"
        )
    return {**properties, NUM_STREAMS: streams}
