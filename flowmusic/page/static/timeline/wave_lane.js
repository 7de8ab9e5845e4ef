// The waveform of the chosen take, and over it the region of bars to be made anew.

import { draggable } from './drag.js';
import { make, place, setAttribute } from './dom.js';
import { barOf, clamp } from './time.js';

const HEIGHT = 64;

// The region that lies between two bars, whichever comes first.
export function between(one, other, bars) {
  return [clamp(Math.min(one, other), 1, bars), clamp(Math.max(one, other), 1, bars)];
}

export function inWords(region) {
  if (region === null) return 'no region';
  return region[0] === region[1] ? `bar ${region[0]}` : `bars ${region[0]} to ${region[1]}`;
}

export function makeWaveLane(app) {
  const canvas = make('canvas', { class: 'tl-wave', 'aria-hidden': 'true' });
  const empty = make('div', { class: 'tl-empty', 'aria-hidden': 'true' });
  const handles = ['first', 'last'].map((side, index) => make('div', {
    class: `tl-grip tl-grip-${side}`, role: 'slider', tabindex: '-1', 'aria-label': `Region, ${side} bar`,
    'data-index': index,
  }));
  const region = make('div', { class: 'tl-region' }, ...handles);
  const attributes = { class: 'tl-track', role: 'group', tabindex: '0', 'data-lane': 'region' };
  const track = make('div', attributes, canvas, empty, region);
  const clear = make('button', { class: 'tl-state', type: 'button', tabindex: '-1' }, 'clear');
  const head = make('div', { class: 'tl-head' }, make('span', { class: 'tl-title' }, 'Take'), clear);
  const row = make('div', { class: 'tl-row tl-row-wave' }, head, track);
  track.style.height = `${HEIGHT}px`;
  clear.setAttribute('aria-label', 'Clear the region');
  clear.addEventListener('click', () => set(null));
  track.addEventListener('focus', () => app.enter('region'));

  const set = (next) => app.commit({ ...app.document, region: next }, `Region: ${inWords(next)}`);

  draggable(track, (down) => {
    app.enter('region');
    track.focus({ preventScroll: true });
    const from = barOf(app.grid, app.timeAt(down.clientX));
    const before = app.document;
    let next = null;
    return {
      move(event) {
        next = between(from, barOf(app.grid, app.timeAt(event.clientX)), app.grid.bars);
        app.preview({ ...before, region: next });
      },
      end(event, moved) {
        if (moved) set(next);
        else app.seek(app.timeAt(event.clientX));
      },
      cancel() { app.preview(null); },
    };
  });

  function withHandle(index, bar) {
    const next = [...app.document.region];
    next[index] = index === 0 ? clamp(bar, 1, next[1]) : clamp(bar, next[0], app.grid.bars);
    return next;
  }

  handles.forEach((handle, index) => {
    handle.addEventListener('focus', () => app.enter('region'));
    draggable(handle, (down) => {
      down.stopPropagation();
      handle.focus({ preventScroll: true });
      const before = app.document;
      let next = null;
      return {
        move(event) {
          next = withHandle(index, barOf(app.grid, app.timeAt(event.clientX)));
          app.preview({ ...before, region: next });
        },
        end(event, moved) { if (moved) set(next); },
        cancel() { app.preview(null); },
      };
    });
  });

  // Only what is in sight is painted, on a canvas as wide as the window.
  function paint() {
    const { waveform } = app.shown;
    const width = Math.min(app.view.width, app.width());
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.style.left = `${app.view.left}px`;
    canvas.style.width = `${width}px`;
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== HEIGHT * ratio) canvas.height = HEIGHT * ratio;
    const pen = canvas.getContext('2d');
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, HEIGHT);
    if (!waveform || waveform.length === 0) return;
    pen.fillStyle = getComputedStyle(canvas).color;
    const perPixel = waveform.length / app.width();
    // Bars of two pixels with one between them read better than a solid shape.
    for (let x = 0; x < width; x += 3) {
      const from = Math.floor((app.view.left + x) * perPixel);
      const to = Math.max(from + 1, Math.ceil((app.view.left + x + 3) * perPixel));
      let peak = 0;
      for (let index = from; index < Math.min(to, waveform.length); index += 1) peak = Math.max(peak, waveform[index]);
      const tall = Math.max(1.5, peak * (HEIGHT - 8));
      pen.beginPath();
      pen.roundRect(x, (HEIGHT - tall) / 2, 2, tall, 1);
      pen.fill();
    }
  }

  const lane = {
    name: 'region', title: 'Take', row, track, region,
    focus() {
      if (!region.contains(document.activeElement)) track.focus({ preventScroll: true });
    },
    selected: () => app.document.region,
    remove() { if (app.document.region) set(null); },
    add() { set([barOf(app.grid, app.ui.position), barOf(app.grid, app.ui.position)]); },
    draw(document) {
      track.style.width = `${app.width().toFixed(1)}px`;
      paint();
      empty.textContent = app.shown.waveform
        ? 'Drag over the bars to make anew' : 'No take yet. Drag over bars to choose a region';
      empty.hidden = document.region !== null || app.shown.waveform !== null;
      setAttribute(track, 'aria-label', `Take. Region: ${inWords(document.region)}`);
      // What is hidden loses the focus only later, when nobody would notice.
      const focused = region.contains(window.document.activeElement);
      if (document.region === null && focused) track.focus({ preventScroll: true });
      region.hidden = document.region === null;
      clear.hidden = document.region === null;
      if (document.region === null) return;
      const [first, last] = document.region;
      const start = (first - 1) * app.grid.bar;
      const end = Math.min(last * app.grid.bar, app.grid.seconds);
      place(region, app.x(start), app.x(end - start));
      handles.forEach((handle, index) => {
        setAttribute(handle, 'tabindex', '0');
        setAttribute(handle, 'aria-valuemin', index === 0 ? 1 : first);
        setAttribute(handle, 'aria-valuemax', index === 0 ? last : app.grid.bars);
        setAttribute(handle, 'aria-valuenow', document.region[index]);
        setAttribute(handle, 'aria-valuetext', `bar ${document.region[index]}`);
      });
    },
    keys(event) {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const { region: now } = app.document;
      const index = event.target.dataset?.index;
      if (by && now !== null && index !== undefined) set(withHandle(Number(index), now[index] + by));
      else if (by && now !== null && event.shiftKey) set(withHandle(1, now[1] + by));
      else if (by && now !== null) {
        if (now[0] + by >= 1 && now[1] + by <= app.grid.bars) set([now[0] + by, now[1] + by]);
      } else if (event.key === 'Enter' || event.key === 'Insert' || event.key === 'n' || by) lane.add();
      else if (event.key === 'Delete' || event.key === 'Backspace') lane.remove();
      else return false;
      const start = app.document.region ? (app.document.region[0] - 1) * app.grid.bar : app.ui.position;
      app.reveal(start, start);
      return true;
    },
  };
  return lane;
}
