"""The English word list: which words say which fact.  Singular; plurals of instruments are made in :mod:`.senses`.

Words are compared without capitals, accents and hyphens, longest first, so that "steel-string guitar" is no string
section.  A word with several meanings in music ("keys", "synth") says nothing by itself,
but "no synths" excludes all.
"""

from __future__ import annotations

INSTRUMENTS: dict[str, str] = {
    "piano": "piano, grand piano, acoustic piano, upright piano, concert piano, bright piano, electric grand piano, "
    "electric grand, honky-tonk piano, honky tonk piano, saloon piano, felt piano, prepared piano, ragtime piano, "
    "tack piano, baby grand, pianoforte, fortepiano, piano chord, piano riff, piano line, pianist, "
    "steinway",
    "electric piano": "electric piano, e-piano, rhodes, rhodes piano, fender rhodes, wurlitzer, wurli, wurly, "
    "warm electric piano, fm electric piano, glassy keys, dx7 piano, electric keys, ep keys, e piano, dx piano",
    "harpsichord": "harpsichord, cembalo, spinet, harpsichordist",
    "clavinet": "clavinet, clav, clavi, funky clav",
    "bells": "celesta, celeste, glockenspiel, glock, music box, tubular bell, bell, church bell, chime, handbell, "
    "hand bell, wind chime, carillon, tower bell, bell tone, musical box, crotale",
    "vibraphone": "vibraphone, vibraharp, vibes, jazz vibes",
    "marimba": "marimba, xylophone, balafon, mallet percussion",
    "dulcimer": "dulcimer, hammered dulcimer, santoor, santur, cimbalom, hackbrett",
    "organ": "organ, drawbar organ, percussive organ, rock organ, hammond, hammond organ, hammond b3, b3 organ, "
    "jazz organ, electric organ, tonewheel organ, farfisa, vox organ, combo organ, organist, gospel organ, b3",
    "church organ": "church organ, pipe organ, cathedral organ",
    "accordion": "accordion, accordeon, concertina, squeezebox, bandoneon, bandoneón, tango accordion, reed organ, "
    "harmonium, pump organ, melodica, accordionist, musette",
    "harmonica": "harmonica, mouth organ, blues harp, mouth harp, blues harmonica",
    "acoustic guitar": "acoustic guitar, nylon guitar, nylon-string guitar, classical guitar, spanish guitar, "
    "steel guitar, steel-string guitar, 12-string guitar, twelve-string guitar, fingerpicked guitar, nylon strings, "
    "fingerpicking guitar, fingerstyle guitar, flamenco guitar, strummed guitar, folk guitar, acoustic strumming, "
    "unplugged guitar, guitar strumming, strumming guitar, guitar arpeggio, plucked guitar, dreadnought, "
    "acoustic guitar riff, fingerpicked acoustic guitar, finger picked guitar, finger picking guitar, fingerstyle",
    "electric guitar": "electric guitar, jazz guitar, clean electric guitar, clean guitar, muted guitar, "
    "palm-muted guitar, surf guitar, telecaster, stratocaster, funk guitar, wah guitar, wah-wah guitar, "
    "slide guitar, "
    "twangy guitar, twang guitar, rhythm guitar, lead guitar, e-guitar, hollow-body guitar, archtop guitar, "
    "chicken scratch guitar, tremolo guitar, reverb guitar, strat, e guitar, reggae guitar, skank guitar",
    "distorted guitar": "distorted guitar, overdriven guitar, crunchy guitar, heavy guitar, distortion guitar, "
    "distorted electric guitar, overdriven electric guitar, fuzz guitar, fuzzy guitar, metal guitar, power chord, "
    "shredding guitar, guitar shred, heavy riff, heavy electric guitar, crunch guitar, crunchy electric guitar, "
    "grungy guitar, dirty guitar, screaming guitar, guitar feedback, downtuned guitar, down-tuned guitar, "
    "guitar distortion",
    "double bass": "double bass, upright bass, acoustic bass, contrabass, bowed bass, standup bass, stand-up bass, "
    "string bass, bass fiddle, jazz bass, double bassist",
    "bass guitar": "bass guitar, electric bass, fingered bass, finger bass, picked bass, fretless bass, slap bass, "
    "slapped bass, popping bass, funk bass, p-bass, precision bass, e-bass, e bass, bass player, bassist",
    "synth bass": "synth bass, analog bass, analogue bass, electronic bass, synthesizer bass, synthesiser bass, "
    "sub bass, "
    "sub-bass, 808 bass, acid bass, reese bass, reese, wobble bass, moog bass, bass synth, 808 sub, fm bass, "
    "303 bass, "
    "tb-303, acid line, acid bassline, rolling bassline, synth bassline, synth bass line, subbass, deep sub, "
    "saw bass",
    "violin": "violin, viola, fiddle, folk fiddle, violinist, fiddler, irish fiddle",
    "cello": "cello, violoncello, 'cello, cellist",
    "strings": "strings, string section, string ensemble, string orchestra, orchestral strings, tremolo strings, "
    "lush strings, slow strings, string pad, legato strings, cinematic strings, soaring strings, orchestra strings, "
    "sweeping strings, strings section, staccato strings, bowed strings, symphonic strings, string arrangement, "
    "spiccato strings, string swell, swelling strings",
    "pizzicato strings": "pizzicato strings, plucked strings, pizzicato, pizzicati, pizz, pizz strings, "
    "pizzicato violins",
    "harp": "harp, concert harp, lyre, celtic harp, harpist, irish harp, harp glissando",
    "synth strings": "synth strings, string machine, synthesizer strings, synthesiser strings, solina, "
    "analog strings, "
    "string synth, synthetic strings, fake strings, mellotron strings",
    "choir": "choir, choir aahs, choral voices, voices, oohs, aahs, wordless voice, wordless vocal, synth voice, "
    "synth choir, choir pad, vocal pad, chorus of voices, chorale, gregorian chant, choral, choral pad, voice, "
    "chanting monk, boys choir, gospel choir, angelic voices, humming voices, vocal choir, choral singing, "
    "wordless vocals, wordless voices, wordless singing, chorus singers, chorister, vocal harmonies, female choir, "
    "male choir",
    "trumpet": "trumpet, muted trumpet, trumpet with mute, cornet, flugelhorn, fluegelhorn, trumpeter, "
    "mariachi trumpet, "
    "harmon mute trumpet, bugle, piccolo trumpet",
    "trombone": "trombone, muted trombone, trombonist, bass trombone, slide trombone",
    "french horn": "french horn, horn, horn call, hunting horn",
    "brass": "brass, brass section, horn section, horns, brass ensemble, tuba, synth brass, analog brass, "
    "brass stab, "
    "horn stab, brass hit, brass line, horn line, euphonium, sousaphone, brass quartet, brass choir, brass fanfare, "
    "analogue brass, big brass, brassy horns, trumpets and trombones, synth horns, horns section, brass swell",
    "saxophone": "saxophone, sax, alto sax, tenor sax, soprano sax, baritone sax, bari sax, alto saxophone, "
    "tenor saxophone, soprano saxophone, baritone saxophone, saxophonist, saxophone section, sax section, saxes, "
    "saxaphone",
    "oboe": "oboe, english horn, cor anglais, shanai, shawm, shehnai, duduk, reed pipe, oboist",
    "bassoon": "bassoon, contrabassoon, fagotto",
    "clarinet": "clarinet, bass clarinet, clarinettist, clarinetist, klezmer clarinet",
    "flute": "flute, piccolo, piccolo flute, recorder, pan flute, panflute, panpipe, pan pipe, ocarina, "
    "blown bottle, breathy flute, "
    "bamboo flute, wooden flute, shakuhachi, tin whistle, penny whistle, pennywhistle, irish whistle, low whistle, "
    "bansuri, alto flute, native american flute, flautist, flutist, transverse flute, quena, ney, fife, bass flute",
    "synth lead": "synth lead, lead synth, square lead, chiptune lead, saw lead, sawtooth synth, sawtooth lead, "
    "breathy synth lead, fat synth lead, synth melody, supersaw, supersaws, square wave lead, square wave, saw wave, "
    "acid lead, synthesizer lead, synthesiser lead, lead synthesizer, synth solo, super saw, moog lead, theremin, "
    "pluck lead, synth hook, trance lead, sine lead, saw synth, square synth, chip lead",
    "synth pad": "synth pad, new age pad, airy pad, warm pad, soft pad, polysynth, synth chord, synthesizer, "
    "synthesiser, "
    "bowed glass pad, metallic pad, halo pad, sweeping pad, sweep pad, pad, ambient pad, lush pad, atmospheric pad, "
    "analog pad, analogue pad, dreamy pad, synthesizer pad, evolving pad, ethereal pad, dark pad, deep pad, "
    "warm synth pad, "
    "glass pad, washy pad, floating pad, pad synth, space pad, drone pad, soft synth pad, shimmering pad",
    "sitar": "sitar, sitarist, electric sitar",
    "banjo": "banjo, bluegrass banjo, five-string banjo, banjoist",
    "koto": "koto, shamisen, guzheng, gayageum",
    "kalimba": "kalimba, thumb piano, mbira, african thumb piano",
}  # fmt: skip

