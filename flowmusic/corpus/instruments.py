"""General-MIDI programs by role: names, words for captions, comfortable ranges."""

from __future__ import annotations

# program: (name, words that a caption may use for it)
PROGRAMS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("grand piano", ("piano", "grand piano", "acoustic piano")),
    1: ("bright piano", ("piano", "bright piano", "acoustic piano")),
    2: ("electric grand", ("piano", "electric grand piano")),
    3: ("honky-tonk piano", ("piano", "honky-tonk piano", "saloon piano")),
    4: ("rhodes piano", ("electric piano", "rhodes", "warm electric piano")),
    5: ("fm electric piano", ("electric piano", "fm electric piano", "glassy keys")),
    6: ("harpsichord", ("harpsichord",)),
    7: ("clavinet", ("clavinet", "clav")),
    8: ("celesta", ("celesta",)),
    9: ("glockenspiel", ("glockenspiel", "bells")),
    10: ("music box", ("music box",)),
    11: ("vibraphone", ("vibraphone", "vibes")),
    12: ("marimba", ("marimba", "mallets")),
    13: ("xylophone", ("xylophone", "mallets")),
    14: ("tubular bells", ("tubular bells", "bells")),
    15: ("dulcimer", ("dulcimer",)),
    16: ("drawbar organ", ("organ", "drawbar organ")),
    17: ("percussive organ", ("organ", "percussive organ")),
    18: ("rock organ", ("organ", "rock organ")),
    19: ("church organ", ("church organ", "pipe organ")),
    20: ("reed organ", ("reed organ", "harmonium")),
    21: ("accordion", ("accordion",)),
    22: ("harmonica", ("harmonica",)),
    23: ("bandoneon", ("bandoneon", "tango accordion")),
    24: ("nylon guitar", ("guitar", "nylon guitar", "classical guitar", "acoustic guitar")),
    25: ("steel guitar", ("guitar", "acoustic guitar", "steel-string guitar")),
    26: ("jazz guitar", ("guitar", "jazz guitar", "electric guitar")),
    27: ("clean guitar", ("guitar", "clean electric guitar", "electric guitar")),
    28: ("muted guitar", ("guitar", "muted guitar", "palm-muted guitar")),
    29: ("overdriven guitar", ("electric guitar", "overdriven guitar", "crunchy guitar")),
    30: ("distorted guitar", ("electric guitar", "distorted guitar", "heavy guitar")),
    32: ("upright bass", ("bass", "upright bass", "double bass", "acoustic bass")),
    33: ("finger bass", ("bass", "bass guitar", "fingered bass", "electric bass")),
    34: ("picked bass", ("bass", "bass guitar", "picked bass", "electric bass")),
    35: ("fretless bass", ("bass", "fretless bass", "electric bass")),
    36: ("slap bass", ("bass", "slap bass", "bass guitar")),
    37: ("slap bass 2", ("bass", "slap bass", "bass guitar")),
    38: ("synth bass", ("bass", "synth bass", "analog bass")),
    39: ("synth bass 2", ("bass", "synth bass", "electronic bass")),
    40: ("violin", ("violin", "fiddle")),
    41: ("viola", ("viola",)),
    42: ("cello", ("cello",)),
    43: ("contrabass", ("bass", "contrabass", "bowed bass")),
    44: ("tremolo strings", ("strings", "tremolo strings")),
    45: ("pizzicato strings", ("pizzicato strings", "plucked strings")),
    46: ("harp", ("harp",)),
    48: ("string ensemble", ("strings", "string section", "orchestral strings")),
    49: ("slow strings", ("strings", "slow strings", "lush strings")),
    50: ("synth strings", ("synth strings", "string machine")),
    51: ("synth strings 2", ("synth strings", "string machine")),
    52: ("choir", ("choir", "choir aahs", "voices")),
    53: ("voice oohs", ("voice", "oohs", "wordless voice")),
    54: ("synth voice", ("synth voice", "synth choir")),
    56: ("trumpet", ("trumpet",)),
    57: ("trombone", ("trombone",)),
    58: ("tuba", ("tuba",)),
    59: ("muted trumpet", ("muted trumpet", "trumpet with mute")),
    60: ("french horn", ("french horn", "horn")),
    61: ("brass section", ("brass", "brass section", "horn section")),
    62: ("synth brass", ("synth brass", "analog brass")),
    63: ("synth brass 2", ("synth brass", "analog brass")),
    64: ("soprano sax", ("saxophone", "soprano sax", "sax")),
    65: ("alto sax", ("saxophone", "alto sax", "sax")),
    66: ("tenor sax", ("saxophone", "tenor sax", "sax")),
    67: ("baritone sax", ("saxophone", "baritone sax", "sax")),
    68: ("oboe", ("oboe",)),
    69: ("english horn", ("english horn", "cor anglais")),
    70: ("bassoon", ("bassoon",)),
    71: ("clarinet", ("clarinet",)),
    72: ("piccolo", ("piccolo",)),
    73: ("flute", ("flute",)),
    74: ("recorder", ("recorder",)),
    75: ("pan flute", ("pan flute", "panpipes")),
    76: ("blown bottle", ("blown bottle", "breathy flute")),
    79: ("ocarina", ("ocarina",)),
    80: ("square lead", ("synth lead", "square lead", "chiptune lead")),
    81: ("saw lead", ("synth lead", "saw lead", "sawtooth synth")),
    83: ("chiff lead", ("synth lead", "breathy synth lead")),
    87: ("bass lead", ("synth lead", "fat synth lead")),
    88: ("new age pad", ("synth pad", "new age pad", "airy pad")),
    89: ("warm pad", ("synth pad", "warm pad", "soft pad")),
    90: ("polysynth", ("polysynth", "synth chords", "synthesizer")),
    91: ("choir pad", ("choir pad", "vocal pad")),
    92: ("bowed pad", ("synth pad", "bowed glass pad")),
    93: ("metallic pad", ("synth pad", "metallic pad")),
    94: ("halo pad", ("synth pad", "halo pad")),
    95: ("sweep pad", ("synth pad", "sweeping pad")),
    104: ("sitar", ("sitar",)),
    105: ("banjo", ("banjo",)),
    106: ("shamisen", ("shamisen",)),
    107: ("koto", ("koto",)),
    108: ("kalimba", ("kalimba", "thumb piano")),
    110: ("fiddle", ("fiddle", "folk fiddle")),
    111: ("shanai", ("shanai", "reed pipe")),
}

