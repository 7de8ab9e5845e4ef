"""``flowmusic stream``: music without an end, while it is made."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options, progress
from flowmusic.apps import take_flags
from flowmusic.errors import DONE, UsageError, check_output, reading_input, silence_stdout

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.generate.live import Report
    from flowmusic.inputs.follow import Wishes
    from flowmusic.takes.signing import Signature

STDOUT = "-"
SECONDS_OF_A_CHECK = 60.0
"""A file without a stated end is to have room for at least so much."""


def mood_change(text: str) -> tuple[int, str]:
    """``16: darker, slow strings`` -> the bar, counted from 1, and the words."""
    bar, colon, words = text.partition(":")
    if not colon or not bar.strip().isdecimal() or len(bar) > 9 or int(bar) < 2 or not words.strip():
        raise argparse.ArgumentTypeError(
            f"{text[:60]!r} is not BAR: WORDS, such as 16: darker, slow strings; BAR counts from 1, and is 2 or more"
        )
    return int(bar), options.words(words.strip())


def destination(text: str) -> str | Path:
    """``-`` or a file of audio."""
    return STDOUT if text == STDOUT else options.audio_output(text)


def lines(text: str) -> str:
    """``-`` or a file of lines."""
    return STDOUT if text == STDOUT else str(options.existing_file(text))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music without an end, a few bars ahead of time.

Words and chords can be changed while it plays, from the next bar line on, by lines in the file of --follow (or "-",
standard input):    text: darker, slow strings    chords: Am F C G    stop"""
    parser.epilog = f"""Listen with   flowmusic stream "warm lo-fi beat" --out - | aplay -f S16_LE -r 32000
Ctrl-C ends the stream; a file is then whole up to there.
{take_flags.GUIDANCE_KEYS}
{take_flags.EXIT_CODES}"""
    add = parser.add_argument
    add("text", type=options.words, metavar="TEXT", help='what it should sound like; "" for no text')
    add("--bpm", type=options.bpm, metavar="N", help="beats a minute (what TEXT says, else 120); it stays")
    add("--meter", type=options.words, default="4/4", metavar="M", help="time signature (4/4); it stays")
    add("--chords", type=options.words, metavar="S", help="in bars, again and again (the composer proposes some)")
    add(
        "--mood-change",
        type=mood_change,
        action="append",
        default=[],
        metavar="BAR:WORDS",
        help="from that bar on, over one bar; may be repeated",
    )
    add(
        "--follow",
        type=lines,
        metavar="FILE|-",
        help="a file that grows, or a named pipe, with lines as above; - is standard input",
    )
    add("--seconds", type=options.limited("recording"), metavar="N", help="end after so many (never)")
    add("--guidance", type=options.guidance, metavar="K=V,...", help="weights of the controls (the model's own)")
    add("--steps", type=options.steps, metavar="N", help="solver steps, where there is time for them (the model's own)")
    add("--seed", type=options.seed, metavar="N", help="repeats a stream; drawn and told if left out")
    take_flags.add_model(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--out",
        type=destination,
        metavar="FILE|-",
        help="a .wav, .flac or .ogg; - is standard output, 16-bit samples without a header, as time goes by",
    )
    where.add_argument("--play", action="store_true", help="on this machine (needs the package sounddevice)")
    add(
        "--stereo",
        action="store_true",
        help="two channels, of a codec with a stereo head; samples on standard output are then for aplay -c 2",
    )
    take_flags.add_watermark(parser)
    add("--quiet", action="store_true", help="no notes; only the name of the file")


