"""What a line of a batch may be, in a text file and in JSON lines."""

import dataclasses
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taylorseer_ov.batch.checking import LineChecker
from taylorseer_ov.batch.identity import digest
from taylorseer_ov.batch.lines import BadLine, BatchLine, parse_lines, read_lines

pytestmark = pytest.mark.once


def test_a_text_file_has_a_prompt_a_line():
    data = '\ufeffa red circle\r\n\n  a blue \x0bstar {"x"}  \n'.encode()
    assert list(parse_lines(data)) == [
        BatchLine(1, "a red circle"),
        BatchLine(3, 'a blue \x0bstar {"x"}'),
    ]
    assert list(parse_lines(b'{"prompt": "a"}', json_lines=False)) == [
        BatchLine(1, '{"prompt": "a"}')
    ]


def test_json_lines_have_settings_under_short_names_too():
    data = b"""
{"prompt": "a", "seed": 3, "steps": 4, "guidance": 2, "width": 64, "name": "x", "cache": "off"}
{"prompt": "b", "cache": {"tolerance": 0.1}}"""
    first, second = parse_lines(data)
    assert (first.number, first.prompt, first.name) == (2, "a", "x")
    assert first.settings == {
        "rng_seed": 3,
        "num_inference_steps": 4,
        "guidance_scale": 2,
        "width": 64,
        "cache": None,
    }
    assert second.settings == {"cache": {"tolerance": 0.1}}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b'{"prompt": "a"', "it is not JSON"),
        (b"[1]", "it is not a JSON object such as"),
        (b'{"seed": 1}', "it has no prompt"),
        (b'{"prompt": "a", "stepz": 8}', "unknown setting 'stepz'; did you mean 'steps'?"),
        (b'{"prompt": "a", "seed": 1, "rng_seed": 2}', "two names for one setting"),
        (b'{"prompt": "a", "seed": 1, "seed": 2}', "it has a name twice"),
        (b'{"prompt": "a", "image": "in.png"}', "a batch draws from text, and it has 'image'; for"),
        (b'{"prompt": "a", "mask": "in.png"}', "there is taylorseer-ov generate --image"),
        (b'{"prompt": "\xff"}', "it is not UTF-8, in which prompts are read: byte 13"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"prompt": "' + b"x" * (1 << 20) + b'"}', "it has more than 1048576 bytes"),
        *(
            (json.dumps({"prompt": "a", "name": name}).encode(), "name must")
            for name in ("../x", "a/b", "a\\b", "", ".x", "x.", "a\0", "NUL", "com1.x", "é" * 51, 3)
        ),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_lines_are_named_with_their_number(row, message):
    first, bad = parse_lines(b'{"prompt": "good"}\n' + row)
    assert isinstance(first, BatchLine)
    assert isinstance(bad, BadLine)
    assert bad.number == 2
    assert message in bad.error


@settings(max_examples=300, deadline=None)
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_lines_or_bad_lines(data):
    for json_lines in (None, True, False):
        read = list(parse_lines(data, json_lines))
        assert all(isinstance(row, BatchLine | BadLine) for row in read)
        numbers = [row.number for row in read]
        assert numbers == sorted(set(numbers))


def test_batches_begun_before_masks_kept_their_pixels_go_on(pipeline):
    """A line has no mask: the setting for one is not part of what the line is known by."""
    asked = [{"prompt": "a red circle", "keep_unmasked": False}]
    (window,) = LineChecker(pipeline, lambda line, warned: None).windows(asked)
    (checked,) = window.lines
    settings = dataclasses.asdict(checked.job.settings)
    assert settings.pop("keep_unmasked") is False
    plan = json.loads(checked.job.cache.to_json())
    settings |= {"cache": plan, "generator": None, "adapters": None}
    prompts = [checked.job.prompt, checked.job.prompt_2]
    weights = pipeline.environment(checked.job).weights
    assert checked.key == digest([digest([*prompts, settings, None, dict(weights)]), 1])


def test_a_file_is_read_line_by_line_and_a_long_line_in_part():
    class File(io.BytesIO):
        most = 0

        def readline(self, size=-1):
            row = super().readline(size)
            self.most = max(self.most, len(row))
            return row

        def read(self, size=-1):
            raise AssertionError("the file is read as a whole")

    rows = [b"\xef\xbb\xbfa red circle", b"x" * (3 << 20), b"a blue star", b"y" * (2 << 20)]
    file = File(b"\n".join(rows))
    lines = read_lines(file)
    assert next(lines) == BatchLine(1, "a red circle")
    assert file.tell() < 100
    long, star, last = lines
    assert (long.number, star, last.number) == (2, BatchLine(3, "a blue star"), 4)
    assert "it has more than 1048576 bytes" in long.error
    assert file.most < 1.1 * (1 << 20)
    longest = b"z" * (1 << 20)
    assert list(parse_lines(b"\xef\xbb\xbf" + longest + b"\n")) == [BatchLine(1, longest.decode())]