FAMILIES: dict[str, tuple[tuple[str, ...], bool]] = {
    "guitar, guitar riff, guitar lick, guitar chord, guitar line, guitarist, guitar solo": (
        ("acoustic guitar", "electric guitar", "distorted guitar"), True),
    "bass, bassline, bass line, bass riff, walking bass, walking bassline, groovy bass, deep bass, bass groove": (
        ("bass guitar", "double bass", "synth bass"), True),
    "mallet, mallet instrument": (("marimba", "vibraphone"), True),
    "keys, keyboard, keyboardist": (("piano", "electric piano", "organ", "clavinet"), False),
    "synth, analog synth, analogue synth, modular synth, moog, synth line, synth sound": (
        ("synth lead", "synth pad", "synth bass", "synth strings"), False),
    "woodwind, winds, wind instrument, reeds": (("flute", "oboe", "clarinet", "bassoon"), False),
    "vocal, vocals, singer, singing, human voice, lead vocal, vocalist, lyrics": (("choir",), False),
    "string instrument": (("strings", "violin", "cello"), False),
    "electronic instrument": (("synth lead", "synth pad", "synth bass", "synth strings"), False),
}  # fmt: skip
"""Words for one of several instruments, and whether one of them is meant where it is wanted (:func:`.senses.meant`)."""

