"""A modest word list of five other languages: instruments, drums, and what says "no" and "only".

A prompt in another language is not what a model reads, so whoever writes one is told; what these words say is kept.
Only words that are no English ones stand here.
"""

from __future__ import annotations

LANGUAGES = {
    "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch",
    "sv": "Swedish", "da": "Danish", "pl": "Polish", "tr": "Turkish",
}  # fmt: skip

INSTRUMENTS: dict[str, dict[str, str]] = {
    "de": {
        "piano": "klavier, flügel, konzertflügel, klaviermusik, klavierstück", "electric piano": "e-klavier, e-piano",
        "bells": "glocken, glockenspiel, spieluhr, glocke", "vibraphone": "vibraphon", "marimba": "marimbaphon, "
        "xylophon",
        "dulcimer": "hackbrett", "organ": "orgel, hammondorgel", "church organ": "kirchenorgel",
        "accordion": "akkordeon, ziehharmonika", "harmonica": "mundharmonika",
        "acoustic guitar": "akustische gitarre, akustikgitarre, akustikgitarren, konzertgitarre",
        "electric guitar": "e-gitarre, e-gitarren, elektrische gitarre",
        "distorted guitar": "verzerrte gitarre, verzerrte gitarren, verzerrte e-gitarre",
        "double bass": "kontrabass, kontrabaß", "bass guitar": "e-bass, bassgitarre", "synth bass": "synthbass",
        "violin": "geige, geigen, violine, bratsche", "strings": "streicher, streichorchester, streichern",
        "harp": "harfe", "choir": "chor, chöre, stimmen", "trumpet": "trompete, trompeten", "trombone": "posaune, "
        "posaunen",
        "french horn": "waldhorn, hörner", "brass": "blechbläser, bläser", "saxophone": "saxophon, saxofon",
        "bassoon": "fagott", "clarinet": "klarinette", "flute": "flöte, flöten, querflöte, blockflöte, panflöte",
        "harpsichord": "cembalo",
    },
    "fr": {
        "piano": "piano à queue", "electric piano": "piano électrique", "harpsichord": "clavecin", "bells": "cloches",
        "organ": "orgue, orgue hammond", "church organ": "orgue d'église", "accordion": "accordéon",
        "acoustic guitar": "guitare acoustique, guitare classique", "electric guitar": "guitare électrique",
        "distorted guitar": "guitare saturée, guitares saturées", "double bass": "contrebasse",
        "bass guitar": "basse électrique, guitare basse", "violin": "violon, violons, alto à cordes",
        "cello": "violoncelle", "strings": "cordes", "harp": "harpe", "choir": "choeur, chœur, choeurs, chœurs",
        "trumpet": "trompette", "french horn": "cor d'harmonie", "brass": "cuivres", "saxophone": "saxophone ténor",
        "oboe": "hautbois", "bassoon": "basson", "clarinet": "clarinette", "flute": "flûte, flûtes, flûte à bec",
        "synth pad": "nappe de synthé, nappes de synthé",
    },
    "es": {
        "piano": "piano de cola", "electric piano": "piano eléctrico", "harpsichord": "clavecín, clavicordio",
        "bells": "campanas, campanillas", "organ": "órgano", "church organ": "órgano de iglesia",
        "accordion": "acordeón",
        "harmonica": "armónica", "acoustic guitar": "guitarra acústica, guitarra española, guitarra clásica",
        "electric guitar": "guitarra eléctrica", "distorted guitar": "guitarra distorsionada",
        "double bass": "contrabajo", "bass guitar": "bajo eléctrico", "violin": "violín, violines",
        "cello": "violonchelo, chelo", "strings": "cuerdas", "harp": "arpa", "choir": "coro, coros",
        "trumpet": "trompeta", "trombone": "trombón", "brass": "metales, vientos metal", "saxophone": "saxofón, saxo",
        "bassoon": "fagot", "clarinet": "clarinete", "flute": "flauta, flauta dulce",
    },
    "it": {
        "piano": "pianoforte, pianoforti", "electric piano": "piano elettrico, pianoforte elettrico",
        "harpsichord": "clavicembalo", "bells": "campane", "church organ": "organo a canne",
        "organ": "organo", "accordion": "fisarmonica", "harmonica": "armonica",
        "acoustic guitar": "chitarra acustica, chitarra classica", "electric guitar": "chitarra elettrica",
        "distorted guitar": "chitarra distorta", "double bass": "contrabbasso", "bass guitar": "basso elettrico",
        "violin": "violino, violini", "cello": "violoncello, violoncelli", "strings": "archi", "harp": "arpa",
        "choir": "coro", "trumpet": "tromba, trombe", "french horn": "corno francese, corni", "brass": "ottoni",
        "saxophone": "sassofono", "clarinet": "clarinetto", "flute": "flauto, flauti",
    },
    "pt": {
        "piano": "piano de cauda", "electric piano": "piano elétrico", "harpsichord": "cravo", "bells": "sinos",
        "organ": "órgão", "accordion": "acordeão, sanfona",
        "acoustic guitar": "violão, violões, guitarra acústica", "electric guitar": "guitarra elétrica",
        "distorted guitar": "guitarra distorcida", "double bass": "contrabaixo", "bass guitar": "baixo elétrico",
        "violin": "violino, violinos", "cello": "violoncelo", "strings": "cordas", "harp": "harpa",
        "choir": "vozes", "trumpet": "trompete", "brass": "metais", "saxophone": "saxofone",
        "clarinet": "clarinete", "flute": "flauta, flautas", "bassoon": "fagote",
    },
}  # fmt: skip

