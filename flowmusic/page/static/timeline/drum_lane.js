// Drums as a grid of steps: a row for each class, and a fourth one where other drums are known.

import { CLASSES, count, EVEN, isOn, lastStep, MOST_SWING, noDrums, put, reswung, ROWS, stepTime, swingOf }
  from './drums.js';
import { draggable } from './drag.js';
import { keyed, make, place, setAttribute, setText } from './dom.js';
import { makeLane } from './lane.js';
import { clamp, EPSILON } from './time.js';
import { sees } from './view.js';

const ROW = 26;
// Pixels of a cell that a mouse or a finger still meets.
const LEAST_CELL = window.matchMedia('(pointer: coarse)').matches ? 13 : 6;

export function makeDrumLane(app) {
  const lane = makeLane(app, { name: 'drums', title: 'Drums', hint: '' });
  const labels = make('div', { class: 'tl-rows', 'aria-hidden': 'true' });
  const cells = make('div', { class: 'tl-cells', 'aria-hidden': 'true' });
  // The one step that keys speak of; it moves with the arrows.
  const cursor = make('button', { class: 'tl-step', type: 'button', role: 'switch' });
  lane.head.append(labels);
  lane.track.prepend(cells);
  lane.track.append(cursor);
  const drawAsked = keyed(lane.asked);
  const drawHeard = keyed(lane.heard);
  let swing = EVEN;
  let at = { row: 0, step: 0 };

  const rows = () => (app.document.drums?.other.length || app.shown.recognised?.drums?.other.length ? ROWS : CLASSES);

  // Steps that a cell stands for: more than one where the grid is too small to hit one.
  function coarseness() {
    const choices = app.grid.compound ? [1, 2, 3, 6] : [1, 2, 4];
    return choices.find((steps) => app.x(steps * app.grid.step) >= LEAST_CELL) || choices[choices.length - 1];
  }

  // The row and step under a pointer: of a coarse cell the first.
  function cellAt(event) {
    const row = clamp(Math.floor((event.clientY - lane.track.getBoundingClientRect().top) / ROW), 0, rows().length - 1);
    const time = app.timeAt(event.clientX);
    const steps = coarseness();
    const cell = Math.floor(time / (app.grid.step * steps) + EPSILON) * steps;
    // A late step begins within the next cell's place; what is seen there is what is meant.
    return { row, step: clamp(cell, 0, lastStep(app.grid, swing)) };
  }

  function words({ row, step }) {
    const bar = Math.floor(step / app.grid.stepsPerBar);
    return `${rows()[row]}, bar ${bar + 1} step ${step - bar * app.grid.stepsPerBar + 1}`;
  }

  function set(cell, on) {
    const drums = put(app.grid, app.document.drums, rows()[cell.row], cell.step, swing, on);
    return { ...app.document, drums: on || count(drums) ? drums : null };
  }

  const onAt = (cell) => isOn(app.grid, app.document.drums, rows()[cell.row], cell.step, swing);

  function toggle(cell) {
    const on = !onAt(cell);
    app.commit(set(cell, on), `${words(cell)} ${on ? 'on' : 'off'}`);
  }

  // A drag paints along its row with what its first cell became.
  draggable(lane.track, (down) => {
    app.enter('drums');
    const first = cellAt(down);
    const on = !onAt(first);
    const before = app.document;
    const painted = new Set([first.step]);
    const draft = () => {
      let { drums } = before;
      for (const step of painted) drums = put(app.grid, drums, rows()[first.row], step, swing, on);
      return { ...before, drums: count(drums) ? drums : null };
    };
    return {
      move(event) {
        painted.add(cellAt(event).step);
        app.preview(draft());
      },
      end() {
        at = first;
        app.commit(draft(), `${words(first)} ${on ? 'on' : 'off'}`);
        cursor.focus({ preventScroll: true });
      },
      cancel() { app.preview(null); },
    };
  });
  cursor.addEventListener('focus', () => app.enter('drums'));
  // A click of the keyboard or of a screen reader; pointers were dealt with above.
  cursor.addEventListener('click', (event) => { if (event.detail === 0) toggle(at); });

  const slider = make('input', {
    class: 'tl-slider', type: 'range', min: EVEN * 100, max: MOST_SWING * 100, step: '1', 'aria-label': 'Swing',
  });
  const share = make('output', { class: 'tl-where' });
  const repeat = make('button', { class: 'tl-button', type: 'button' }, 'Repeat first bar');
  repeat.addEventListener('click', () => repeatFirst());
  lane.panel = make('div', { class: 'tl-panel' }, make('div', { class: 'tl-line' },
    make('label', { class: 'tl-caption' }, 'Swing ', slider), share, repeat));
  slider.addEventListener('input', () => setText(share, `${slider.value} %`));
  slider.addEventListener('change', () => {
    const next = Number(slider.value) / 100;
    const drums = reswung(app.grid, app.document.drums, swing, next);
    swing = next;
    if (drums !== null) app.commit({ ...app.document, drums }, `Swing ${slider.value} percent`);
    else app.draw();
  });

  // The pattern of the first bar in every bar.
  function repeatFirst() {
    const { drums } = app.document;
    if (drums === null) {
      app.say('There are no drums in the first bar to repeat.');
      return;
    }
    const { bar, bars, seconds } = app.grid;
    const repeated = Object.fromEntries(ROWS.map((row) => {
      const first = drums[row].filter((time) => time < bar - EPSILON);
      const all = Array.from({ length: bars }, (_, number) => first.map((time) => time + number * bar)).flat();
      return [row, all.filter((time) => time < seconds - EPSILON)];
    }));
    app.commit({ ...app.document, drums: repeated }, 'The first bar is repeated');
  }

  const visible = (drums) => rows().flatMap((row, index) => drums[row]
    .filter((time) => sees(app.view, time, time + app.grid.step))
    .map((time, order) => ({ key: `${row} ${time} ${order}`, time, row: index, name: row })));

  Object.assign(lane, {
    none: noDrums,
    filled(document) {
      if (document.drums === null) return 'free';
      return count(document.drums) ? 'some' : 'none';
    },
    focus() { cursor.focus({ preventScroll: true }); },
    add() { toggle(at); },
    remove() { if (onAt(at)) toggle(at); },
    selected: () => (app.document.drums && onAt(at) ? at : null),

    draw(document) {
      lane.drawCommon(document);
      const shown = rows();
      lane.track.style.height = `${shown.length * ROW}px`;
      if (labels.childElementCount !== shown.length) {
        labels.replaceChildren(...shown.map((row) => make('span', { class: `tl-row-name tl-${row}` }, row)));
      }
      const cell = coarseness() * app.grid.step * app.view.pixels;
      cells.style.setProperty('--cell', `${cell}px`);
      cells.style.setProperty('--beat-cells', `${app.grid.beat * app.view.pixels}px`);
      cells.style.setProperty('--row', `${ROW}px`);
      // As wide as its step, also where a cell stands for several.
      const size = Math.max(3, Math.min(app.x(app.grid.step) - 2, ROW + 6));
      drawAsked(document.drums ? visible(document.drums) : [], (hit) => hit.key,
        (hit) => make('span', { class: `tl-hit tl-${hit.name}` }),
        (element, hit) => {
          place(element, app.x(hit.time) + 1, size);
          element.style.top = `${hit.row * ROW + 3}px`;
        });
      const recognised = app.shown.recognised?.drums;
      drawHeard(recognised ? visible(recognised) : [], (hit) => hit.key, () => make('span', { class: 'tl-heard-hit' }),
        (element, hit) => {
          place(element, app.x(hit.time) + 1, Math.max(3, Math.min(size, 10)));
          element.style.top = `${hit.row * ROW + ROW - 7}px`;
        });
      at = { row: Math.min(at.row, shown.length - 1), step: Math.min(at.step, lastStep(app.grid, swing)) };
      const time = stepTime(app.grid, at.step, swing);
      place(cursor, app.x(time), Math.max(8, app.grid.step * app.view.pixels));
      cursor.style.top = `${at.row * ROW + 1}px`;
      setAttribute(cursor, 'aria-label', words(at));
      setAttribute(cursor, 'aria-checked', onAt(at));
    },

    drawPanel() {
      if (document.activeElement !== slider) slider.value = Math.round(swing * 100);
      setText(share, `${slider.value} %`);
      slider.disabled = app.grid.compound;
      slider.title = app.grid.compound ? 'Beats of three have no swing' : '';
    },

    loaded() {
      swing = app.grid.compound ? EVEN : swingOf(app.grid, app.document.drums);
    },

    keys(event) {
      const across = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      const far = event.shiftKey ? app.grid.stepsPerBeat : 1;
      if (across) at = { ...at, step: clamp(at.step + across * far, 0, lastStep(app.grid, swing)) };
      else if (down) {
        const row = at.row + down;
        // Past the first and the last row lie the other lanes.
        if (row < 0 || row >= rows().length) return false;
        at = { ...at, row };
      } else if (event.key === 'Home') at = { ...at, step: 0 };
      else if (event.key === 'End') at = { ...at, step: lastStep(app.grid, swing) };
      else if (event.key === 'Enter' || event.key === ' ') toggle(at);
      else if (event.key === 'Insert' || event.key === 'n') {
        if (!onAt(at)) toggle(at);
      } else if (event.key === 'Delete' || event.key === 'Backspace') {
        if (onAt(at)) toggle(at);
      } else return false;
      const time = stepTime(app.grid, at.step, swing);
      app.reveal(time, time + app.grid.step);
      app.draw();
      app.say(`${words(at)} ${onAt(at) ? 'on' : 'off'}`);
      cursor.focus({ preventScroll: true });
      return true;
    },
  });
  return lane;
}
