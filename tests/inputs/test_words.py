"""What sentences say: facts, what is excluded, and what says nothing though it holds a word of the list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
import torch

from flowmusic import eight_bit, tensors
from flowmusic.corpus import caption
from flowmusic.corpus.compose import compose
from flowmusic.corpus.genres import GENRES
from flowmusic.corpus.instruments import KITS, PROGRAMS
from flowmusic.facts import CHOICES, INSTRUMENTS, instrument_of
from flowmusic.inputs.words import elsewhere, english, meaning
from flowmusic.inputs.words.reading import Reading, read
from flowmusic.inputs.words.senses import Guess, senses
from flowmusic.model.text import TextEncoder

GUITARS = "acoustic guitar, electric guitar, distorted guitar"
BASSES = "double bass, bass guitar, synth bass"


def plain(reading: Reading) -> tuple[dict[str, Any], dict[str, Any]]:
    return reading.facts.said(), reading.excluded.said()


def facts(written: str) -> dict[str, Any]:
    """``"piano, strings; no drums; slow"`` as plain data: the test's own short form."""
    found: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in written.split(";"))):
        if item in ("drums", "no drums"):
            found["drums"] = item == "drums"
            continue
        fact = next((name for name, values in CHOICES.items() if item in values), None)
        if fact is not None:
            found[fact] = item
        else:
            names = {name.strip() for name in item.split(",")} - {"nobody"}
            assert names <= set(INSTRUMENTS), names
            found["instruments"] = [name for name in INSTRUMENTS if name in names]
    return found


