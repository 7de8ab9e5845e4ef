// Play, undo, snap and zoom above the lanes.

import { make, setAttribute, setText } from './dom.js';
import { inDigits, inWords, SNAPS } from './time.js';

// Paths on a canvas of 24 x 24.
const ICONS = {
  play: 'M8 5v14l11-7z',
  pause: 'M7 5h4v14H7zM13 5h4v14h-4z',
  undo: 'M9 5 4 10l5 5v-3.5h5a3.5 3.5 0 0 1 0 7H9V21h5a6 6 0 0 0 0-12H9z',
  redo: 'm15 5 5 5-5 5v-3.5h-5a3.5 3.5 0 0 0 0 7h5V21h-5a6 6 0 0 1 0-12h5z',
  minus: 'M5 11h14v2H5z',
  plus: 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z',
  whole: 'M3 5h2v14H3zM19 5h2v14h-2zM7 12l4-4v3h2V8l4 4-4 4v-3h-2v3z',
  add: 'M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z',
  remove: 'M9 3h6l1 2h4v2H4V5h4zM6 9h12l-1 12H7z',
};

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  path.setAttribute('d', ICONS[name]);
  svg.append(path);
  return svg;
}

function button(name, label, onclick) {
  const named = { 'aria-label': label, title: label };
  return make('button', { class: `tl-button tl-icon tl-do-${name}`, type: 'button', ...named, onclick }, icon(name));
}

export function makeToolbar(app) {
  const play = button('play', 'Play', () => app.player.toggle());
  const undo = button('undo', 'Undo (Ctrl Z)', () => app.undo());
  const redo = button('redo', 'Redo (Ctrl Shift Z)', () => app.redo());
  const add = button('add', 'Add (N)', () => app.lane()?.add?.());
  const remove = button('remove', 'Delete', () => {
    const chosen = app.lane()?.selected?.();
    if (chosen) app.lane().remove(chosen);
  });
  const out = button('minus', 'Zoom out (−)', () => app.zoom(1 / 1.5));
  const whole = button('whole', 'Show all (0)', () => app.zoom(0));
  const into = button('plus', 'Zoom in (+)', () => app.zoom(1.5));
  const help = make('button', {
    class: 'tl-button tl-icon', type: 'button', 'aria-label': 'Keys and help (?)', title: 'Keys and help (?)',
    onclick: () => app.help.showModal(),
  }, '?');
  const snap = make('select', { class: 'tl-field', 'aria-label': 'Snap to' });
  for (const [value, text] of SNAPS) snap.append(make('option', { value }, text));
  snap.addEventListener('change', () => { app.ui.snap = snap.value; });
  const position = make('output', { class: 'tl-position', 'aria-hidden': 'true' });
  const legend = make('div', { class: 'tl-legend', 'aria-hidden': 'true' },
    make('span', { class: 'tl-key-asked' }, 'asked'), make('span', { class: 'tl-key-heard' }, 'heard'));

  const element = make('div', { class: 'tl-bar', role: 'toolbar', 'aria-label': 'Timeline' },
    play, position,
    make('span', { class: 'tl-group' }, undo, redo),
    make('span', { class: 'tl-group' }, add, remove),
    make('label', { class: 'tl-caption' }, make('span', { class: 'tl-caption tl-snap-word' }, 'Snap'), snap),
    legend,
    make('span', { class: 'tl-group tl-last' }, out, whole, into, help));

  return {
    element,
    draw() {
      const { playing, ready } = app.player;
      setAttribute(play, 'aria-label', playing ? 'Pause' : 'Play');
      setAttribute(play, 'aria-disabled', ready ? null : 'true');
      play.replaceChildren(icon(playing ? 'pause' : 'play'));
      setAttribute(undo, 'aria-disabled', app.history.canUndo ? null : 'true');
      setAttribute(redo, 'aria-disabled', app.history.canRedo ? null : 'true');
      setAttribute(remove, 'aria-disabled', app.lane()?.selected?.() ? null : 'true');
      setAttribute(add, 'aria-disabled', app.lane()?.add ? null : 'true');
      legend.hidden = app.shown.recognised === null;
      snap.value = app.ui.snap;
    },
    drawPosition() {
      setText(position, inDigits(app.grid, app.ui.position));
      position.title = inWords(app.grid, app.ui.position);
    },
  };
}