GUITARS = {
    "de": "gitarre, gitarren", "fr": "guitare, guitares", "es": "guitarra, guitarras", "it": "chitarra, chitarre",
    "pt": "guitarra, guitarras",
}  # fmt: skip
BASSES = {"de": "bass", "fr": "basse", "es": "bajo", "it": "basso", "pt": "baixo"}

DRUMS = {
    "de": "schlagzeug, trommel, trommeln, perkussion, schlagwerk",
    "fr": "batterie, percussions, tambour, tambours, boîte à rythmes",
    "es": "batería, percusión, tambor, tambores, caja de ritmos",
    "it": "batteria, percussioni, tamburi, tamburo",
    "pt": "bateria, percussão, tambores",
}

CHOICES: dict[str, dict[str, dict[str, str]]] = {
    "de": {"tempo": {"slow": "langsam, langsames, langsamer, langsame", "fast": "schnell, schnelles, schneller, "
    "schnelle"},
           "mood": {"bright": "fröhlich, fröhliche, fröhliches, heiter", "dark": "traurig, traurige, trauriges, "
           "düster"},
           "energy": {"calm": "ruhig, ruhige, ruhiges, sanft, entspannt"}, "genre": {"classical": "klassik, "
           "klassische musik"}},
    "fr": {"tempo": {"slow": "lent, lente, lentement", "fast": "rapide"},
           "mood": {"bright": "joyeux, joyeuse, gai", "dark": "triste, mélancolique, sombre"},
           "energy": {"calm": "calme, doux, douce, apaisant"}, "genre": {"classical": "musique classique"}},
    "es": {"tempo": {"slow": "lento, lenta", "fast": "rápido, rápida"},
           "mood": {"bright": "alegre, feliz", "dark": "triste, melancólico, melancólica, oscuro"},
           "energy": {"calm": "tranquilo, tranquila"}, "genre": {"classical": "música clásica"}},
    "it": {"tempo": {"slow": "lento, lenta", "fast": "veloce"},
           "mood": {"bright": "allegra, felice", "dark": "triste, malinconico, malinconica, cupo"},
           "energy": {"calm": "tranquillo, tranquilla, dolce, calmo"}, "genre": {"classical": "musica classica"}},
    "pt": {"tempo": {"slow": "lento, lenta, devagar", "fast": "rápido, rápida"},
           "mood": {"bright": "alegre, feliz", "dark": "triste, melancólico, sombrio"},
           "energy": {"calm": "calmo, calma, tranquilo"}, "genre": {"classical": "música clássica"}},
}  # fmt: skip

NEGATORS = {"de": "ohne, kein, keine, keinen", "fr": "sans, pas de", "es": "sin", "it": "senza", "pt": "sem"}
ONLY = {
    "de": "nur", "fr": "seulement, uniquement", "es": "solamente, sólo", "it": "soltanto, solamente",
    "pt": "somente, apenas",
}  # fmt: skip
JOINERS = {"de": "und, oder", "fr": "et, ou, ni", "es": "y, o, ni", "it": "e, o, ne", "pt": "e, ou, nem"}
"""What continues a list after a negation: "ohne Schlagzeug und Bass"."""

COMMON: dict[str, str] = {
    "de": "und der das ein eine einen einem mit für ist nicht von zum zur auf dem den sehr wie im ohne kein keine "
    "etwas musik "
    "ich auch aber oder bitte lied stück",
    "fr": "le les une avec pour dans et du des est sans pas sur très plus ou qui musique je un au morceau chanson "
    "comme",
    "es": "el los las una con para y del es sin muy pero música que por como un canción quiero tema",
    "it": "il gli una con per e di della del sono senza molto che più un musica come brano canzone lo",
    "pt": "o os uma com para e do da em não muito sem que um mais música como você",
    "nl": "het een met voor en van niet zonder is op zeer muziek maar geen ik zijn",
    "sv": "och det en ett med för är inte utan på mycket musik av som att den",
    "da": "jeg vil og det en et med til er ikke uden på meget musik af som den",
    "pl": "i w na z do nie bez jest się muzyka dla bardzo oraz spokojna szybka",
    "tr": "ve bir için ile olan bu değil çok müzik gibi daha yok müziği",
}
"""Common words of each language, for telling it; those that are English words count for nothing."""

ALSO_ENGLISH = frozenset(
    "sin in an a i o e on do to no me is so die was war per des un de en for the et at or as also son con le la el "
    "los y is den "
    "plus sur tema van over come dove bass cravo dolce calm "
    "triste lento largo solo alto tenor musical piano not but by up we he she it of our us be my up von ham lo op per "
    "comme via bis das det w z".split()
)
"""Words that an English prompt may hold, names and musical terms among them."""