def run(args: argparse.Namespace) -> int:
    """Judge, load, and make music until somebody or something ends it."""
    from flowmusic.controls.meter import parse_meter
    from flowmusic.inputs import facts, pace
    from flowmusic.inputs.follow import Follower, Wishes, bars_of

    with ExitStack() as cleaning:
        with reading_input():
            meter = parse_meter(args.meter)
            bars = None if args.chords is None else bars_of(args.chords)
            follower = None if args.follow is None else Follower(args.follow)
            if follower is not None:
                cleaning.callback(follower.close)
            wishes = Wishes(args.mood_change, follower)
        if args.out == STDOUT and sys.stdout.isatty():
            raise UsageError("--out -: a terminal cannot play samples; add | aplay -f S16_LE -r 32000, or give a file")
        speaker = _speaker() if args.play else None
        progress.starting("flowmusic stream")
        from flowmusic.corpus.endless import Endless
        from flowmusic.generate.generator import draw_seed
        from flowmusic.generate.stream import Stream, repeating
        from flowmusic.interop import model_files
        from flowmusic.takes.signing import Signature, provenance

        with reading_input():
            options.check_device(args.device)
            model_files.find(args.model)
        generator = take_flags.load(args)
        notices = [] if bars is None else [*bars[1]]
        if args.bpm is None and (said := pace.of_words(args.text)) is not None:
            args.bpm = said[0]
            notices.append(said[1])
        seed = draw_seed() if args.seed is None else args.seed
        with reading_input():
            stream = Stream(
                generator,
                args.text.strip() or None,
                args.bpm or pace.DEFAULT_BPM,
                meter,
                Endless(seed) if bars is None else repeating(bars[0]),
                seed=seed,
                facts=facts.of_words(args.text),
                guidance=generator.defaults.guide(args.guidance) if args.guidance else None,
                sampling=generator.sampling(steps=args.steps),
            )
            if isinstance(args.out, Path):
                check_output(
                    args.out, round(4 * generator.codec.channels * (args.seconds or SECONDS_OF_A_CHECK) * stream.rate)
                )
        made = provenance(generator.name, seed, generator.licence, args.text.strip() or None, {}, {})
        signature = Signature(made, args.watermark)
        say = _silent if args.quiet else _note
        for notice in notices:
            say(notice)
        say(f"--seed {seed}; {stream.block_bars * stream.bar_seconds:.2f} s in a block")
        wishes.say = say
        stopped = cleaning.enter_context(_interruptible())
        most = None if args.seconds is None else round(args.seconds * stream.rate)
        if isinstance(args.out, Path):
            _to_file(wishes.blocks(stream, stopped), args.out, stream.rate, generator.codec.channels, most, signature)
            print(args.out, flush=True)
            return DONE
        report = _as_time_goes_by(wishes, stream, stopped, most, args, speaker, signature)
        if report is not None:
            say(str(report))
    return DONE


def _note(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)


def _silent(text: str) -> None:
    pass


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Set by Ctrl-C and by a request to end, neither of which breaks anything off."""
    stopped = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGINT, signal.SIGTERM)
        if threading.current_thread() is threading.main_thread()
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _to_file(
    blocks: Iterator[Tensor], out: Path, rate: int, channels: int, most: int | None, signature: Signature
) -> None:
    """As quickly as it can be made."""
    from flowmusic import audio

    def cut() -> Iterator[Tensor]:
        left = most
        for samples in blocks:
            part = samples if left is None else samples[:, :left]
            yield part
            left = None if left is None else left - part.shape[1]
            if left == 0:
                return

    with signature.tagged(out) as temporary:
        audio.write_blocks((part.T.numpy() for part in signature.blocks(cut(), rate)), rate, channels, temporary)


def _as_time_goes_by(
    wishes: Wishes,
    stream: Any,
    stopped: threading.Event,
    most: int | None,
    args: argparse.Namespace,
    speaker: Any,
    signature: Signature,
) -> Report | None:
    """To standard output or the loudspeaker; None where nobody listens any more."""
    from flowmusic.generate.live import Producer, RealClock, perform

    clock = RealClock(stopped)
    producer = Producer(lambda sampling: wishes.next_block(stream, sampling), stream.sampling, stream.rate, clock)
    try:
        with _listener(args, speaker, stream) as listener, signature.through(listener, stream.rate) as write:
            return perform(
                producer, write, clock, stream.rate, stream.bar_samples, most_samples=most, stopped=stopped.is_set
            )
    except BrokenPipeError:
        silence_stdout(sys.stdout)
        return None
    finally:
        producer.stop()
        producer.join()


@contextmanager
def _listener(args: argparse.Namespace, speaker: Any, stream: Any) -> Iterator[Callable[[Tensor], None]]:
    if speaker is None:
        yield _write_samples
        return
    try:
        with speaker.OutputStream(samplerate=stream.rate, channels=stream.model.codec.channels, dtype="float32") as out:
            yield lambda samples: out.write(samples.T.contiguous().numpy())
    except speaker.PortAudioError as error:
        raise UsageError(f"--play: no loudspeaker can be used ({error}); use --out - and another player") from None


def _write_samples(samples: Tensor) -> None:
    """16-bit little-endian samples, channels interleaved, to standard output."""
    data = (samples.T.clamp(-1.0, 1.0) * 32767.0).round().short().numpy().astype("<i2").tobytes()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def _speaker() -> Any:
    """The package that plays.  Raises: UsageError where it, or the library that it needs, is not there."""
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise UsageError(
            f"--play needs the package sounddevice, which cannot be loaded ({error}): pip install 'flowmusic[play]', "
            "or use --out - | aplay -f S16_LE -r 32000"
        ) from None
    return sounddevice