DRUMS = (
    "drum, drums, double bass drum, drum kit, drumkit, drum set, drumset, drumming, drummer, percussion, "
    "percussive, percussionist, "
    "drum machine, 808, 808 drum, 909, 909 drum, tr-808, tr-909, linndrum, acoustic drums, roomy drums, big drums, "
    "powerful drums, electronic drums, electronic drum kit, jazz drums, jazz kit, brushed drums, brushes, "
    "brush drums, "
    "programmed drums, live drums, drum beat, drumbeat, beat, beats, backbeat, breakbeat, drum loop, drum groove, "
    "drum pattern, drum fill, kick drum, bass drum, kick and snare, four on the floor kick, snare, snare drum, "
    "rimshot, "
    "hi-hat, hihat, hi hat, hats, cymbal, ride cymbal, crash cymbal, toms, tom-tom, tom tom, tambourine, shaker, "
    "maracas, conga, "
    "bongo, bongos, cajon, cajón, djembe, tabla, taiko, taiko drum, timpani, timbale, cowbell, handclap, hand clap, "
    "clap, clave, claves, hand drum, frame drum, bodhran, bodhrán, darbuka, guiro, güiro, castanets, "
    "hand percussion, "
    "latin percussion, african percussion, tribal toms, tribal drums, tom-tom beat, marching snare, double kick, "
    "double-kick drumming, blast beat, jazz drumming, four-on-the-floor, four to the floor, 4 on the floor, "
    "4-to-the-floor, 4x4 kick, four on the floor beat, four-four kick, one-drop, one-drop beat, rhythm section, "
    "drum track, drumline, drum line, dembow, dembow beat, surdo, pandeiro, udu, woodblock, triangle percussion, "
    "war drums, cinematic percussion, drum break, amen break, trap hats, rolling hats, drum roll, "
    "samba rhythm, shuffle beat, swing beat, train beat, clave rhythm, waltz rhythm, jazz waltz feel, "
    "half-time beat, "
    "minimal beat, motown beat, soft ballad beat, ballad beat, habanera rhythm, milonga rhythm, "
    "three-three-two groove, "
    "marcato rhythm, syncopated tango rhythm, unusual groove, odd drum pattern, experimental beat, march rhythm"
)

