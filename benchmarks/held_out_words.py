"""Words that the list of facts does not hold, each with the facts that would be right; none for most of them.

Where several would do, all are named: a guess that is none of them is wrong.
"""

from __future__ import annotations

SYNONYMS: dict[str, str] = {
    # instruments and drums
    "virginal": "harpsichord", "sackbut": "trombone", "saxhorn": "brass", "autoharp": "harp|dulcimer",
    "zither": "dulcimer|koto|harp",
    "psaltery": "dulcimer|harp", "dobro": "acoustic guitar", "cittern": "acoustic guitar",
    "balalaika": "acoustic guitar",
    "chalumeau": "clarinet", "piccolos": "flute", "keytar": "synth lead", "calliope": "organ", "drumsticks": "drums",
    "gong": "drums|bells", "rattle": "drums", "trumpeting": "trumpet", "strumming": "acoustic guitar",
    "bowing": "violin|strings",
    "fiddling": "violin", "choristers": "choir", "bells": "bells", "chimes": "bells", "snares": "drums",
    "percussions": "drums", "harmonicas": "harmonica", "guitarron": "acoustic guitar", "violins": "violin|strings",
    "pianistic": "piano", "organs": "organ", "flutes": "flute", "clarinets": "clarinet", "brassy": "brass",
    "drummers": "drums",
    "synthesized": "synth pad|synth lead|techno", "choirs": "choir", "xylophonist": "marimba", "cellos": "cello",
    # moods
    "melancholia": "dark", "glum": "dark", "dismal": "dark", "morose": "dark", "forlorn": "dark", "unhappy": "dark",
    "grief": "dark", "despair": "dark", "sorrows": "dark", "dreary": "dark", "macabre": "dark", "ghostly": "dark",
    "saddest": "dark", "sadly": "dark", "gloom": "dark", "darker": "dark", "miserable": "dark", "woeful": "dark",
    "mirthful": "bright", "exuberant": "bright|lively", "delighted": "bright", "happiness": "bright", "joy": "bright",
    "cheer": "bright", "cheerfully": "bright", "optimism": "bright", "happier": "bright", "joyfully": "bright",
    "pleasant": "bright|calm", "brighter": "bright", "hopefulness": "bright", "pessimistic": "dark",
    "tragedy": "dark",
    "jittery": "restless", "agitated": "restless", "unstable": "restless", "eccentric": "restless",
    "peculiar": "restless",
    "musing": "mixed", "meditatively": "calm|mixed", "introspective": "mixed|calm|dark",
    # energies and tempi
    "frenzied": "lively", "boisterous": "lively", "raucous": "lively", "zestful": "lively",
    "vibrant": "lively|bright",
    "turbulent": "lively|restless", "ferocious": "lively", "rowdy": "lively", "energy": "lively",
    "energized": "lively",
    "energetically": "lively", "invigorating": "lively", "strenuous": "lively", "excitement": "lively",
    "calmness": "calm", "tranquility": "calm", "serenity": "calm", "relaxation": "calm", "placidly": "calm",
    "soothe": "calm",
    "mild": "calm", "pacifying": "calm", "silent": "calm", "lulling": "calm", "gentleness": "calm",
    "restrained": "calm",
    "comforting": "calm", "lethargic": "calm|slow", "languid": "calm|slow", "plodding": "slow", "ponderous": "slow",
    "slowness": "slow", "swift": "fast", "hasty": "fast", "fastest": "fast", "speeding": "fast", "hurrying": "fast",
    "swiftly": "fast", "snappy": "fast|lively", "moderation": "medium", "unhurriedly": "slow",
    # genres
    "punky": "rock", "rocker": "rock", "swinging": "jazz|lively", "jazzman": "jazz", "rapper": "hip hop",
    "rapping": "hip hop",
    "oratorio": "classical", "cantata": "classical", "beethoven": "classical", "mozart": "classical",
    "discotheque": "disco",
    "rastafarian": "reggae", "gaelic": "celtic", "scottish": "celtic", "headbanging": "metal", "thrashing": "metal",
    "hillbilly": "country", "cowboy": "country", "cinema": "cinematic", "filmic": "cinematic", "gaming": "video game",
    "videogame": "video game", "salsas": "latin", "coltrane": "jazz", "hendrix": "rock", "electronics": "techno",
    "rave": "techno|house",
    "clubbing": "house", "soundtracks": "cinematic", "operetta": "classical", "bluesman": "blues", "funkiest": "funk",
    "folksy": "folk", "metallic": "metal|synth pad", "popular": "pop", "irish": "celtic",
}  # fmt: skip

