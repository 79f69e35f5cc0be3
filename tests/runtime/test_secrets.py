"""Secrets: where they are kept, how they are put in, and how they are taken out again."""

import base64
import json
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murakkab.errors import InputError
from murakkab.runtime.secrets import Redaction, SealedText, Secret, redacted, unsealed
from murakkab.runtime.vault import missing_secrets, read_secret, short_secrets
from murakkab.spec import Workflow

TOKEN = 'p"ss/wörd+&= \\x'
USED = {"token": TOKEN}

# ------------------------------------------------------------------------------------------------------------- putting them in


def test_marks_become_text_however_deep_they_are() -> None:
    asked: list[str] = []

    def lookup(source: str) -> str:
        asked.append(source)
        return source.upper()

    token, other = Secret("token", "env:t"), Secret("other", "file:o")
    inputs = {"a": token, "b": {"c": [1, SealedText(("Bearer ", token, "/", other))]}, "d": "plain", "e": None}

    assert unsealed(inputs, lookup) == (
        {"a": "ENV:T", "b": {"c": [1, "Bearer ENV:T/FILE:O"]}, "d": "plain", "e": None},
        {"token": "ENV:T", "other": "FILE:O"},
    )
    assert asked == ["env:t", "file:o"]
    assert inputs["a"] is token


# ----------------------------------------------------------------------------------------------------------- taking them out

WAYS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": json.dumps,
    "json in unicode": lambda text: json.dumps(text, ensure_ascii=False),
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "repr": repr,
    "html": escape,
    "url": quote,
    "all of a url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "small url": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "large hex": lambda text: text.encode().hex().upper(),
    "basic": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "basic of one": lambda text: base64.b64encode(f"u:{text}".encode()).decode(),
    "basic of all": lambda text: base64.b64encode(f"usr:{text}!".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_found_however_it_is_written(way: str) -> None:
    said = f"before {WAYS[way](TOKEN)} behind"
    clean = redacted(said, USED)

    assert "[secret token]" in clean
    assert clean.startswith("before ")
    assert clean.endswith(" behind")
    for length in range(len(WAYS[way](TOKEN)), 8, -1):
        assert WAYS[way](TOKEN)[:length] not in clean


def test_it_is_found_in_keys_and_lists_and_the_rest_is_left_alone() -> None:
    value = {TOKEN: [1, {"x": f"a {TOKEN} b {TOKEN}"}], "n": None, "f": 1.5, "t": True}

    assert redacted(value, USED) == {"[secret token]": [1, {"x": "a [secret token] b [secret token]"}], "n": None, "f": 1.5, "t": True}


def test_the_longer_of_two_goes_first_and_nothing_is_looked_at_twice() -> None:
    used = {"short": "hunter", "long": "hunter2 and more", "secret": "secret"}

    assert redacted("hunter2 and more, hunter2, secret", used) == "[secret long], [secret short]2, [secret secret]"


def test_what_is_too_short_cannot_be_told_from_other_text() -> None:
    assert redacted("abc", {"pin": "abc"}) == "abc"
    assert redacted("abcd", {"pin": "abcd"}) == "[secret pin]"


def test_a_line_of_a_key_is_as_secret_as_the_key() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"
    used = {"key": key}

    assert redacted("line kqhkiG9w0BAQEF is bad", used) == "line [secret key] is bad"
    assert redacted(f"-----BEGIN KEY-----, {key.strip()}", used) == "-----BEGIN KEY-----, [secret key]"


def test_of_a_message_that_was_cut_short_nothing_stays() -> None:
    text = "sk-0123456789abcdefghij"
    redaction = Redaction({"token": text})
    for cut in range(11, len(text)):
        assert redaction.message(f"failed: {text[:cut]}; list them") == "failed: [secret token]; list them"
        assert redaction.message(f"...{text[-cut:]} failed") == "...[secret token] failed"
    assert redaction.message("sk-01") == "sk-01"


def test_the_content_of_a_file_is_cleaned_as_well() -> None:
    redaction = Redaction(USED)
    content = b"\xff" + TOKEN.encode() + b"\x00" + base64.b64encode(TOKEN.encode())

    assert redaction.content(content) == b"\xff[secret token]\x00[secret token]"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=4, max_size=40)