BEATS: dict[str, str] = {
    "house beat": "house", "disco beat": "disco", "bossa nova rhythm": "bossa nova", "boom bap beat": "hip hop",
    "bossa nova beat": "bossa nova", "trap beat": "hip hop", "drum and bass beat": "drum and bass",
    "reggaeton beat": "latin", "funk beat": "funk", "rock beat": "rock", "pop beat": "pop", "jazz beat": "jazz",
    "afrobeat groove": "afrobeat", "reggae beat": "reggae", "techno beat": "techno", "latin beat": "latin",
    "metal beat": "metal", "blues beat": "blues", "dnb beat": "drum and bass", "jungle beat": "drum and bass",
    "hip hop beat": "hip hop", "rap beat": "hip hop", "lo-fi beat": "lo-fi", "lofi beat": "lo-fi",
    "boom bap": "hip hop",
}  # fmt: skip
"""Beats by the name of a genre: they say that there are drums, and the genre where no other one is said."""

GENRES: dict[str, str] = {
    "pop": "pop, pop song, pop music, radio pop, catchy pop, indie pop, k-pop, kpop, j-pop, jpop, dream pop, "
    "electropop, "
    "electro pop, power pop, pop tune, pop anthem, dance pop, teen pop, bubblegum pop, pop hit",
    "rock": "rock, rock band, rock music, rock song, indie rock, alternative rock, alt-rock, rock and roll, "
    "rock n roll, "
    "rock'n'roll, rock & roll, punk, punk rock, pop punk, grunge, post-rock, progressive rock, prog rock, "
    "psychedelic rock, "
    "classic rock, soft rock, garage rock, surf rock, rockabilly, math rock, stadium rock, arena rock, shoegaze, "
    "southern rock, britpop, glam rock, folk rock, blues rock, jazz rock, rock anthem, rock ballad, post-punk",
    "jazz": "jazz, jazz standard, modern jazz, jazz combo, jazz trio, jazz quartet, jazz quintet, jazz band, bebop, "
    "be-bop, "
    "hard bop, cool jazz, smooth jazz, swing jazz, swing music, big band, dixieland, jazzy, free jazz, gypsy jazz, "
    "jazz music, jazz fusion, vocal jazz, lounge jazz, jazz lounge, jazz club, latin jazz, light jazz, jazz swing, "
    "acid jazz, nu jazz, manouche, ragtime, jazz ballad, smoky jazz, swing era",
    "bossa nova": "bossa nova, bossanova, bossa, brazilian jazz, bossa nova music",
    "funk": "funk, funk jam, funky groove, funky, funk music, p-funk, g-funk, funk band, jazz funk, electro funk, "
    "funk rock, "
    "slap funk",
    "soul": "soul, soul music, r&b, rnb, r'n'b, rhythm and blues, neo-soul, neo soul, r&b groove, motown, "
    "gospel soul, "
    "northern soul, soul song, soul band, contemporary r&b, soul ballad",
    "lo-fi": "lo-fi, lofi, lo-fi hip hop, lofi hip hop, chillhop, lo-fi music, study beats, lo-fi jazz, chill hop, "
    "lo-fi chill, low-fi, lofi hiphop",
    "hip hop": "hip hop, hip-hop, hiphop, rap, rap music, trap, trap music, drill music, uk drill, gangsta rap, "
    "phonk, "
    "old-school hip hop, west coast hip hop, cloud rap, rap instrumental",
    "house": "house, house music, deep house, tech house, dance music, club track, progressive house, future house, "
    "acid house, french house, tropical house, edm, club music, piano house, garage house, afro house, "
    "electro house, "
    "chicago house, big room, slap house, soulful house, lo-fi house",
    "techno": "techno, techno music, electronic, electronic music, electronica, dub techno, minimal techno, "
    "hard techno, "
    "acid techno, detroit techno, industrial techno, trance, psytrance, goa trance, electro, melodic techno, idm, "
    "electronic track, hardstyle, trance music",
    "drum and bass": "drum and bass, drum & bass, drum'n'bass, drum n bass, dnb, d&b, d'n'b, jungle, jungle music, "
    "liquid drum and bass, neurofunk, liquid dnb, breakcore",
    "synthwave": "synthwave, synth wave, 80s synth pop, synth pop, synthpop, synth-pop, retro synth music, "
    "80s electro, "
    "retrowave, outrun, darksynth, new wave, chillwave, 80s synth, eighties synth pop, dreamwave",
    "disco": "disco, 70s disco, nu-disco, nu disco, italo disco, disco music, eurodisco, disco funk",
    "ambient": "ambient, ambient soundscape, atmospheric music, drone-like ambient, ambient music, soundscape, "
    "drone music, "
    "dark ambient, space ambient, new age, new-age music, meditation music, spa music, sleep music",
    "ballad": "ballad, tender ballad, love song, power ballad, piano ballad",
    "folk": "folk, acoustic folk, singer-songwriter, folk tune, folk music, folk song, indie folk, folky, "
    "americana folk, "
    "neofolk, campfire song, folk ballad",
    "country": "country, country music, americana, country and western, bluegrass, country song, honky tonk, "
    "western swing, "
    "country rock, outlaw country, nashville, alt-country, hoedown, country ballad",
    "celtic": "celtic, irish folk, celtic folk, celtic music, irish music, irish jig, scottish folk, irish reel, "
    "jig, reel, "
    "irish folk music, scottish music, irish pub music, celtic rock",
    "reggae": "reggae, dub reggae, roots reggae, reggae music, dancehall, rocksteady, ska, dub, jamaican, "
    "lovers rock",
    "latin": "latin, salsa, afro-cuban, latin groove, latin music, cumbia, reggaeton, merengue, bachata, mambo, "
    "rumba, "
    "cha-cha, cha cha cha, samba, son cubano, latin pop, bolero, mariachi, latin dance, bossa samba, cuban, "
    "baile funk, "
    "cuban son, latin rock, timba, vallenato",
    "afrobeat": "afrobeat, afrobeats, african groove, afropop, highlife, afro-funk, soukous, afro pop, amapiano, "
    "juju music",
    "metal": "metal, heavy metal, hard rock, death metal, thrash metal, black metal, doom metal, metalcore, "
    "nu metal, "
    "power metal, thrash, djent, metal music, symphonic metal, metal band, progressive metal, speed metal, "
    "sludge metal",
    "blues": "blues, electric blues, blues song, bluesy jam, bluesy, delta blues, chicago blues, twelve-bar blues, "
    "12-bar blues, blues music, blues shuffle, blues band, blues jam, texas blues, jump blues, "
    "boogie-woogie",
    "classical": "classical, chamber music, classical music, neoclassical, neo-classical, baroque, baroque music, "
    "sonata, "
    "symphony, concerto, fugue, nocturne, minuet, chamber piece, impressionist piano, string quintet piece, "
    "renaissance music, "
    "symphonic, romantic era, etude, prelude, chamber orchestra, classical era, neoclassical piano, classical style",
    "cinematic": "cinematic, film score, soundtrack, orchestral music, film music, movie score, movie soundtrack, "
    "orchestral, "
    "movie music, trailer music, epic trailer, film soundtrack, hollywood score, epic orchestral, orchestral score, "
    "movie trailer, cinematic score, epic music, underscore, film scoring",
    "video game": "video game music, chiptune, 8-bit game music, game soundtrack, video game, 8-bit, 8 bit, 8bit, "
    "chip tune, "
    "16-bit, nes, game boy, gameboy, arcade music, game music, nintendo, retro game, vgm, arcade game, bitpop, "
    "jrpg, rpg music, "
    "video game soundtrack, platformer, sega",
    "world": "world music, world fusion, ethnic fusion, ethnic music, worldbeat, world beat, ethno, ethnic",
}  # fmt: skip

