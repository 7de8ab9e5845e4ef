// The keys, on the page.

import { make } from './dom.js';

const KEYS = [
  ['Tab', 'next lane or control'],
  ['← →', 'previous or next chord, note, section or step'],
  ['↑ ↓', 'lane above or below; a note by a semitone, with Shift by an octave; a row of drums'],
  ['Alt ← →', 'move what is chosen'],
  ['Shift ← →', 'make what is chosen shorter or longer'],
  ['N or Insert', 'add one behind it, or at the position'],
  ['Enter', 'edit; turn a drum step on or off; begin a region'],
  ['A–G', 'type a chord over the chosen one'],
  ['Delete', 'take it away'],
  ['Escape', 'choose nothing, so that palette and N work at the position'],
  ['Home End', 'first or last'],
  ['Ctrl Z, Ctrl Shift Z', 'undo, redo'],
  ['+ −  0', 'zoom in, out, to the whole'],
  ['Space or P', 'play or pause the take'],
  ['?', 'this help'],
];
const POINTER = [
  'Tap empty ground to add, drag there to draw a length; drag to move, drag an end to resize.',
  'Hold Alt while dragging to leave the grid. A double click deletes a note.',
  'Drag over the take to choose the bars to be made anew.',
  'Under each lane stands how far the chosen take follows it, bar by bar; what was heard is drawn in orange.',
  'A lane is “free” (left to the model), “none” (to be silent) or filled.',
];

export function makeHelp() {
  const close = make('button', { class: 'tl-button', type: 'button' }, 'Close');
  const dialog = make('dialog', { class: 'tl-help', 'aria-label': 'Keys of the timeline' },
    make('div', { class: 'tl-help-title' }, 'Keys'),
    make('dl', {}, ...KEYS.flatMap(([keys, what]) => [make('dt', {}, keys), make('dd', {}, what)])),
    make('div', { class: 'tl-help-title' }, 'Mouse and finger'),
    make('ul', {}, ...POINTER.map((line) => make('li', {}, line))), close);
  close.addEventListener('click', () => dialog.close());
  // A click beside it closes it.
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  return dialog;
}
