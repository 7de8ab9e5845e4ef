"""Genres: weak preferences for tempo, drums and sounds, and words for captions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Genre:
    """What a genre leans towards; every lean is overruled often (see `arrange`).

    `bpm` is a range; `swing` the probability of a swung feel; `colour` the share of seventh chords.
    The fields after that are for genres that are played only when asked for by name (`extra`):
    `firm` is the probability with which a lean is followed (None: the usual ones); `meters` and
    `modes` to choose from, and `basses` and `comps`, names of styles; `cadences` are turns of
    harmony in C, each of (root, kind), that its progressions are strung from. Empty: as for all.
    """

    name: str
    words: tuple[str, ...]
    bpm: tuple[float, float]
    drums: tuple[str, ...]
    chords: tuple[str, ...]
    pads: tuple[str, ...]
    bass: tuple[str, ...]
    leads: tuple[str, ...]
    kits: tuple[int, ...]
    swing: float = 0.1
    colour: float = 0.3
    firm: float | None = None
    meters: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    basses: tuple[str, ...] = ()
    comps: tuple[str, ...] = ()
    cadences: tuple[tuple[tuple[int, str], ...], ...] = ()

    def follows(self, usual: float) -> float:
        """How often a lean is followed, given how often those of the other genres are."""
        return usual if self.firm is None else self.firm


GENRES: tuple[Genre, ...] = (
    Genre("pop", ("pop", "pop song", "radio pop", "catchy pop"), (85, 130),
          ("pop", "rock", "house", "pop three"), ("piano", "synth", "acoustic guitar"),
          ("strings", "synth pad"), ("electric", "synth"), ("synth", "keys", "voice"), (0, 8, 24)),
    Genre("rock", ("rock", "rock band", "indie rock", "alternative rock"), (95, 160),
          ("rock", "pop", "toms", "rock three", "slow rock"),
          ("electric guitar", "heavy guitar", "organ"),
          ("organ", "strings"), ("electric",), ("heavy guitar", "guitar", "free reed"), (0, 8, 16)),
    Genre("jazz", ("jazz", "jazz standard", "modern jazz", "jazz combo"), (90, 180),
          ("swing", "brushes", "jazz waltz", "brush three"), ("piano", "electric guitar", "mallets"),
          ("brass", "strings"), ("upright",), ("sax", "brass", "guitar"), (32, 40), 0.7, 0.9),
    Genre("bossa nova", ("bossa nova", "brazilian jazz", "bossa"), (100, 145),
          ("bossa nova", "samba"), ("acoustic guitar", "piano", "electric piano"),
          ("strings",), ("upright", "electric"), ("flutes", "sax", "guitar"), (32, 40, 0), 0.0, 0.9),
    Genre("funk", ("funk", "funk jam", "funky groove"), (90, 122),
          ("funk", "breakbeat", "soul"), ("clav", "electric guitar", "organ", "electric piano"),
          ("brass", "synth strings"), ("slap", "electric"), ("brass", "sax", "keys"), (0, 8), 0.15,
          0.7),
    Genre("soul", ("soul", "r&b", "neo-soul", "r&b groove"), (65, 110),
          ("soul", "motown", "slow rock", "ballad"), ("electric piano", "organ", "electric guitar"),
          ("strings", "voices"), ("electric",), ("sax", "voice", "guitar"), (0, 8, 24), 0.25, 0.75),
    Genre("lo-fi", ("lo-fi", "lo-fi hip hop", "chillhop", "lo-fi beat"), (68, 92),
          ("boom bap", "half time", "minimal"), ("electric piano", "piano", "electric guitar"),
          ("synth pad", "synth strings"), ("electric", "synth"), ("keys", "mallets", "flutes"),
          (0, 25, 8), 0.45, 0.85),
    Genre("hip hop", ("hip hop", "rap beat", "hip hop beat", "trap beat"), (65, 105),
          ("boom bap", "trap", "half time"), ("piano", "synth", "plucked"), ("synth pad", "strings"),
          ("synth",), ("synth", "flutes", "plucked"), (25, 24), 0.2, 0.4),
    Genre("house", ("house", "deep house", "dance music", "club track"), (116, 130),
          ("house", "garage", "minimal", "disco"), ("synth", "organ", "piano", "electric piano"),
          ("synth pad", "synth strings"), ("synth",), ("synth", "synth brass"), (24, 25), 0.1, 0.5),
    Genre("techno", ("techno", "electronic", "electronic music", "electronica"), (118, 150),
          ("house", "minimal", "electro", "steppers"), ("synth", "bells"), ("synth pad",),
          ("synth",), ("synth", "synth brass"), (24, 25)),
    Genre("drum and bass", ("drum and bass", "jungle", "breakbeat"), (140, 178),
          ("drum and bass", "breakbeat"), ("synth", "electric piano"), ("synth pad", "voices"),
          ("synth",), ("synth", "voice"), (24, 16, 0), 0.0, 0.4),
    Genre("synthwave", ("synthwave", "80s synth pop", "retro synth music", "80s electro"), (80, 120),
          ("pop", "electro", "house"), ("synth", "bells"), ("synth pad", "synth strings"),
          ("synth",), ("synth", "synth brass"), (24, 25, 16)),
    Genre("disco", ("disco", "70s disco", "nu-disco"), (108, 126), ("disco", "house"),
          ("electric guitar", "clav", "electric piano"), ("strings", "synth strings"),
          ("slap", "electric"), ("brass", "bowed", "synth"), (0, 8), 0.0, 0.6),
    Genre("ambient", ("ambient", "ambient soundscape", "atmospheric music", "drone-like ambient"),
          (60, 90), ("minimal", "half time", "ballad six"), ("bells", "electric piano", "plucked"),
          ("synth pad", "voices", "synth strings"), ("synth",), ("flutes", "voice", "mallets"),
          (25, 24), 0.0, 0.5),
    Genre("ballad", ("ballad", "tender ballad", "love song"), (60, 84),
          ("ballad", "ballad six", "half time", "slow rock"), ("piano", "acoustic guitar"),
          ("strings", "synth pad"), ("electric",), ("voice", "sax", "bowed"), (0, 8)),
    Genre("folk", ("folk", "acoustic folk", "singer-songwriter", "folk tune"), (75, 130),
          ("train", "folk three", "ballad", "jig"), ("acoustic guitar", "folk"), ("strings", "organ"),
          ("upright", "electric"), ("bowed", "flutes", "free reed"), (40, 0)),
    Genre("country", ("country", "americana", "country and western", "bluegrass"), (90, 150),
          ("train", "shuffle", "waltz"), ("acoustic guitar", "electric guitar", "folk", "piano"),
          ("organ", "strings"), ("electric", "upright"), ("bowed", "guitar", "free reed"), (0, 8),
          0.2, 0.15),
    Genre("celtic", ("celtic", "irish folk", "celtic folk"), (84, 140), ("jig", "march six", "folk three"),
          ("acoustic guitar", "plucked"), ("organ", "strings"), ("upright",), ("bowed", "flutes"),
          (40, 0), 0.0, 0.05),
    Genre("reggae", ("reggae", "dub reggae", "roots reggae"), (64, 100),
          ("reggae", "steppers"), ("organ", "electric guitar", "clav"), ("organ", "brass"),
          ("electric", "synth"), ("brass", "sax", "free reed"), (0, 8), 0.3),
    Genre("latin", ("latin", "salsa", "afro-cuban", "latin groove"), (90, 165),
          ("son clave", "songo", "samba", "latin three", "reggaeton"),
          ("piano", "acoustic guitar"), ("brass", "strings"), ("upright", "electric"),
          ("brass", "flutes", "plucked"), (0, 8, 32), 0.0, 0.5),
    Genre("afrobeat", ("afrobeat", "african groove", "afropop"), (96, 130),
          ("afrobeat", "afro six", "bembe"), ("electric guitar", "mallets", "organ"), ("brass",),
          ("electric",), ("brass", "sax", "mallets"), (0, 8), 0.0, 0.5),
    Genre("metal", ("metal", "heavy metal", "hard rock"), (110, 178), ("metal", "rock", "toms",
          "driving six"), ("heavy guitar",), ("strings", "voices"), ("electric",), ("heavy guitar",),
          (16, 0)),
    Genre("blues", ("blues", "electric blues", "blues song", "bluesy jam"), (62, 125),
          ("shuffle", "blues six", "slow rock"), ("electric guitar", "piano", "organ"),
          ("organ", "brass"), ("electric", "upright"), ("guitar", "free reed", "sax"), (0, 8, 32),
          0.6, 0.7),
    Genre("classical", ("classical", "chamber music", "classical music", "neoclassical"), (60, 140),
          ("march", "waltz", "march six"), ("piano", "plucked", "strings", "clav"),
          ("strings", "organ"), ("upright",), ("bowed", "reeds", "flutes"), (0, 32), 0.0, 0.2),
    Genre("cinematic", ("cinematic", "film score", "soundtrack", "orchestral music"), (60, 120),
          ("toms", "march", "tom six", "tom three"), ("strings", "piano", "plucked"),
          ("strings", "voices", "brass"), ("upright", "synth"), ("bowed", "brass", "reeds"),
          (16, 8, 0), 0.0, 0.3),
    Genre("video game", ("video game music", "chiptune", "8-bit game music", "game soundtrack"),
          (100, 170), ("electro", "pop", "march", "clockwork"), ("synth", "bells"),
          ("synth pad", "synth strings"), ("synth",), ("synth",), (25, 24)),
    Genre("world", ("world music", "world fusion", "ethnic fusion"), (70, 130),
          ("hand drums", "bembe", "bo diddley", "toms"), ("folk", "mallets", "plucked"),
          ("voices", "synth pad"), ("electric", "upright"), ("plucked", "reeds", "flutes"), (0, 8),
          0.0, 0.3),
)  # fmt: skip