OTHERS = (
    "rain ocean sunset forest coffee shop city winter snow christmas wedding birthday mountain river space desert "
    "castle "
    "dragon battle love romance dream memory childhood grandmother vinyl crackle tape hiss reverb delay echo digital "
    "lush "
    "dusty smooth crisp punchy silky jagged shimmering cathedral kitchen train airplane robot alien pirate samurai "
    "japan "
    "paris brazil summer spring morning midnight fire water wind storm thunder glass wood stone velvet gold silver "
    "purple "
    "orange green cats horses tiger elegance mystery journey hero villain victory defeat chase escape workout yoga "
    "podcast "
    "advert corporate documentary anime comedy fantasy fiction medieval future ancient urban suburban tropical arctic "
    "underwater minimalist experimental layered repetitive hypnotic syncopated staccato legato crescendo arpeggios "
    "counterpoint modal pentatonic chromatic riffs licks improvised polyrhythmic swelling texture textures evolving "
    "cosmic galaxy planet stars moonlight candle fireplace garden flowers butterfly children lullabies toys circus "
    "carnival "
    "market street highway bicycle motorcycle football olympic ceremony graduation anniversary funeral election news "
    "weather "
    "cooking recipe baking bread cheese wine whiskey saloon tavern monastery temple shrine pyramid viking knight "
    "princess "
    "wizard zombie vampire ghost murder detective spy agent heist casino luxury fashion runway perfume makeup jewelry "
    "technology startup innovation science laboratory mathematics history museum library school university office "
    "meeting "
    "presentation tutorial interview conversation whisper scream laughter crying hugging kissing dancer ballet "
    "theatre stage "
    "curtain audience applause microphone speaker headphones radio television satellite internet phone computer "
    "keyboard's "
    "mouse window door staircase elevator balcony rooftop basement attic bedroom bathroom hallway corridor tunnel "
    "bridge "
    "island beach waves surfing sailing fishing diving swimming skiing climbing hiking camping travelling road map "
    "compass "
    "clock watch calendar monday friday weekend holiday vacation hotel airport passport luggage ticket journeyman"
).split()
"""Words of prompts that say no fact.  A guess for any of them is wrong, unless :data:`TOLERATED` names it."""

TOLERATED: dict[str, str] = {
    "funeral": "dark", "horror": "dark", "mystery": "dark", "ghost": "dark", "laughter": "bright", "crying": "dark",
    "elegance": "calm", "arpeggios": "synth lead|harp", "riffs": "distorted guitar", "licks": "", "lullabies": "calm",
    "whisper": "calm", "love": "ballad", "romance": "ballad", "storm": "lively", "staccato": "pizzicato strings",
    "legato": "strings", "crescendo": "", "ballet": "classical", "theatre": "cinematic", "carnival": "latin",
    "keyboard's": "",
    "syncopated": "jazz", "counterpoint": "classical", "anime": "", "experimental": "restless", "thunder": "lively",
    "hypnotic": "ambient|calm", "vinyl": "", "radio": "", "television": "", "evolving": "", "shrine": "",
    "saloon": "country",
    "tavern": "", "swelling": "", "viking": "", "cosmic": "ambient", "space": "ambient",
}  # fmt: skip
"""Guesses that nobody would call wrong."""
