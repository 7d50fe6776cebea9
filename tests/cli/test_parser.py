"""What argparse refuses: one line with the value, what is allowed and what was meant."""

import json

import pytest

from taylorseer_ov.cli import main


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("generate demo a --seed x", "--seed must be a whole number, got 'x'"),
        ("generate demo a --steps 1e3", "--steps must be a whole number, got '1e3'"),
        ("generate demo a --guidance high", "--guidance must be a number, got 'high'"),
        ("generate demo a --num-images", "--num-images needs a value"),
        ("generate demo a --seed", "--seed needs at least one value"),
        ("generate demo a --low-memory=yes", "--low-memory takes no value, got 'yes'"),
        ("generate demo a --format jpeg", "--format must be one of png, jpg, webp, got 'jpeg'"),
        ("generate demo a --backend nativ", "did you mean 'native'?"),
        ("compare demo a --stepps 3", "compare has no option '--stepps'; did you mean '--steps'?"),
        ("generate demo a --low-memroy", "did you mean '--low-memory'?"),
        ("generat demo a", "got 'generat'; did you mean 'generate'?"),
        ("completion fish", "must be one of bash, zsh, tcsh, got 'fish'"),
        ("info a b", "unexpected 'b'"),
        ("info", "missing: PICTURE|MODEL"),
        ("", "missing: COMMAND"),
    ],
)
def test_a_refusal_is_one_line(words, sentence, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("taylorseer-ov: error: ")
    assert error.count("\n") == 1
    assert sentence in error


def test_programs_get_an_event_for_it(capsys):
    assert main(["generate", "demo", "a", "--json", "--seed", "x"]) == 2
    event = json.loads(capsys.readouterr().out)
    assert (event["event"], event["status"]) == ("error", 2)
    assert "--seed must be a whole number, got 'x'" in event["message"]


@pytest.mark.parametrize("option", ["--output", "--image", "--embedding-cache"])
def test_an_empty_path_is_not_this_folder(option, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["generate", "demo", "a red circle", option, ""]) == 2
    assert f"{option} is empty, as a variable is that was not set" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_empty_model_is_not_this_folder(capsys):
    assert main(["generate", "", "a red circle"]) == 2
    assert "--model is empty" in capsys.readouterr().err


def test_what_is_said_as_a_word_and_as_an_option_is_told(capsys):
    assert main(["generate", "demo", "one", "-p", "two"]) == 2
    assert "unexpected 'one'; --prompt said it already" in capsys.readouterr().err


def test_an_empty_path_in_a_file_of_settings_is_not_this_folder(tmp_path, capsys):
    file = tmp_path / "set.toml"
    file.write_text('output = ""\n')
    assert main(["generate", "demo", "a red circle", "--settings", str(file)]) == 2
    assert "line 1: output is empty" in capsys.readouterr().err


def test_an_embedding_cache_that_cannot_be_is_told_before_anything_is_shown(tmp_path, capsys):
    file = tmp_path / "file"
    file.touch()
    command = ["generate", "demo", "a", "-o", str(tmp_path), "--embedding-cache", str(file)]
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "choose another --embedding-cache" in said.err
    assert not said.out
