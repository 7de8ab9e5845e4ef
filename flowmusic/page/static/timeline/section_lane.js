// Sections with words: what a part of the piece is called, and what it should sound like.

import { make, setText } from './dom.js';
import { makeLane } from './lane.js';
import { makeSpanLane, nextStart } from './span_lane.js';
import { at, borderMoved, changed, moved, newId, overlaid, room } from './spans.js';
import { EPSILON, inWords, unitStart } from './time.js';

const BARS = 4;
const MOST_NAME = 200;
const MOST_WORDS = 10000;
const NAMES = ['intro', 'verse', 'chorus', 'bridge', 'solo', 'break', 'outro'];

export function makeSectionLane(app) {
  const hint = 'Tap a bar to begin a part with its own words';
  const lane = makeLane(app, { name: 'sections', title: 'Sections', hint });
  // There is no such thing as a piece without parts to ask for.
  lane.none = () => null;

  function fresh(time) {
    const pointed = time !== null;
    const start = unitStart(pointed ? time : nextStart(app, lane), app.grid.bar);
    const begun = at(app.document.sections, start);
    const from = begun ? begun.end : start;
    if (from >= app.grid.seconds - EPSILON) return null;
    const end = room(app.document.sections, from, BARS * app.grid.bar, app.grid.seconds);
    const used = (app.document.sections || []).length;
    if (end <= from + EPSILON) return null;
    return { id: newId(), start: from, end, name: NAMES[(used + 1) % NAMES.length], text: '' };
  }

  makeSpanLane(app, lane, {
    least: () => app.grid.beat,
    fresh,
    move: (spans, span, start) => overlaid(spans, moved(span, start, app.grid.seconds)),
    resize: (spans, span, side, time) => borderMoved(spans, span.id, side, time, app.grid.beat, app.grid.seconds),
    words: (span) => (
      `${span.name || 'section'}, ${inWords(app.grid, span.start)} to ${inWords(app.grid, span.end)}`
      + (span.text ? `, ${span.text.slice(0, 100)}` : '')
    ),
    dress(element, span) {
      let text = element.querySelector('.tl-words');
      if (text === null) {
        text = make('span', { class: 'tl-words' });
        element.querySelector('.tl-label').after(text);
      }
      setText(element.querySelector('.tl-label'), span.name);
      setText(text, span.text);
    },
    edit: () => openField(),
    added: (span, event) => { if (span && event.pointerType !== 'touch') openField(); },
  });

  const names = make('datalist', { id: app.name('sections') });
  for (const each of NAMES) names.append(make('option', { value: each }));
  const name = make('input', {
    class: 'tl-field', type: 'text', list: names.id, 'aria-label': 'Name of the section', maxlength: MOST_NAME,
    autocomplete: 'off', placeholder: 'verse',
  });
  const words = make('input', {
    class: 'tl-field tl-wide', type: 'text', 'aria-label': 'Words for the section', maxlength: MOST_WORDS,
    autocomplete: 'off', placeholder: 'calm, piano alone',
  });
  lane.panel = make('div', { class: 'tl-panel' }, make('div', { class: 'tl-line' },
    make('label', { class: 'tl-caption' }, 'Section ', name), names,
    make('label', { class: 'tl-caption tl-grow' }, 'Words ', words)));

  function openField() {
    app.enter('sections');
    name.focus();
    name.select();
  }

  function save() {
    const span = lane.selected();
    if (span === null || (span.name === name.value && span.text === words.value)) return;
    const next = changed(app.document.sections, span.id, { name: name.value, text: words.value });
    app.commit({ ...app.document, sections: next }, `Section ${name.value}`);
  }
  for (const field of [name, words]) {
    field.addEventListener('change', save);
    field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' && event.key !== 'Escape') return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === 'Enter') save();
      else lane.drawPanel(true);
      // From the name to the words, and from there back to the lane.
      if (event.key === 'Enter' && field === name) words.focus();
      else lane.focus();
    });
  }
  lane.drawPanel = (always = false) => {
    const span = lane.selected();
    for (const [field, value] of [[name, span?.name], [words, span?.text]]) {
      field.disabled = span === null;
      if (always || document.activeElement !== field) field.value = value || '';
    }
  };
  return lane;
}
