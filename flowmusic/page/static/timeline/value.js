// The value that goes to Python and comes from there, and the document that is edited.

import { CLASSES, noDrums, onsets } from './drums.js';
import { newId } from './spans.js';
import { EPSILON, makeGrid, tidy } from './time.js';

export const EMPTY = {
  annotations: {}, recognised: null, waveform: null, audio: null, seconds: 10, bpm: 120, beats_per_bar: 4, region: null,
};

function spansOf(rows, names) {
  if (!Array.isArray(rows)) return null;
  return rows.map(([start, end, ...rest]) => ({
    id: newId(), start, end, ...Object.fromEntries(names.map((name, index) => [name, rest[index]])),
  }));
}

function drumsOf(drums) {
  if (!drums) return null;
  const classes = drums.classes || {};
  const found = { ...noDrums(), ...Object.fromEntries(CLASSES.map((name) => [name, [...(classes[name] || [])]])) };
  const known = CLASSES.flatMap((name) => found[name]);
  found.other = (drums.onsets || []).filter((time) => !known.some((each) => Math.abs(each - time) < EPSILON));
  return found;
}

// Annotations as lanes; fields that no lane edits are kept as they came.
export function lanesOf(annotations) {
  const { chords, melody, drums, sections, ...rest } = annotations || {};
  return {
    chords: spansOf(chords, ['label']),
    melody: spansOf(melody, ['midi']),
    drums: drumsOf(drums),
    sections: spansOf(sections, ['name', 'text']),
    rest,
  };
}

function annotationsOf(lanes, seconds) {
  const found = { ...lanes.rest };
  const cut = (spans, names) => spans
    .filter((span) => span.start < seconds - EPSILON)
    .map((span) => [tidy(span.start), tidy(Math.min(span.end, seconds)), ...names.map((name) => span[name])]);
  if (lanes.chords) found.chords = cut(lanes.chords, ['label']);
  if (lanes.melody) found.melody = cut(lanes.melody, ['midi']);
  if (lanes.sections && lanes.sections.length) found.sections = cut(lanes.sections, ['name', 'text']);
  if (lanes.drums) {
    found.drums = { onsets: onsets(lanes.drums).map(tidy) };
    // Where no hit has a class, they are not known.
    if (CLASSES.some((name) => lanes.drums[name].length)) {
      found.drums.classes = Object.fromEntries(CLASSES.map((name) => [name, lanes.drums[name].map(tidy)]));
    }
  }
  return found;
}

// {document, shown}: what is edited and undone, and what is only shown.
export function readValue(value) {
  const given = { ...EMPTY, ...(value && typeof value === 'object' ? value : {}) };
  const annotations = given.annotations || {};
  return {
    document: { ...lanesOf(annotations), region: given.region || null },
    shown: {
      recognised: given.recognised ? lanesOf(given.recognised) : null,
      heard: given.recognised || null,
      waveform: given.waveform || null,
      audio: given.audio || null,
      grid: makeGrid(given.seconds, given.bpm, given.beats_per_bar, annotations.meter),
    },
  };
}

export function writeValue(document, shown) {
  return {
    annotations: annotationsOf(document, shown.grid.seconds),
    recognised: shown.heard,
    waveform: shown.waveform,
    audio: shown.audio,
    seconds: shown.grid.seconds,
    bpm: shown.grid.bpm,
    beats_per_bar: shown.grid.beatsPerBar,
    region: document.region,
  };
}