@given(TEXTS, st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives_in_plain(secret: str, before: str, behind: str) -> None:
    clean = redacted(f"{before}{secret}{behind}", {"x": secret})

    assert secret not in clean.replace("[secret x]", "\0")
    Redaction({"x": secret}).message(before + secret)


@given(st.binary(min_size=8, max_size=30), st.binary(max_size=9), st.binary(max_size=9))
def test_no_base64_of_more_than_the_secret_shows_it(secret: bytes, before: bytes, behind: bytes) -> None:
    text = secret.hex()
    said = base64.b64encode(before + text.encode() + behind).decode()

    shown = redacted(said, {"x": text}).split("[secret x]")
    assert len(shown) == 2
    # What stays is of its neighbours, and at most two bits of the secret on each side.
    assert sum(map(len, shown)) <= len(base64.b64encode(before)) + len(base64.b64encode(behind)) + 4


@given(st.text("äöü 你好", max_size=50), st.text("abcdef123/+", min_size=4, max_size=40))
def test_other_texts_are_left_alone(text: str, secret: str) -> None:
    assert redacted({text: [text]}, {"x": secret}) == {text: [text]}


# ------------------------------------------------------------------------------------------------------------- where they are


def test_a_secret_is_read_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MURAKKAB_TEST_TOKEN", " as it is \n")
    (tmp_path / "token").write_bytes("grün\r\n".encode())
    (tmp_path / "two").write_bytes(b"one\n\n")

    assert read_secret("env:MURAKKAB_TEST_TOKEN") == " as it is \n"
    assert read_secret(f"file:{tmp_path / 'token'}") == "grün"
    assert read_secret(f"file:{tmp_path / 'two'}") == "one\n"


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMPTY_TOKEN", "")
    monkeypatch.delenv("NO_TOKEN", raising=False)
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe s3cret")
    (tmp_path / "long").write_bytes(b"s3cret" * 200_000)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("env:NO_TOKEN", "the environment variable NO_TOKEN is not set; export NO_TOKEN=..."),
        ("env:EMPTY_TOKEN", "the environment variable EMPTY_TOKEN is empty"),
        ("file:{0}/absent", "the file {0}/absent cannot be read: No such file or directory"),
        ("file:{0}", "the file {0} is no file"),
        ("file:/dev/zero", "the file /dev/zero is no file"),
        ("file:{0}/empty", "the file {0}/empty is empty"),
        ("file:{0}/bytes", "the file {0}/bytes is not text in UTF-8"),
        ("file:{0}/long", "the file {0}/long is longer than 1048576 bytes"),
        ("vault:x", "'vault:x' is no place for a secret; write env:NAME or file:PATH"),
        ("env:", "'env:' is no place for a secret"),
    ],
)
def test_one_that_cannot_be_had_is_named_by_its_place_alone(source: str, message: str, places: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_secret(source.format(places))
    assert str(caught.value).startswith(message.format(places))
    assert "s3cret" not in str(caught.value)


def test_every_missing_secret_is_named_before_a_job_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIVEN_TOKEN", "x")
    monkeypatch.delenv("NO_TOKEN", raising=False)
    inner = Workflow("inner", secrets={"deep": "env:NO_TOKEN", "given": "env:GIVEN_TOKEN"})
    outer = Workflow("outer", secrets={"token": "env:NO_TOKEN", "file": "file:/no/such/file"}, workflows={"a": inner, "b": inner})

    assert [line.partition(":")[0] for line in missing_secrets(outer)] == [
        "the secret 'token' is missing",
        "the secret 'file' is missing",
        "the secret 'deep' is missing",
    ]
    assert missing_secrets(Workflow("none")) == []


def test_a_sealed_input_shows_no_value() -> None:
    value: Any = {"a": SealedText(("x ", Secret("token", "env:T")))}

    assert TOKEN not in repr(value)


def test_a_secret_too_short_to_be_masked_is_named_and_stays_in_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"PIN": "123", "LETTER": "x", "LONG": "1234"}.items():
        monkeypatch.setenv(name, text)
    inner = Workflow("inner", secrets={"letter": "env:LETTER", "gone": "env:NOT_THERE_AT_ALL"})
    outer = Workflow("outer", secrets={"pin": "env:PIN", "long": "env:LONG"}, workflows={"inner": inner})

    assert [line.partition(":")[0] for line in short_secrets(outer)] == [
        "the secret 'pin' has 3 characters",
        "the secret 'letter' has 1 character",
    ]
    assert "123" not in "".join(short_secrets(outer)[1:])
    assert redacted(["123", "1234"], {"pin": "123", "long": "1234"}) == ["123", "[secret long]"]
