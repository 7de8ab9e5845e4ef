"""MIDI files byte by byte, so that they can be wrong where they are meant to be."""

from __future__ import annotations

import struct

PITCHES = (67, 69, 71, 72, 74, 72, 71, 69)
END = b"\0\xff\x2f\0"


def number(value: int) -> bytes:
    """Seven bits a byte, as times and lengths are written."""
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(value & 0x7F | 0x80)
    return bytes(reversed(out))


def meta(kind: int, content: bytes, delta: int = 0) -> bytes:
    return number(delta) + bytes([0xFF, kind]) + number(len(content)) + content


def tempo(bpm: float, delta: int = 0) -> bytes:
    """Quarters a minute."""
    return meta(0x51, round(60e6 / bpm).to_bytes(3, "big"), delta)


def signature(count: int, unit: int, delta: int = 0) -> bytes:
    return meta(0x58, bytes([count, unit.bit_length() - 1, 24, 8]), delta)


def name(text: str) -> bytes:
    return meta(0x03, text.encode())


def note(pitch: int, length: int, delta: int = 0, channel: int = 0) -> bytes:
    strike = bytes([0x90 | channel, pitch, 90])
    return number(delta) + strike + number(length) + bytes([0x80 | channel, pitch, 0])


def tune(length: int = 480, repeats: int = 1, pitches: tuple[int, ...] = PITCHES) -> bytes:
    """Notes without gaps."""
    return b"".join(note(pitch, length) for pitch in pitches * repeats)


def chunk(events: bytes, size: int | None = None) -> bytes:
    return b"MTrk" + struct.pack(">L", len(events) if size is None else size) + events


def smf(*tracks: bytes, division: int = 480, promised: int | None = None, kind: int | None = None) -> bytes:
    """A file of tracks, which get the event that ends them."""
    kind = (len(tracks) > 1) if kind is None else kind
    header = struct.pack(">LHHH", 6, kind, len(tracks) if promised is None else promised, division)
    return b"MThd" + header + b"".join(chunk(track + END) for track in tracks)


def riff(content: bytes, form: bytes = b"RMID") -> bytes:
    """A RIFF file with a list of texts before the data and a sound bank behind it."""
    text = b"INFOINAM" + struct.pack("<L", 4) + b"name"
    chunks = b"LIST" + struct.pack("<L", len(text)) + text
    chunks += b"data" + struct.pack("<L", len(content)) + content + b"\0" * (len(content) % 2)
    chunks += b"DLS " + struct.pack("<L", 8) + b"MTrk\0\0\0\1"
    return b"RIFF" + struct.pack("<L", len(chunks) + 4) + form + chunks
