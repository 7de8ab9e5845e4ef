// Bars and beats, and the position: where playing begins and where something new is put.

import { draggable } from './drag.js';
import { keyed, make, place, setAttribute, setText } from './dom.js';
import { clamp, inWords, nudge, snapped, snapUnit } from './time.js';
import { sees } from './view.js';

const LEAST_LABEL = 34;

export function makeRuler(app) {
  const labels = make('div', { class: 'tl-bars', 'aria-hidden': 'true' });
  const beats = make('div', { class: 'tl-beats', 'aria-hidden': 'true' });
  const heard = make('div', { class: 'tl-beats tl-heard-beats', 'aria-hidden': 'true' });
  const track = make('div', {
    class: 'tl-track', role: 'slider', tabindex: '0', 'data-lane': 'ruler', 'aria-label': 'Position',
    'aria-valuemin': '0',
  }, beats, heard, labels);
  const tempo = make('div', { class: 'tl-head' });
  const row = make('div', { class: 'tl-row tl-row-ruler' }, tempo, track);
  const drawLabels = keyed(labels);
  const drawBeats = keyed(beats);
  const drawHeard = keyed(heard);

  const seek = (event) => {
    const unit = event.altKey ? 0 : snapUnit(app.grid, app.ui.snap);
    app.seek(snapped(app.timeAt(event.clientX), unit));
  };
  draggable(track, (down) => {
    track.focus({ preventScroll: true });
    seek(down);
    return { move: seek };
  });
  track.addEventListener('focus', () => app.enter('ruler'));

  function ticks(draw, times) {
    const seen = (times || []).filter((time) => sees(app.view, time, time));
    draw(seen, (time) => time, () => make('span', {}), (element, time) => place(element, app.x(time), 1));
  }

  return {
    name: 'ruler', title: 'Position', row, track,
    focus() { track.focus({ preventScroll: true }); },
    draw() {
      track.style.width = `${app.width().toFixed(1)}px`;
      const width = app.grid.bar * app.view.pixels;
      // Every bar, every second, every fourth, ... as there is room for.
      const every = 2 ** Math.max(0, Math.ceil(Math.log2(LEAST_LABEL / width)));
      const bars = [];
      for (let bar = 0; bar < app.grid.bars; bar += every) {
        if (sees(app.view, bar * app.grid.bar, (bar + every) * app.grid.bar)) bars.push(bar);
      }
      drawLabels(bars, (bar) => bar, (bar) => make('span', {}, String(bar + 1)), (element, bar) => {
        place(element, app.x(bar * app.grid.bar), every * width);
      });
      ticks(drawBeats, app.document.rest.beats);
      ticks(drawHeard, app.shown.recognised?.rest.beats);
      setText(tempo, `♩ ${Math.round(app.grid.bpm * 10) / 10}`);
      setAttribute(tempo, 'aria-label', `${Math.round(app.grid.bpm * 10) / 10} beats a minute`);
      setAttribute(track, 'aria-valuemax', app.grid.seconds.toFixed(2));
      setAttribute(track, 'aria-valuenow', app.ui.position.toFixed(2));
      setAttribute(track, 'aria-valuetext', inWords(app.grid, app.ui.position));
    },
    keys(event) {
      const unit = event.shiftKey ? app.grid.bar : nudge(app.grid, app.ui.snap);
      const to = {
        ArrowLeft: app.ui.position - unit, ArrowRight: app.ui.position + unit, Home: 0, End: app.grid.seconds,
        PageUp: app.ui.position - 4 * app.grid.bar, PageDown: app.ui.position + 4 * app.grid.bar,
      }[event.key];
      if (to === undefined) return false;
      app.seek(clamp(to, 0, app.grid.seconds));
      app.reveal(app.ui.position, app.ui.position);
      return true;
    },
  };
}