MOODS: dict[str, str] = {
    "bright": "happy, bright, cheerful, uplifting, sunny, joyful, optimistic, joyous, merry, jolly, feel-good, "
    "feelgood, "
    "cheery, positive, playful, hopeful, carefree, jubilant, whimsical, happily, gleeful, festive, "
    "celebratory, summery, blissful, elated, euphoric, lighthearted, light-hearted, upbeat mood, triumphant, "
    "in a good mood",
    "dark": "sad, melancholic, dark, moody, somber, sombre, wistful, brooding, melancholy, gloomy, mournful, "
    "sorrowful, "
    "depressing, depressed, ominous, sinister, eerie, scary, spooky, haunting, tragic, heartbroken, heartbreaking, "
    "bleak, "
    "menacing, creepy, grim, sadness, darkness, tearful, lonely, despairing, foreboding, gothic, doomy, blue mood, "
    "sorrow, grieving, funereal, desolate",
    "mixed": "bittersweet, nuanced, ambivalent, thoughtful, pensive, contemplative, reflective, happy-sad, nostalgic",
    "restless": "restless, unpredictable, adventurous, strange, wandering, atonal, dissonant, weird, bizarre, "
    "chaotic, "
    "unsettled, uneasy, erratic",
}  # fmt: skip

ENERGIES: dict[str, str] = {
    "calm": "calm, relaxed, mellow, gentle, peaceful, soft, laid-back, laid back, dreamy, relaxing, chill, chilled, "
    "chill out, "
    "chillout, chilled out, soothing, tranquil, serene, quiet, calming, sleepy, meditative, low-energy, low energy, "
    "lullaby, "
    "softly, gently, delicate, subdued, sparse, restful, easy-listening, easy listening, placid, unwinding, hushed, "
    "tender, "
    "calmly, quietly, peacefully, sedate",
    "steady": "steady, easygoing, easy-going, flowing, grooving, groovy, medium energy, moderate energy, mid-energy",
    "lively": "energetic, lively, driving, busy, vigorous, dynamic, exciting, high-energy, high energy, intense, "
    "powerful, "
    "aggressive, frantic, frenetic, explosive, wild, hard-hitting, fiery, spirited, bouncy, danceable, hyper, "
    "rousing, "
    "electrifying, furious, thunderous, adrenaline, pumping, pounding, full of energy, lots of energy, bombastic, "
    "vivacious, "
    "animated, peppy, banging, party music, anthemic",
}  # fmt: skip

