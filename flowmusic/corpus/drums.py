"""Drum grids: a library per meter, mutations, chance grids, fills, and their performance.

A grid maps an instrument to one character per step: X accent, x hit, o soft, - ghost, . nothing.
"""

from __future__ import annotations

from random import Random

from flowmusic.corpus.piece import Note
from flowmusic.corpus.rhythm import Clock, Meter, euclid
from flowmusic.corpus.splits import split_of

Grid = dict[str, str]

# instrument: (General-MIDI notes to choose from, class)
INSTRUMENTS: dict[str, tuple[tuple[int, ...], str]] = {
    "kick": ((36, 36, 35), "kick"), "snare": ((38, 38, 40), "snare"), "rim": ((37,), "snare"),
    "clap": ((39,), "snare"), "hat": ((42,), "hat"), "pedal": ((44,), "hat"),
    "open": ((46,), "hat"), "ride": ((51, 59), "cymbal"), "bell": ((53,), "cymbal"),
    "crash": ((49, 57), "cymbal"), "china": ((52,), "cymbal"), "hi": ((50, 48), "tom"),
    "mid": ((47, 45), "tom"), "low": ((43, 41), "tom"), "tamb": ((54,), "perc"),
    "cowbell": ((56,), "perc"), "shaker": ((70, 69), "perc"), "conga": ((63,), "perc"),
    "mute": ((62,), "perc"), "tumba": ((64,), "perc"), "bongo": ((60,), "perc"),
    "bongolo": ((61,), "perc"), "clave": ((75,), "perc"), "block": ((76,), "perc"),
    "blocklo": ((77,), "perc"), "agogo": ((67,), "perc"), "agogolo": ((68,), "perc"),
}  # fmt: skip
CLASSES = ("kick", "snare", "hat", "tom", "cymbal", "perc")
_VELOCITY = {"X": 112, "x": 96, "o": 80, "-": 58}

