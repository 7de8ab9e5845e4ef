// The melody as a piano roll of one voice.

import { keyed, make, place, setText } from './dom.js';
import { makeLane } from './lane.js';
import { isBlack, noteName, printed } from './music.js';
import { makeSpanLane, nextStart } from './span_lane.js';
import { at, changed, moved, newId, overlaid, resized, room } from './spans.js';
import { EPSILON, clamp, inDigits, inWords, snapUnit, unitStart } from './time.js';
import { sees } from './view.js';

const LEAST_NOTES = 20;
const MARGIN = 2;
const MIDDLE_C = 60;

export function makeMelodyLane(app) {
  const lane = makeLane(app, { name: 'melody', title: 'Melody', hint: 'Tap to add notes' });
  const keys = make('div', { class: 'tl-keys', 'aria-hidden': 'true' });
  const stripes = make('div', { class: 'tl-stripes', 'aria-hidden': 'true' });
  lane.head.append(keys);
  lane.track.prepend(stripes);
  const drawHeard = keyed(lane.heard);
  // The lowest and the highest note in sight; it grows with the notes and shrinks only for a new piece.
  let range = [MIDDLE_C - 5, MIDDLE_C + LEAST_NOTES - 6];
  let length = null;

  const height = () => {
    const notes = range[1] - range[0] + 1;
    return clamp(Math.floor(260 / notes), 6, 12);
  };
  const top = (midi) => (range[1] - midi) * height();

  function cover(notes) {
    for (const { midi } of notes) {
      if (midi < range[0] + 1) range = [Math.max(0, midi - MARGIN), range[1]];
      if (midi > range[1] - 1) range = [range[0], Math.min(127, midi + MARGIN)];
    }
  }

  function pitchAt(clientY) {
    const inside = clientY - lane.track.getBoundingClientRect().top;
    return clamp(range[1] - Math.floor(inside / height()), range[0], range[1]);
  }

  const usual = () => length ?? (snapUnit(app.grid, app.ui.snap) || app.grid.beat);
  const unit = () => Math.min(snapUnit(app.grid, app.ui.snap), app.grid.beat);

  function fresh(time, event) {
    const pointed = time !== null;
    const start = pointed ? unitStart(time, unit()) : nextStart(app, lane);
    if (start >= app.grid.seconds - EPSILON) return null;
    const before = (app.document.melody || []).filter((note) => note.start <= start).pop();
    const midi = pointed ? pitchAt(event.clientY) : before?.midi ?? MIDDLE_C;
    // Pointed at a place under or over a note, it takes over from there.
    const under = at(app.document.melody, start);
    const end = room(under ? [] : app.document.melody, start, Math.min(usual(), app.grid.beat * 4), app.grid.seconds);
    return { id: newId(), start, end, midi };
  }

  makeSpanLane(app, lane, {
    least: () => app.grid.step / 2,
    fresh,
    move(spans, note, start, dy) {
      const midi = clamp(note.midi - Math.round(dy / height()), 0, 127);
      return overlaid(spans, { ...moved(note, start, app.grid.seconds), midi });
    },
    resize(spans, note, side, time) {
      const next = resized(note, side, time, app.grid.step / 2, app.grid.seconds);
      length = next.end - next.start;
      return overlaid(spans, next);
    },
    up: (spans, note, steps) => changed(spans, note.id, { midi: clamp(note.midi + steps, 0, 127) }),
    words: (note) => `${noteName(note.midi)}, ${inWords(app.grid, note.start)} to ${inWords(app.grid, note.end)}`,
    dress(element, note) {
      element.style.top = `${top(note.midi)}px`;
      element.style.height = `${height()}px`;
      setText(element.querySelector('.tl-label'), height() >= 12 ? printed(noteName(note.midi)) : '');
    },
    edit(note, event) {
      // A double click takes a note away, as pencils of piano rolls do; Enter goes to its fields.
      if (event?.type === 'dblclick') lane.remove(note);
      else pitchField.focus();
    },
  });

  const pitchField = make('input', {
    class: 'tl-field tl-number', type: 'number', min: '0', max: '127', step: '1',
    'aria-label': 'Pitch as a MIDI number',
  });
  const name = make('output', { class: 'tl-where' });
  const shift = (by) => {
    const low = clamp(range[0] + by, 0, 127 - (range[1] - range[0]));
    range = [low, low + range[1] - range[0]];
    app.draw();
  };
  const shifter = (sign, label, by) => (
    make('button', { class: 'tl-button', type: 'button', 'aria-label': label, onclick: () => shift(by) }, sign)
  );
  lane.panel = make('div', { class: 'tl-panel' }, make('div', { class: 'tl-line' },
    make('label', { class: 'tl-caption' }, 'Pitch ', pitchField), name,
    make('span', { class: 'tl-caption' }, 'Range ',
      shifter('▲', 'Show higher notes', 12), shifter('▼', 'Show lower notes', -12))));
  pitchField.addEventListener('change', () => {
    const note = lane.selected();
    const midi = Number(pitchField.value);
    if (note === null || !Number.isInteger(midi) || midi < 0 || midi > 127) {
      app.say('A pitch is a whole number from 0 to 127; 60 is the C in the middle.', true);
      return;
    }
    app.commit({ ...app.document, melody: changed(app.document.melody, note.id, { midi }) }, noteName(midi));
  });
  pitchField.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === 'Escape') lane.focus();
  });

  function drawRange() {
    const size = height();
    const notes = Array.from({ length: range[1] - range[0] + 1 }, (_, index) => range[1] - index);
    lane.track.style.height = `${notes.length * size}px`;
    const black = (each) => (isBlack(each) ? 'var(--tl-black-key)' : 'transparent');
    const stops = notes.map((each, index) => `${black(each)} ${index * size}px ${(index + 1) * size}px`);
    stripes.style.background = `linear-gradient(to bottom, ${stops.join(', ')})`;
    const named = notes.filter((each) => each % 12 === 0);
    keys.replaceChildren(...named.map((each) => {
      const label = make('span', {}, noteName(each));
      label.style.top = `${top(each) + size / 2}px`;
      return label;
    }));
  }

  const drawAsked = lane.draw;
  let drawn = '';
  lane.draw = (document) => {
    if (!app.previewing) cover([...(document.melody || []), ...(app.shown.recognised?.melody || [])]);
    if (drawn !== range.join()) {
      drawn = range.join();
      drawRange();
    }
    drawAsked(document);
    const recognised = (app.shown.recognised?.melody || []).filter((note) => sees(app.view, note.start, note.end));
    drawHeard(recognised, (note) => note.id, () => make('span', { class: 'tl-heard-note' }), (element, note) => {
      place(element, app.x(note.start), Math.max(1, app.x(note.end - note.start)));
      element.style.top = `${top(note.midi) + height() - 2}px`;
    });
  };
  lane.drawPanel = () => {
    const note = lane.selected();
    pitchField.disabled = note === null;
    if (document.activeElement !== pitchField) pitchField.value = note === null ? '' : note.midi;
    setText(name, note === null ? '' : `${printed(noteName(note.midi))} · ${inDigits(app.grid, note.start)}`);
  };
  lane.loaded = () => {
    const notes = [...(app.document.melody || []), ...(app.shown.recognised?.melody || [])];
    // Notes of another piece have lengths of their own.
    length = null;
    if (notes.length === 0) return;
    const midis = notes.map((note) => note.midi);
    const low = Math.max(0, Math.min(...midis) - MARGIN);
    range = [low, Math.min(127, Math.max(Math.max(...midis) + MARGIN, low + LEAST_NOTES - 1))];
  };
  return lane;
}