TEMPI: dict[str, str] = {
    "slow": "slow, slow-tempo, unhurried, slow-moving, slow tempo, slowly, downtempo, down-tempo, low tempo, "
    "adagio, largo, "
    "lento, slow-paced, slow paced, slow pace, leisurely, slower, sluggish, larghetto, grave tempo, slowed, "
    "slowed down, at a slow tempo, slow motion, "
    "crawling tempo, snail's pace",
    "medium": "mid-tempo, midtempo, medium tempo, moderate, moderately paced, moderate tempo, medium-paced, "
    "medium pace, "
    "moderato, andante, mid-paced, moderate pace, walking pace, medium speed, mid pace, moderately fast, "
    "medium-tempo, neither fast nor slow, neither slow nor fast",
    "fast": "fast, up-tempo, uptempo, quick, brisk, fast-paced, fast paced, fast tempo, high tempo, rapid, speedy, "
    "allegro, presto, vivace, prestissimo, faster, hurried, breakneck, high-speed, at high speed, quick-paced, "
    "fast pace, allegretto, double-time, double time, high bpm, quickly, lightning fast",
}  # fmt: skip

BOTH: dict[str, dict[str, str]] = {
    "upbeat": {"mood": "bright", "energy": "lively"},
    "slow jam": {"tempo": "slow", "genre": "soul"},
    "slow ballad": {"tempo": "slow", "genre": "ballad"},
    "slow blues": {"tempo": "slow", "genre": "blues"},
    "lullabye": {"energy": "calm", "tempo": "slow"},
    "big beat": {"drums": "yes", "energy": "lively"},
    "trip hop": {"genre": "hip hop", "tempo": "slow", "drums": "yes"},
    "trip-hop": {"genre": "hip hop", "tempo": "slow", "drums": "yes"},
}
"""Words that say several facts."""