GRIDS: dict[str, dict[str, Grid]] = {
    "4/4": {
        "rock": {"kick": "X.......x.x.....", "snare": "....X.......X...", "hat": "x.o.x.o.x.o.x.o."},
        "pop": {"kick": "X..x..x...x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        "house": {"kick": "X...X...X...X...", "clap": "....x.......x...", "open": "..x...x...x...x."},
        "disco": {"kick": "X...X...X...X...", "snare": "....X.......X...",
                  "hat": "x.-.x.-.x.-.x.-.", "open": "..x...x...x...x."},
        "funk": {"kick": "X..x..x...x..x..", "snare": "....X..-.-..X..-", "hat": "xoxoxoxoxoxoxoxo"},
        "boom bap": {"kick": "X.....xx..x.....", "snare": "....X.......X..-", "hat": "x.o.x.o.x.o.x.oo"},
        "trap": {"kick": "X.....x...x.....", "clap": "........X.......", "hat": "xoxoxoxxxoxoxxxo"},
        "bossa nova": {"kick": "x..xx..xx..xx..x", "rim": "x..x..x...x..x..", "hat": "oooooooooooooooo"},
        "samba": {"kick": "x..Xx..Xx..Xx..X", "shaker": "xooxxooxxooxxoox", "agogo": "x.x..x.x..x.x..x"},
        "reggae": {"kick": "........X.......", "rim": "........x.......", "hat": "x.o.x.o.x.o.x.o."},
        "steppers": {"kick": "X...X...X...X...", "rim": "...x....x..x....", "hat": "..x...x...x...x."},
        "shuffle": {"kick": "X.......X.x.....", "snare": "....X.......X...", "hat": "x.x.x.x.x.x.x.x."},
        "swing": {"ride": "x...x.x.x...x.x.", "pedal": "....x.......x...", "kick": "-...-...-...-..."},
        "brushes": {"snare": "o...x.-.o...x.-.", "pedal": "....x.......x...", "kick": "o.........o....."},
        "motown": {"kick": "X.....x.X.....x.", "snare": "x...X...x...X...", "tamb": "....x.......x..."},
        "breakbeat": {"kick": "X.X.......XX....", "snare": "....X..-.-..X..-", "ride": "x.x.x.x.x.x.x.x."},
        "drum and bass": {"kick": "X.........X.....", "snare": "....X.......X...", "hat": "x.xox.xox.xox.xo"},
        "half time": {"kick": "X.....x.........", "snare": "........X.......", "hat": "x...x...x...x..."},
        "train": {"kick": "X...x...X...x...", "snare": "ooXoooXoooXoooXo"},
        "son clave": {"clave": "x..x..x...x.x...", "conga": "..x...xx..x...xx", "kick": "X..x....X..x....",
                      "cowbell": "x.x.x.x.x.x.x.x."},
        "songo": {"kick": "...x..x....x..x.", "cowbell": "x.x.x.x.x.x.x.x.", "rim": "....x.......x...",
                  "tumba": "..x....x..x....x"},
        "afrobeat": {"kick": "X..x....x..x....", "snare": "...-..x.-.-...x.", "hat": "x.xxx.xxx.xxx.xx",
                     "conga": "x..x..x.x..x..x."},
        "march": {"snare": "X.ooX.ooX.ooXoxo", "kick": "x...x...x...x..."},
        "metal": {"kick": "XxxxXxxxXxxxXxxx", "snare": "....X.......X...", "china": "x...x...x...x..."},
        "toms": {"low": "X..x..x.X..x..x.", "mid": "..o..o....o..o..", "hi": "....x.......x..o"},
        "garage": {"kick": "X.........x..x..", "snare": "....X.......X...", "hat": "..x.o.x...xo..x."},
        "electro": {"kick": "X..x......x.....", "clap": "....X.......X...", "cowbell": "..x..x....x..x.."},
        "reggaeton": {"kick": "X...X...X...X...", "snare": "...x..x....x..x.", "hat": "x.x.x.x.x.x.x.x."},
        "bo diddley": {"low": "X..x..x...x.x...", "shaker": "xoxoxoxoxoxoxoxo", "kick": "X..x..x...x.x..."},
        "minimal": {"kick": "X...X...X...X...", "rim": "...x.....x....x.", "shaker": "..x...x...x...x."},
        "hand drums": {"bongo": "x.oox.oxx.oox.ox", "bongolo": "..x.....x.x.....", "shaker": "x.x.x.x.x.x.x.x."},
        "ballad": {"kick": "X.........x.....", "rim": "....x.......x...", "hat": "o.o.o.o.o.o.o.o."},
        "clockwork": {"block": "x...x...x...x...", "blocklo": "..o...o...o...o.", "kick": "x.......x......."},
        "soul": {"kick": "X.x....x.x......", "snare": "....X..o....X..o", "hat": "x.x.x.x.x.x.x.x."},
    },
    "3/4": {
        "waltz": {"kick": "X...........", "snare": "....o...o...", "pedal": "....x...x..."},
        "jazz waltz": {"ride": "x...x.x.x...", "pedal": "....x.......", "kick": "x.....x....."},
        "pop three": {"kick": "X.....x.....", "snare": "........X...", "hat": "x.o.x.o.x.o."},
        "brush three": {"snare": "o.--x.--x.--", "kick": "x..........."},
        "folk three": {"low": "X...........", "tamb": "....x...x...", "shaker": "x.o.x.o.x.o."},
        "half three": {"kick": "X.....x.....", "rim": "....x.......", "hat": "x.x.x.x.x.x."},
        "rock three": {"kick": "X...x.......", "snare": "....X...X...", "ride": "x.x.x.x.x.x."},
        "mazurka": {"kick": "x...........", "snare": "....X.-.x...", "hat": "..x...x...x."},
        "tom three": {"low": "X.....x.....", "mid": "....x.......", "hi": "........x.x."},
        "latin three": {"conga": "..xx..xx..xx", "cowbell": "x.x.x.x.x.x.", "kick": "X.....x....."},
    },
    "6/8": {
        "slow rock": {"kick": "X.........x.", "snare": "......X.....", "hat": "x.o.o.x.o.o."},
        "afro six": {"agogo": "x.x.xx.x.x.x", "kick": "x.....x.....", "conga": "....xx....xx"},
        "jig": {"kick": "X.....x.....", "shaker": "x.o.x.x.o.x.", "rim": "....x.....x."},
        "march six": {"snare": "X.o.oox.o.oo", "kick": "x.....x....."},
        "blues six": {"kick": "X...x.......", "snare": "......X.....", "ride": "x...x.x...x."},
        "ballad six": {"kick": "x...........", "rim": "......x.....", "hat": "o.o.o.o.o.o."},
        "tom six": {"low": "X...x.....x.", "mid": "......x.....", "hi": "..o.....o..."},
        "driving six": {"kick": "X...x.x...x.", "snare": "......X.....", "hat": "xoxoxoxoxoxo"},
        "bembe": {"bell": "x.x.xx.x.x.x", "low": "x.......x...", "mid": "....x.....x."},
        "clap six": {"kick": "X.....x.....", "clap": "....x.....x.", "shaker": "x.x.x.x.x.x."},
    },
}  # fmt: skip

# Patterns of genres that are played only when asked for by name: no other genre draws them.
EXTRA_GRIDS: dict[str, dict[str, Grid]] = {
    "4/4": {
        "habanera": {"low": "X..xx.x.X..xx.x.", "block": "....x.......x...", "snare": ".............-oo"},
        "milonga": {"kick": "X..x..x.X..x..x.", "block": "..x...x...x...x.", "tamb": "....x.......x..."},
        "marcato": {"kick": "X...x...X...x...", "snare": "o.-.o.-.o.-.ooox", "low": "...........x..x."},
        "sincopa": {"kick": "X.......X.......", "snare": "x.-oo.-.x.-oo.-.", "low": "..X...x...X...x."},
    },
}  # fmt: skip

_TIMEKEEPERS = ("hat", "ride", "shaker", "tamb", "open", "cowbell", "pedal", "block")


def _chance_grid(rng: Random, meter: Meter) -> Grid:
    """Any instruments, each with a euclidean or an independent random pattern."""
    low = rng.choice(("kick", "kick", "kick", "low", "tumba"))
    mid = rng.choice(("snare", "snare", "rim", "clap", "mid", "bongo", "bongo", "conga"))
    high = rng.choice((*_TIMEKEEPERS, "bell", "agogo"))
    grid: Grid = {}
    for name, most in ((low, 5), (mid, 5), (high, 9)):
        if rng.random() < 0.12 and grid:
            continue
        if rng.random() < 0.6:
            unit = 1 if rng.random() < 0.6 else 2
            steps = meter.steps // unit
            hits = rng.randint(1, min(most, steps))
            onsets = [unit * s for s in euclid(hits, steps, rng.randrange(steps))]
        else:
            chance = rng.uniform(0.1, 0.25 if most < 9 else 0.6)
            onsets = [s for s in range(meter.steps) if rng.random() < chance] or [0]
        line = ["."] * meter.steps
        for step in onsets:
            line[step] = rng.choices("Xxo-", (0.3, 0.4, 0.2, 0.1))[0]
        grid[name] = "".join(line)
    return grid


def _mutated(rng: Random, grid: Grid, amount: int) -> Grid:
    """The grid with `amount` small changes: hits moved, added, removed, or an instrument swapped."""
    lines = {name: list(line) for name, line in grid.items()}
    for _ in range(amount):
        name = rng.choice(list(lines))
        line = lines[name]
        struck = [i for i, c in enumerate(line) if c != "."]
        free = [i for i, c in enumerate(line) if c == "."]
        action = rng.random()
        if action < 0.3 and struck and free:
            old = rng.choice(struck)
            near = min(free, key=lambda i: (abs(i - old), rng.random()))
            line[near], line[old] = line[old], "."
        elif action < 0.6 and free:
            line[rng.choice(free)] = rng.choices("xo-", (4, 3, 2))[0]
        elif action < 0.8 and len(struck) > 1:
            line[rng.choice(struck)] = "."
        elif name in _TIMEKEEPERS:
            other = rng.choice(_TIMEKEEPERS)
            if other not in lines:
                lines[other] = lines.pop(name)
        elif free:
            line[rng.choice(free)] = "-"
    return {name: "".join(line) for name, line in lines.items()}


def signature(grid: Grid) -> str:
    """Spelling of a grid that ignores dynamics and the choice among instruments of one class."""
    rows: dict[str, set[int]] = {}
    for name, line in grid.items():
        hits = {i for i, c in enumerate(line) if c != "."}
        rows.setdefault(INSTRUMENTS[name][1], set()).update(hits)
    return " ".join(f"{k}:{','.join(map(str, sorted(rows[k])))}" for k in sorted(rows))


def draw_grid(rng: Random, meter: Meter, split: str, styles: tuple[str, ...]) -> tuple[str, Grid]:
    """A style name ("free" for chance) and a grid that belongs to `split`.

    `styles` are names to prefer; many draws ignore them, so that a genre does not give its drums
    away. A style that has been changed a lot is returned as "varied".
    """
    library = GRIDS[meter.name]
    own = {name: grid for name, grid in EXTRA_GRIDS.get(meter.name, {}).items() if name in styles}
    while own:
        name, amount = rng.choice(list(own)), rng.choice((0, 1, 1, 2, 2))
        grid = _mutated(rng, own[name], amount)
        if split_of(f"grid {meter.name} {signature(grid)}") == split:
            return name, grid
    while True:
        kind = rng.random()
        if kind < 0.25:
            name, grid = "free", _chance_grid(rng, meter)
        else:
            wished = [s for s in styles if s in library]
            name = rng.choice(wished if wished and kind < 0.8 else list(library))
            amount = rng.choice((0, 1, 1, 2, 3, 5))
            grid = _mutated(rng, library[name], amount)
            name = name if amount < 3 else "varied"
        if split_of(f"grid {meter.name} {signature(grid)}") == split:
            return name, grid


def draw_fill(rng: Random, meter: Meter) -> tuple[int, Grid]:
    """A fill for the end of a bar: the step at which it starts, and its (partial) grid."""
    length = rng.choice((meter.division, 2 * meter.division, meter.division // 2 * 3))
    start = max(0, meter.steps - length)
    palette = rng.choice(
        (("snare",), ("hi", "mid", "low"), ("snare", "hi", "low"), ("kick", "snare"),
         ("low", "mid"), ("bongo", "conga", "tumba"), ("snare", "crash"))
    )  # fmt: skip
    lines = {name: ["."] * meter.steps for name in palette}
    unit = rng.choice((1, 1, 2))
    for step in range(start, meter.steps, unit):
        if rng.random() < 0.82:
            index = min(len(palette) - 1, (step - start) * len(palette) // max(1, length))
            name = palette[index] if rng.random() < 0.75 else rng.choice(palette)
            lines[name][step] = rng.choices("Xxo", (2, 4, 2))[0]
    return start, {name: "".join(line) for name, line in lines.items()}


def perform(
    rng: Random,
    clock: Clock,
    bars: list[tuple[Grid, tuple[int, Grid] | None, bool]],
    first_bar: int,
    jitter_s: float,
    loudness: float,
    choice: dict[str, int],
) -> list[Note]:
    """Play one grid a bar, with an optional fill and an optional crash on the downbeat.

    `choice` maps instruments to MIDI notes; times carry a normal error of sd `jitter_s`.
    """
    notes: list[Note] = []
    for index, (grid, fill, crash) in enumerate(bars):
        base = (first_bar + index) * clock.meter.steps
        rows = [(name, line, 0, fill[0] if fill else len(line)) for name, line in grid.items()]
        if fill:
            rows += [(name, line, fill[0], len(line)) for name, line in fill[1].items()]
        if crash:
            rows.append(("crash", "X", 0, 1))
        for name, line, low, high in rows:
            for step in range(low, min(high, len(line))):
                if line[step] == ".":
                    continue
                start = clock.time(base + step) + rng.gauss(0.0, jitter_s)
                velocity = round(_VELOCITY[line[step]] * loudness * rng.gauss(1.0, 0.06))
                notes.append(Note(start, start + 0.25, choice[name], max(30, min(127, velocity))))
    return sorted(notes)