KITS: dict[int, tuple[str, tuple[str, ...]]] = {
    0: ("standard kit", ("drums", "acoustic drums", "drum kit")),
    8: ("room kit", ("drums", "roomy drums", "drum kit")),
    16: ("power kit", ("drums", "powerful drums", "big drums")),
    24: ("electronic kit", ("drums", "electronic drums", "electronic drum kit")),
    25: ("808 kit", ("drums", "808 drums", "drum machine")),
    32: ("jazz kit", ("drums", "jazz drums", "jazz kit")),
    40: ("brush kit", ("drums", "brushed drums", "brushes")),
}

# Programs whose sounding pitch a tracker confirms; each split has sounds of its own. The clean
# guitar (27) is left out: its fundamental lies 20 dB below its upper partials.
LEADS: dict[str, tuple[int, ...]] = {
    "train": (
        0, 1, 4, 6, 7, 12, 20, 21, 24, 29, 30, 33, 35, 40, 52, 53, 56, 59, 61, 62, 64, 65, 66,
        68, 72, 73, 74, 76, 80, 81, 106, 107, 110,
    ),
    "validation": (2, 5, 13, 22, 26, 42, 57, 67, 69, 83),
    "test": (3, 23, 41, 60, 63, 70, 71, 75, 79, 87, 108, 111),
}  # fmt: skip

# Families of programs for the parts that accompany; genres pick among them.
CHORD_FAMILIES: dict[str, tuple[int, ...]] = {
    "piano": (0, 0, 1, 2, 3), "electric piano": (4, 4, 5), "organ": (16, 17, 18, 20),
    "acoustic guitar": (24, 25), "electric guitar": (26, 27, 28), "heavy guitar": (29, 30),
    "clav": (7, 6), "mallets": (11, 12, 108), "bells": (8, 10), "plucked": (45, 46, 15),
    "synth": (90, 90, 62, 63, 50), "brass": (61,), "folk": (21, 105, 107, 104), "strings": (48, 44),
}  # fmt: skip
PAD_FAMILIES: dict[str, tuple[int, ...]] = {
    "strings": (48, 49), "synth strings": (50, 51), "voices": (52, 53, 54, 91),
    "synth pad": (88, 89, 92, 94, 95), "organ": (16, 19, 20), "brass": (60, 61, 62),
}  # fmt: skip
BASS_FAMILIES: dict[str, tuple[int, ...]] = {
    "upright": (32, 43), "electric": (33, 34, 35), "slap": (36, 37), "synth": (38, 39),
}  # fmt: skip
LEAD_FAMILIES: dict[str, tuple[int, ...]] = {
    "keys": (0, 1, 2, 3, 4, 5, 6, 7), "mallets": (12, 13, 108), "free reed": (20, 21, 22, 23),
    "guitar": (24, 26), "heavy guitar": (29, 30), "bass": (33, 35), "bowed": (40, 41, 42, 110),
    "voice": (52, 53), "brass": (56, 57, 59, 60, 61), "synth brass": (62, 63),
    "sax": (64, 65, 66, 67), "reeds": (68, 69, 70, 71, 111), "flutes": (72, 73, 74, 75, 76, 79),
    "synth": (80, 81, 83, 87), "plucked": (106, 107),
}  # fmt: skip

# Lead ranges (lowest, highest MIDI pitch) where the default does not fit the instrument.
_RANGES = {
    12: (60, 84), 13: (65, 88), 22: (60, 84), 33: (55, 67), 35: (55, 67), 40: (60, 86),
    41: (55, 79), 42: (55, 72), 57: (55, 70), 58: (55, 62), 60: (55, 74), 64: (60, 82),
    65: (56, 79), 66: (55, 74), 67: (55, 67), 68: (60, 82), 69: (57, 77), 70: (55, 69),
    72: (74, 88), 73: (62, 86), 74: (65, 86), 75: (62, 84), 79: (65, 86), 24: (55, 78),
    26: (55, 79), 27: (55, 81), 29: (55, 81), 30: (55, 81), 52: (57, 77), 53: (57, 77),
    87: (55, 76), 107: (57, 79), 106: (57, 79), 111: (60, 81),
}  # fmt: skip

SOLO_PIANO = {"train": (0, 1), "validation": (2,), "test": (3,)}
SOLO_GUITAR = {"train": (24,), "validation": (26,), "test": (25,)}


def lead_range(program: int) -> tuple[int, int]:
    """Lowest and highest MIDI pitch for a melody on `program`, within 55-88."""
    return _RANGES.get(program, (58, 84))