SENTENCES = [
    ("warm lo-fi beat, electric piano", "electric piano; drums; lo-fi", ""),
    ("slow jazz trio", "slow; jazz", ""),
    ("funk band", "funk", ""),
    ("flute over strings", "flute, strings", ""),
    ("solo piano", "piano; no drums", ""),
    ("Solo jazz piano, late at night", "piano; no drums; jazz", ""),
    ("a sad piano solo", "piano; no drums; dark", ""),
    ("rock song with a guitar solo", "electric guitar; rock", ""),
    ("solo violin over strings", "violin, strings", ""),
    ("drum solo", "nobody; drums", ""),
    ("drums only", "nobody; drums", ""),
    ("piano and strings", "piano, strings", ""),
    ("only piano and strings", "piano, strings; no drums", ""),
    ("strings, nothing else", "strings; no drums", ""),
    ("nothing but organ", "organ; no drums", ""),
    ("not only piano but strings", "piano, strings", ""),
    ("just a piano", "piano; no drums", ""),
    ("duo of violin and piano", "violin, piano; no drums", ""),
    ("violin and cello duo", "violin, cello; no drums", ""),
    ("unaccompanied violin", "violin; no drums", ""),
    ("a string quartet", "violin, cello; no drums", ""),
    ("a cappella", "choir; no drums", ""),
    ("distortion guitars, heavy drums", "distorted guitar; drums", ""),
    ("bass", "bass guitar", ""),
    ("jazz with a walking bass", "double bass; jazz", ""),
    ("techno with a deep bass", "synth bass; techno", ""),
    ("guitar", "acoustic guitar", ""),
    ("heavy metal guitar riff", "distorted guitar; metal", ""),
    ("drum and bass", "drums; drum and bass", ""),
    ("drum & bass", "drums; drum and bass", ""),
    ("liquid dnb, 174 bpm", "drums; drum and bass; fast", ""),
    ("drums and bass", "drums; bass guitar", ""),
    ("just drums and bass", "drums; bass guitar", ""),
    ("four-on-the-floor house", "drums; house", ""),
    ("808 bass with trap hats", "synth bass; drums", ""),
    ("808s and rhodes", "electric piano; drums", ""),
    ("tenor sax and vibes", "saxophone, vibraphone", ""),
    ("uptempo ska with horns", "brass; reggae; fast", ""),
    ("a lonely horn", "french horn; dark", ""),
    ("english horn and bass clarinet", "oboe, clarinet", ""),
    ("church organ and bells", "church organ, bells", ""),
    ("epic trailer music with choir and big drums", "choir; drums; cinematic", ""),
    ("upbeat pop song with claps", "drums; pop; bright; lively", ""),
    ("fast bluegrass with banjo and fiddle", "banjo, violin; country; fast", ""),
    ("chill 85bpm r&b", "soul; calm; slow", ""),
    ("lullaby for music box, 6/8, 70 bpm", "bells; calm; medium", ""),
    ("80-90 BPM hip-hop", "hip hop; slow", ""),
    ("house with jazz influences", "house", ""),
    ("folk metal", "metal", ""),
    ("nocturne in C# minor", "classical; C# minor", ""),
    ("in the key of C", "C major", ""),
    ("a waltz in A minor", "A minor", ""),
    ("pop in a minor, 120 bpm", "pop; A minor; medium", ""),
    ("B flat major fanfare", "Bb major", ""),
    ("song in Am", "A minor", ""),
    # negations
    ("piano, no drums", "piano; no drums", ""),
    ("drumless lo-fi with rhodes", "electric piano; no drums; lo-fi", ""),
    ("ambient without a beat", "ambient; no drums", ""),
    ("bossa nova, no percussion", "bossa nova; no drums", ""),
    ("I don't want any drums", "no drums", ""),
    ("without piano, bass or drums", "no drums", f"piano, {BASSES}"),
    ("without drums and bass", "no drums", BASSES),
    ("neither drums nor bass", "no drums", BASSES),
    ("no drums, piano", "piano; no drums", ""),
    ("no drums and soft piano", "piano; no drums; calm", ""),
    ("no drums and piano", "no drums", ""),
    ("no piano, no drums, just strings", "strings; no drums", "piano"),
    ("no heavy drums", "", ""),
    ("piano-free ambient", "ambient", "piano"),
    ("piano instead of guitar", "piano", GUITARS),
    ("no vocals, just acoustic guitar", "acoustic guitar; no drums", "choir"),
    ("synth pads, no other synths", "synth pad", "synth lead, synth bass, synth strings"),
    ("not sad", "", "dark"),
    ("not too fast", "", "fast"),
    ("calm but not sad", "calm", "dark"),
    ("not a fast song", "", "fast"),
    ("never loud, never fast", "", "fast"),
    # what says nothing
    ("granny in a rocking chair", "", ""),
    ("steel drums on the beach", "", ""),
    ("a brass band marching", "brass", ""),
    ("heart and soul", "", ""),
    ("light jazz", "jazz", ""),
    ("keys", "", ""),
    ("good vibes", "", ""),
    ("a piece in a minor mood", "", ""),
    ("in a minor key", "", ""),
    ("house party on a country road", "", ""),
    ("breakfast on the patio, organic food", "", ""),
    ("tape recorder and bells and whistles", "", ""),
    ("new world, dark chocolate", "", ""),
    ("mix of jazz and hip hop", "", ""),
    ("a <jazz> waltz, <slow-piano>:0.6", "", ""),
    ("instrumental", "", ""),
    ("jazz drums and a jazz guitar", "drums; electric guitar", ""),
    ("", "", ""),
    # other languages
    ("Klavier ohne Schlagzeug", "piano; no drums", ""),
    ("Musik für Geige und Klavier, langsam, a-Moll", "violin, piano; slow; A minor", ""),
    ("musique douce pour piano et violon, sans batterie", "piano, violin; no drums; calm", ""),
    ("guitarra española sin batería", "acoustic guitar; no drums", ""),
    ("pianoforte e archi senza batteria", "piano, strings; no drums", ""),
    ("violão e flauta, sem bateria", "acoustic guitar, flute; no drums", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said", "excluded"), SENTENCES)
def test_what_a_sentence_says(text: str, said: str, excluded: str) -> None:
    assert plain(read(text)) == (facts(said), facts(excluded))


@pytest.mark.parametrize(
    ("text", "tongue"),
    [
        ("Klavier ohne Schlagzeug", "German"),
        ("musique pour dormir avec des cloches", "French"),
        ("una canción muy triste para guitarra", "Spanish"),
        ("un brano allegro per violino e archi", "Italian"),
        ("música calma com violão", "Portuguese"),
        ("rustige muziek met een piano", "Dutch"),
        ("lugn musik med piano och fiol", "Swedish"),
        ("jeg vil have musik med klaver", "Danish"),
        ("spokojna muzyka na fortepian", "Polish"),
        ("piyano ve keman için müzik", "Turkish"),
        ("allegro con brio for violin", None),
        ("bossa nova en español", None),
        ("die hard style action, no one is safe", None),
        ("solo piano", None),
        ("déjà vu, a café in Paris", None),
        ("sin city, dark jazz", None),
    ],
)
def test_another_language_is_told(text: str, tongue: str | None) -> None:
    assert read(text).language == tongue


def test_what_is_said_twice_is_left_open_and_told() -> None:
    reading = read("happy and sad jazz with drums, no drums")
    assert reading.facts.said() == {"genre": "jazz"} and len(reading.unclear) == 2
    assert "'happy', 'sad'" in reading.unclear[1]


def test_a_prompt_without_end_is_read_as_far_as_it_goes() -> None:
    reading = read("slow piano " + "a minor 90 bpm without strings, " * 40_000 + "happy")
    assert reading.facts.instruments == frozenset({"piano"}) and reading.facts.mood is None
    assert reading.unclear == ("only the first 20000 letters of the prompt are read for facts",)


def test_words_are_kept_as_written() -> None:
    reading = read("Slow Steel-String  Guitar at 80 BPM")
    assert [(each.fact, each.words) for each in reading.found] == [
        ("tempo", "Slow"), ("instruments", "Steel-String  Guitar"),
    ]  # fmt: skip
    assert reading.bpm == 80.0


def test_a_meaning_counts_where_the_list_has_nothing() -> None:
    asked: list[Sequence[str]] = []

    def nearest(phrases: Sequence[str]) -> list[Guess | None]:
        asked.append(list(phrases))
        table: Mapping[str, Guess] = {
            "gloomish": Guess("mood", "dark", 0.8),
            "zitherette": Guess("instruments", "harp", 0.9),
        }
        return [table.get(phrase) for phrase in phrases]

    reading = read("a Gloomish piano waltz in the rain with a <zitherette>, no zitherette", nearest)
    assert asked == [["gloomish", "rain", "zitherette"]]
    assert plain(reading) == ({"instruments": ["piano"], "mood": "dark"}, {"instruments": ["harp"]})
    assert reading.found[0].plain() == {
        "fact": "mood", "value": "dark", "words": "Gloomish", "how": "meaning", "similarity": 0.8,
    }  # fmt: skip


def test_the_lists_name_the_vocabulary() -> None:
    assert set(english.INSTRUMENTS) == set(INSTRUMENTS)
    for fact, table in (("genre", english.GENRES), ("mood", english.MOODS), ("energy", english.ENERGIES)):
        assert tuple(table) == CHOICES[fact]
    assert tuple(english.TEMPI) == CHOICES["tempo"] and set(english.BEATS.values()) <= set(CHOICES["genre"])
    for table in elsewhere.INSTRUMENTS.values():
        assert set(table) <= set(INSTRUMENTS)


def test_every_wording_of_the_captions_is_understood() -> None:
    for program, (_, words) in PROGRAMS.items():
        for word in words:
            found = [each for each in read(f"with {word}").found if each.fact == "instruments"]
            name = instrument_of(program)
            meant = {name for each in found for name in (each.of or (each.value,))}
            # "Electric guitar" is a word for overdriven ones too.
            assert name is None or not found and "keys" not in word or name in meant or word == "electric guitar", word
            assert found, word
    for words in [words for _, words in KITS.values()] + [
        words for style, words in caption.BEATS.items() if style != "none"
    ]:
        for word in words:
            assert read(f"with {word}").facts.drums is True, word
    for fact, table in (
        ("tempo", caption.TEMPO_WORDS), ("mood", caption.MOOD_WORDS), ("energy", caption.ENERGY_WORDS),
        ("genre", {genre.name: genre.words for genre in GENRES}),
    ):  # fmt: skip
        for value, words in table.items():
            for word in words:
                # A break beat is a pattern of drums in any genre.
                if word != "breakbeat":
                    assert read(f"a {word} piece").facts.said().get(fact) == value, word


@pytest.fixture(scope="module")
def captions() -> list[tuple[dict[str, Any], str]]:
    """Facts and a caption of each of 40 compositions."""
    found = []
    for seed in range(400, 440):
        piece = compose(seed, seconds=12.0)
        tags: Any = piece.tags
        truth = {
            "instruments": {instrument_of(part.program) for part in piece.parts if part.name != "drums"},
            "drums": any(part.name == "drums" for part in piece.parts),
            "genre": tags["genre"],
            "mood": tags["mood"],
            "energy": tags["mood"],
            "tempo": tags["tempo"],
            "key": piece.key.replace("harmonic ", ""),
        }
        found.append((truth, Random(seed).choice(piece.captions)))
    return found


def test_captions_of_compositions_say_what_is_true(captions: list[tuple[dict[str, Any], str]]) -> None:
    right = wrong = 0
    for truth, text in captions:
        reading = read(text)
        assert reading.excluded.said() == {}, text
        for each in reading.found:
            if each.fact == "instruments":
                good = bool(truth["instruments"] & set(each.of or (each.value,))) or each.words == "electric guitar"
            elif each.fact == "tempo" and "bpm" in each.words.lower():
                continue  # in 6/8, beats of the bar are not those that are felt
            elif each.fact in ("mood", "energy"):
                good = each.value in truth[each.fact]
            else:
                good = each.value == truth[each.fact]
            right, wrong = right + good, wrong + (not good)
    assert right > 120 and wrong <= 0.01 * right


def test_the_vectors_that_are_shipped_are_of_the_list() -> None:
    """After a change of the list: python -m flowmusic.inputs.words.meaning."""
    encoder = TextEncoder()
    rows = meaning.listed()
    vectors, about = tensors.read(meaning.FILE)
    assert about == meaning._about(rows, encoder.fingerprint)
    some = slice(None, None, 60)
    anew = meaning.ByMeaning(encoder).vectors([phrase for _, phrase in rows[some]])
    assert torch.allclose(eight_bit.unpack(vectors)["vectors"][some], anew, atol=2e-3)


@pytest.fixture(scope="module")
def nearest() -> meaning.ByMeaning:
    return meaning.ByMeaning(TextEncoder())


def test_meanings_that_are_near_enough(nearest: meaning.ByMeaning) -> None:
    """The words of benchmarks/held_out_words.py are many more; nothing is guessed of what a prompt is about."""
    said = read(
        "a piano piece full of happiness and swiftly flowing, with violinists by the cathedral at midnight", nearest
    )
    assert said.facts.mood == "bright" and said.facts.instruments == frozenset({"piano", "violin"})
    assert [each.how for each in said.found if each.fact == "mood"] == ["meaning"]
    silent = read("cathedral stone rain sunset microphone dragon market grandmother", nearest)
    assert silent.found == () and nearest([]) == []


def test_a_fact_with_a_tempo_word_in_its_name_says_the_tempo() -> None:
    """A phrase hides its words from other readings: a slow ballad is a ballad, and slow."""
    silent = [
        " ".join(phrase)
        for phrase, meanings in senses().items()
        if {"slow", "fast", "quick"} & set(phrase)
        and any(each.says for each in meanings)
        and not any(fact == "tempo" for each in meanings for fact, _ in each.says)
    ]
    assert silent == ["slow strings"]  # a General MIDI sound
    assert read("a slow ballad").facts.said() == {"genre": "ballad", "tempo": "slow"}
