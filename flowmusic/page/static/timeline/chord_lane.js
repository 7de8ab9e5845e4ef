// Chords: typed, dragged by their borders, or chosen from the palette of a key.

import { readChords } from './chord_text.js';
import { keyed, make, place, setText } from './dom.js';
import { makeLane } from './lane.js';
import { hue, isMinor, palette, printed, readKey, ROOTS } from './music.js';
import { makeSpanLane, nextStart } from './span_lane.js';
import { at, borderMoved, changed, find, moved, newId, overlaid, room } from './spans.js';
import { EPSILON, inDigits, inWords, unitStart } from './time.js';
import { sees } from './view.js';

const MODES = ['major', 'minor'];

function paint(element, label) {
  const found = hue(label);
  element.classList.toggle('tl-colourless', found === null);
  element.classList.toggle('tl-minor', isMinor(label));
  if (found !== null) element.style.setProperty('--hue', found);
}

export function makeChordLane(app) {
  const lane = makeLane(app, { name: 'chords', title: 'Chords', hint: 'Type chords below, or tap a bar' });
  const drawHeard = keyed(lane.heard);
  let key = readKey(app.document.rest.key);
  // The text that was read last: leaving the field tells of it once more.
  let handled = '';

  // One bar long, or up to the next chord.
  function fresh(time) {
    const start = time === null ? nextStart(app, lane) : unitStart(time, app.ui.snap === 'off' ? 0 : app.grid.bar);
    const begun = at(app.document.chords, start);
    // Within a bar that is begun, what is left of it.
    const from = time !== null && begun ? begun.end : start;
    const spans = app.document.chords;
    if (from >= app.grid.seconds - EPSILON) return null;
    const end = Math.min(room(spans, from, app.grid.bar, app.grid.seconds), app.grid.seconds);
    const before = (spans || []).filter((span) => span.end <= from + EPSILON).pop();
    const label = before ? before.label : palette(...key).diatonic[0].label;
    return { id: newId(), start: from, end, label };
  }

  makeSpanLane(app, lane, {
    least: () => app.grid.step,
    fresh,
    move: (spans, span, start) => overlaid(spans, moved(span, start, app.grid.seconds)),
    resize: (spans, span, side, time) => borderMoved(spans, span.id, side, time, app.grid.step, app.grid.seconds),
    words: (span) => `${span.label}, ${inWords(app.grid, span.start)} to ${inWords(app.grid, span.end)}`,
    dress(element, span) {
      setText(element.querySelector('.tl-label'), printed(span.label));
      paint(element, span.label);
    },
    edit: () => openField(),
    added: (span, event) => { if (span && event.pointerType !== 'touch') openField(); },
    keys(event) {
      // A name begun on a chord goes on in the field.
      if (event.ctrlKey || event.metaKey || event.altKey || !/^[a-g]$/i.test(event.key)) return false;
      openField(event.key.toUpperCase());
      return true;
    },
  });

  // The panel below the lanes.
  const names = make('datalist', { id: app.name('chords') });
  for (const label of app.chordNames) names.append(make('option', { value: label }));
  const field = make('input', {
    class: 'tl-field tl-chord-field', type: 'text', list: names.id, 'aria-label': 'Chord', placeholder: 'C Am | F G',
    autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', enterkeyhint: 'done', maxlength: '2000',
  });
  const keySelect = make('select', { class: 'tl-field', 'aria-label': 'Key of the palette' });
  for (const mode of MODES) {
    for (const root of ROOTS) {
      keySelect.append(make('option', { value: `${root} ${mode}` }, `${printed(root)} ${mode}`));
    }
  }
  const diatonic = make('div', { class: 'tl-palette', role: 'group', 'aria-label': 'Chords of the key' });
  const borrowed = make('div', { class: 'tl-palette tl-borrowed', role: 'group', 'aria-label': 'Borrowed chords' });
  const span = make('output', { class: 'tl-where' });
  lane.panel = make('div', { class: 'tl-panel' },
    make('div', { class: 'tl-line' },
      make('label', { class: 'tl-caption' }, 'Chord ', field), names,
      make('label', { class: 'tl-caption' }, 'Key ', keySelect), span),
    diatonic, borrowed);

  function openField(text = null) {
    app.enter('chords');
    const chosen = lane.selected();
    field.value = text === null ? chosen?.label || '' : text;
    handled = '';
    field.focus();
    if (text === null) field.select();
  }

  function drawPalette() {
    keySelect.value = `${ROOTS[key[0]]} ${key[1]}`;
    const chords = palette(...key);
    for (const [group, list] of [[diatonic, chords.diatonic], [borrowed, chords.borrowed]]) {
      group.replaceChildren(...list.map(({ label, numeral }) => {
        const attributes = { class: 'tl-chip', type: 'button', 'aria-label': label, onclick: () => put(label) };
        const button = make('button', attributes, make('b', {}, printed(label)), make('small', {}, numeral));
        paint(button, label);
        return button;
      }));
    }
  }

  // A button renames the chosen chord; with none chosen it adds a bar at the position, and the position goes on.
  function put(label) {
    const chosen = lane.selected();
    if (chosen !== null) {
      app.commit({ ...app.document, chords: changed(app.document.chords, chosen.id, { label }) }, `Chord ${label}`);
      return;
    }
    const start = unitStart(app.ui.position, app.ui.snap === 'off' ? 0 : app.grid.beat);
    const end = Math.min((Math.floor(start / app.grid.bar + EPSILON) + 1) * app.grid.bar, app.grid.seconds);
    if (end <= start + EPSILON) {
      app.say('The position is at the end; move it to where the chord begins.');
      return;
    }
    app.commit({ ...app.document, chords: overlaid(app.document.chords, { id: newId(), start, end, label }) },
      `Added ${label}, ${inWords(app.grid, start)}`);
    app.seek(end);
  }

  // Typed text: one name renames the chosen chord, several are laid out bar by bar from where it begins.
  async function typed(text) {
    handled = text;
    // Whoever waits may choose another chord meanwhile.
    const before = lane.selected();
    const read = await readChords(app, text);
    if (read.error) {
      field.setAttribute('aria-invalid', 'true');
      app.say(read.error, true);
      return;
    }
    field.removeAttribute('aria-invalid');
    const chosen = before && find(app.document.chords, before.id);
    const single = read.bars?.length === 1 && read.bars[0].length === 1;
    let spans = app.document.chords;
    let first = chosen?.id ?? null;
    const focused = document.activeElement === field;
    if (single && chosen !== null) spans = changed(spans, chosen.id, { label: read.bars[0][0] });
    else {
      const start = chosen ? chosen.start : unitStart(app.ui.position, app.grid.beat);
      const laid = read.changes
        ? read.changes.map(([from, to, label]) => ({ start: from, end: to, label }))
        : layOut(read.bars, start, app.grid);
      first = null;
      for (const each of laid) {
        const id = newId();
        first ??= id;
        spans = overlaid(spans, { ...each, id });
      }
      if (first === null) {
        app.say('The chords begin behind the end; move the position to where they begin.', true);
        return;
      }
    }
    app.select('chords', first);
    app.commit({ ...app.document, chords: spans }, [`Chords: ${text}`, ...(read.notices || [])].join('. '));
    if (focused) lane.focus();
  }

  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && field.value.trim()) typed(field.value.trim());
    else if (event.key === 'Escape') {
      field.value = lane.selected()?.label || '';
      lane.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // What a list offers is taken when the field is left, as on a telephone.
  field.addEventListener('change', () => {
    const chosen = lane.selected();
    const text = field.value.trim();
    if (document.activeElement !== field && text && text !== chosen?.label && text !== handled) typed(text);
  });
  keySelect.addEventListener('change', () => {
    key = readKey(keySelect.value);
    drawPalette();
  });
  drawPalette();

  const drawAsked = lane.draw;
  lane.draw = (document) => {
    drawAsked(document);
    const recognised = (app.shown.recognised?.chords || []).filter((each) => sees(app.view, each.start, each.end));
    drawHeard(recognised, (each) => each.id, () => make('span', { class: 'tl-heard-chord' }), (element, each) => {
      place(element, app.x(each.start), Math.max(1, app.x(each.end - each.start) - 1));
      const asked = at(document.chords, (each.start + each.end) / 2);
      element.classList.toggle('tl-other', asked !== null && asked.label !== each.label);
      setText(element, printed(each.label));
    });
  };
  lane.drawPanel = () => {
    const chosen = lane.selected();
    if (document.activeElement !== field) field.value = chosen?.label || '';
    setText(span, chosen ? `${inDigits(app.grid, chosen.start)} – ${inDigits(app.grid, chosen.end)}` : '');
  };
  // A new piece brings its key along.
  lane.loaded = () => {
    if (app.document.rest.key) key = readKey(app.document.rest.key);
    drawPalette();
  };
  return lane;
}

// Bars of labels as chords that share their bars equally, up to the end.
export function layOut(bars, start, grid) {
  const laid = [];
  bars.forEach((bar, number) => {
    bar.forEach((label, index) => {
      const from = start + (number + index / bar.length) * grid.bar;
      const to = Math.min(start + (number + (index + 1) / bar.length) * grid.bar, grid.seconds);
      if (from >= grid.seconds - EPSILON) return;
      laid.push({ start: from, end: to, label });
    });
  });
  return laid;
}
