"""What of a setting may be written for others: no credentials, no place on this machine, and nothing else changed."""

from __future__ import annotations

import getpass
import json
import platform
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic import publishable
from flowmusic.publishable import REMOVED, cleaned, command, place, prose, way, words

SECRET, FOLDER = "hunter2", "tell-tale folder"

MARKS = st.text("aZ9!$&()*+,;=:@/#?%~ -_.'\"", max_size=8)
PASSWORDS = st.builds("{}{}{}".format, st.just(SECRET), MARKS, st.just(SECRET))
HOSTS = st.sampled_from(["example.org", "example.org:8080", "10.0.0.7", "studio.local", "[::1]:80", "bucket"])
NAMES = st.sampled_from(["a.wav", "shards", "my songs", "naïve.json", "x.safetensors:0.8"])


def secret_values(password: str, host: str, name: str) -> list[str]:
    """Settings that hold a password."""
    bare = "".join(letter for letter in password if letter.isalnum())
    return [
        f"https://ann:{password}@{host}/{name}",
        f"s3://KEY:{password}@{host}/{name}",
        f"https://{host}/{name}?X-Amz-Signature={bare}&Expires=1#{bare}",
        f"pipe:curl -H 'Authorization: {password}' https://{host}/{name}",
        f"hf_{bare}0123456789abcdef",
    ]


def placed_values(name: str) -> list[Any]:
    """Settings that say where on this machine something lies."""
    return [
        f"/srv/{FOLDER}/{name}",
        Path(f"/srv/{FOLDER}/{name}"),
        f"~/{FOLDER}/{name}",
        f"C:\\{FOLDER}\\{name}",
        f"clap:/srv/{FOLDER}/{name}",
        f"file:///srv/{FOLDER}/{name}",
        f"ann@nas:/srv/{FOLDER}/{name}",
        f"ssh://nas.example.org/srv/{FOLDER}/{name}",
        Path.home() / FOLDER / name,
        f"../{platform.node()}/{FOLDER}/{name}" if len(platform.node()) > 2 else f"/{FOLDER}/{name}",
    ]


@given(PASSWORDS, HOSTS, NAMES)
def test_no_secret_and_no_place_is_left(password: str, host: str, name: str) -> None:
    values = [*secret_values(password, host, name), *placed_values(name)]
    nested = {"a": values, "b": {"c": [{"d": value} for value in values]}, "db": {"password": password, "n": 1}}
    told = json.dumps(cleaned(nested), ensure_ascii=False)
    assert SECRET not in told and FOLDER not in told and str(Path.home() / FOLDER) not in told
    assert cleaned(nested)["db"] == {"password": REMOVED, "n": 1}
    # As arguments of a command, alone and in lists.
    overrides = [f"data.a={value}" for value in values if isinstance(value, str)]
    overrides += [f"x.api_key={password}", f"more={json.dumps([str(value) for value in placed_values(name)])}"]
    shown = command("flowmusic train", overrides)
    assert SECRET not in shown and FOLDER not in shown


@given(HOSTS, st.from_regex(r"[\w!$&*+=:%~-]{1,12}", fullmatch=True))
def test_no_secret_is_left_in_a_sentence(host: str, password: str) -> None:
    said = f"cannot read https://ann:{SECRET}{password}@{host}/a, (see s3://k:{SECRET}@{host}/b?t={SECRET}); "
    said += f"token={SECRET}"
    assert SECRET not in prose(said) and SECRET not in prose(f"wrong: password={SECRET}, bearer abc")
    assert SECRET not in words(f"like https://ann:{SECRET}{password}@{host}/a")


@pytest.mark.parametrize(
    "text",
    [
        "C/E | Am/F", "4/4", "a slow 6/8 waltz, and/or w/ piano", "10/20/30", "km/h", "facebook/jasco-1B",
        "field.blocks.*.attention.*", "runs/nano/bundle", "../nano_codec/bundle", "nano", "songs/a.wav", "N.C. / F",
        "https://example.org/a/b.html", "validation/loss", "mert:m-a-p/MERT-v1-95M", "sha256 ab12", "key=C",
    ],
)  # fmt: skip
def test_what_tells_nothing_stays(text: str) -> None:
    assert cleaned(text) == prose(text) == words(text) == text
    assert cleaned({"x": text, "n": [1, 2.5, None, True]}) == {"x": text, "n": [1, 2.5, None, True]}


def test_what_somebody_wrote_stays_but_for_credentials() -> None:
    data = {"text": "slow /very slow/ ~ like /srv/x/y", "note": "of /srv/x/y"}
    assert cleaned(data, own=["text"]) == {"text": data["text"], "note": "of y"}
    assert cleaned({"token": "dusk", "a": {"token": "dusk"}}, keep=["token"])["a"] == {"token": "dusk"}


def test_the_names_of_user_and_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "annika")
    monkeypatch.setattr(platform, "node", lambda: "studio7.example.org")
    monkeypatch.setenv("HOME", "/srv/homes/annika")
    told = cleaned(["runs/annika/nano", "http://studio7:80/shards", "https://h.org/annika/x", "/srv/homes/annika"])
    assert told == ["nano", "shards", "x", REMOVED]
    assert "annika" not in prose("wrote /srv/homes/annika/a.wav and found /srv/homes/annika")
    assert way("/srv/homes/annika/models/x", "/srv/homes/annika/runs/y/bundle") == "../../../models/x"
    assert way("/srv/homes/annika/models/x", "/data/runs/bundle") is None  # the way would be the place
    assert way("/srv/homes/bo/x", "/srv/homes/annika/runs/bundle") is None


def test_a_user_without_name_or_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> str:
        raise KeyError("getpwuid(): uid not found: 4242")

    monkeypatch.setattr(getpass, "getuser", missing)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert place("/srv/x/a.wav") == "a.wav" and prose("see /srv/x/a.wav") == "see a.wav"


def test_a_command_is_built_again() -> None:
    given_ = ["experiment=lora", "latents=/srv/x", "base=/srv/models/small", "+more.deep=[/srv/a,b]", "~callbacks.x"]
    given_ += ["data.location='pipe:gsutil cat gs://bucket/x'", "model.lora.targets=[field.*,encoder.*]", "note='a b'"]
    assert command("flowmusic train", given_, named=("latents", "base")) == (
        "flowmusic train experiment=lora latents=LATENTS base=BASE +more.deep=[a, b] ~callbacks.x "
        f"data.location=pipe:{REMOVED} model.lora.targets=[field.*,encoder.*] note='a b'"
    )
    assert publishable.is_secret("logger.wandb.api_key") and not publishable.is_secret("plan.tokens")