ENSEMBLES: dict[str, tuple[str, ...]] = {
    "string quartet": ("violin", "cello"),
    "string trio": ("violin", "cello"),
    "string quintet": ("violin", "cello"),
    "string duo": ("violin", "cello"),
    "brass quintet": ("trumpet", "trombone", "french horn", "brass"),
    "saxophone quartet": ("saxophone",),
    "sax quartet": ("saxophone",),
    "a cappella": ("choir",),
    "acapella": ("choir",),
    "a capella": ("choir",),
    "acappella": ("choir",),
    "woodwind quintet": ("flute", "oboe", "clarinet", "bassoon", "french horn"),
    "wind quintet": ("flute", "oboe", "clarinet", "bassoon", "french horn"),
}
"""Names of whole line-ups, without drums: nothing else plays."""

SILENT = (
    "steel drum, steel pan, steelpan, steelpans, rocking chair, rock the boat, rocking horse, rocks, "
    "soul searching, soul mate, soulmate, heart and soul, body and soul, my soul, soulful, haunted house, "
    "tree house, "
    "treehouse, my house, our house, the house, old house, white house, full house, house party, house of cards, "
    "light house, "
    "house warming, brick house, house on, in the house, around the house, a house on, a house by, a house in, "
    "sheet metal, scrap metal, metal door, metal gate, metal on, metal object, country road, country side, "
    "my country, the country, "
    "another country, country house, country walk, in the country, countryside, foreign country, "
    "bell bottom, bells and whistles, sleigh bell, jingle bell, no strings attached, "
    "strings attached, heart strings, heartstrings, purse strings, bass boosted, bass clef, treble clef, sea bass, "
    "tape recorder, voice recorder, car horn, fog horn, foghorn, air horn, shoe horn, unicorn horn, "
    "minor key, major key, a minor key, a major key, minor chord, major chord, minor mood, piano bar, piano roll, "
    "organ donor, organ transplant, choir boy, beat up, beat the, heart beat, heartbeat, off the beaten, beat down, "
    "beaten, "
    "key of, key change, low key, low-key, lowkey, house keys, car keys, key signature, keys to, on key, off key, "
    "fast food, breakfast, fast lane, fast asleep, quick reference, slow cooker, slow build, slow burn, "
    "slowly building, "
    "slowly evolving, slow attack, slow fade, fast attack, fast decay, dark chocolate, dark blue, in the dark, "
    "dark side of, after dark, bright side, bright lights, bright colours, bright colors, wild west, "
    "wild flowers, wildflower, wild animals, soft drink, software, soft spot, calm before the storm, quiet place, "
    "party of, "
    "birthday party, pop up, pop corn, pop art, lolly pop, soda pop, pops, blues and greens, moody blues, "
    "reel to reel, "
    "latin america, latin text, jazz hands, disco ball, metal ball, drum up, ear drum, eardrum, oil drum, conundrum, "
    "harp on, jaw harp, jew's harp, flute glass, trumpet vine, horn of, shoehorn, whistle blowing, "
    "waltz, tango, march, polka, flamenco, fado, klezmer, k-drama, gospel, ukulele, mandolin, lute, bagpipe, erhu, "
    "oud, "
    "didgeridoo, hang drum, handpan, turntable, sampler, arp, synth arp, arpeggio, arpeggiator, arpeggiated synth, "
    "orchestra, orchestra hit, band, ensemble, "
    "clap back, clap your hands, triangle, "
    "dynamic range, power nap, chill pill, chill in the air, quiet riot, "
    "rain on the roof, strange land, steady hand, world, new world, around the world, whole world, world peace, "
    "moderate rain, racing car, racing game, car racing, driving range, driving home, driving music, "
    "driving at night, night driving, driving in, "
    "night drive, busy street, busy city, busy road, grand finale, grand canyon, grand opening, grand theft, "
    "pipe dream, "
    "pad thai, launch pad, sketch pad, mouse pad, bass fishing, electric car, electronic cigarette, voice over, "
    "voiceover, voice acting, "
    "voice assistant, rap on, wrap, trap door, mouse trap, reel life, jungle animals, jungle ruins, in the jungle, "
    "jungle adventure, "
    "concert hall, concert, opera house, prelude to, electronic device, reggae bar, folks, cinematic universe"
)
"""Phrases that hold words of this list and say no fact, and musical words that have no place in the vocabulary."""
