// What every lane has: a head that stays in sight, a track in time, what was heard, and how far it follows.

import { perBar } from './agreement.js';
import { keyed, make, place, setAttribute, setText } from './dom.js';
import { sees } from './view.js';

// How full a lane is, in the words of its button; what pressing it does follows.
const FILLED = { free: 'free', none: 'none', some: 'clear' };
const MEANING = {
  free: 'left to the model; press to ask for none',
  none: 'none to be heard; press to leave it to the model',
  some: 'press to clear the lane',
};

export function makeLane(app, { name, title, hint }) {
  const state = make('button', { class: 'tl-state', type: 'button', tabindex: '-1' });
  const head = make('div', { class: 'tl-head' }, make('span', { class: 'tl-title' }, title), state);
  const heard = make('div', { class: 'tl-heard', 'aria-hidden': 'true' });
  const asked = make('div', { class: 'tl-asked' });
  const shares = make('div', { class: 'tl-shares', 'aria-hidden': 'true' });
  const empty = make('div', { class: 'tl-empty', 'aria-hidden': 'true' }, hint || '');
  const track = make('div', { class: 'tl-track', role: 'group', 'data-lane': name, tabindex: '-1' },
    empty, heard, asked, shares);
  const row = make('div', { class: `tl-row tl-row-${name}` }, head, track);
  const drawShares = keyed(shares);
  // What was compared last: drawing anew is far more frequent than another take or an edit of this lane.
  let judged = [];

  track.addEventListener('focus', () => app.enter(name));
  state.addEventListener('click', () => lane.clear());

  const lane = {
    name, title, row, head, track, asked, heard,

    // Whether anything is asked for in the lane: "free", "none" or "some".
    filled(document) {
      const content = document[name];
      if (content === null || content === undefined) return 'free';
      return content.length === 0 ? 'none' : 'some';
    },

    // Free becomes none, and everything else becomes free.
    clear() {
      const filled = lane.filled(app.document);
      const next = filled === 'free' ? lane.none() : null;
      if (next === null && filled === 'free') return;
      app.commit({ ...app.document, [name]: next }, `${title}: ${next === null ? 'left to the model' : 'none'}`);
    },

    none: () => [],

    drawCommon(document) {
      const filled = lane.filled(document);
      setText(state, FILLED[filled]);
      setAttribute(state, 'aria-label', `${title}: ${MEANING[filled]}`);
      setAttribute(state, 'title', MEANING[filled]);
      row.dataset.filled = filled;
      empty.hidden = filled === 'some';
      track.style.width = `${app.width().toFixed(1)}px`;
      lane.drawShares(document);
    },

    drawShares(document) {
      const heardHere = app.shown.recognised?.[name];
      if (judged[0] !== document[name] || judged[1] !== heardHere || judged[2] !== app.grid) {
        judged = [document[name], heardHere, app.grid, perBar(name, document[name], heardHere, app.grid)];
      }
      const values = judged[3];
      row.classList.toggle('tl-judged', values !== null);
      const bars = (values || []).map((value, bar) => ({ value, bar })).filter(({ value, bar }) => (
        value !== null && sees(app.view, bar * app.grid.bar, (bar + 1) * app.grid.bar)
      ));
      const wide = app.grid.bar * app.view.pixels > 44;
      drawShares(bars, ({ bar }) => bar, () => make('span', { class: 'tl-share' }), (element, { value, bar }) => {
        const end = Math.min((bar + 1) * app.grid.bar, app.grid.seconds);
        place(element, app.x(bar * app.grid.bar), app.x(end - bar * app.grid.bar));
        element.style.setProperty('--share', value.toFixed(3));
        setText(element, wide ? `${Math.round(value * 100)} %` : '');
      });
      const told = (values || []).flatMap((value, bar) => (
        value === null ? [] : [`bar ${bar + 1} ${Math.round(value * 100)} percent`]
      ));
      setAttribute(track, 'aria-label', told.length ? `${title}. Followed: ${told.slice(0, 32).join(', ')}` : title);
    },
  };
  return lane;
}
