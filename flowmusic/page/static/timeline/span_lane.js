// A lane of spans: choose, add, move, resize and delete them by pointer and by keys.
//
// The lane's own ways come as options:
//   least()                   seconds of the shortest span
//   fresh(time, event)        a new span that begins about there, or at the position where there is no event
//   move(spans, span, start, dy)       spans with one moved; dy are pixels downwards
//   resize(spans, span, side, time)    spans with one end moved
//   dress(element, span)      label, colour and place across the lane
//   words(span)               the span as a screen reader says it
//   edit(span, event)         what Enter and a double click do
//   up(spans, span, steps)    what the arrows up and down do; left out where they lead to the next lane

import { draggable } from './drag.js';
import { keyed, make, place, setAttribute } from './dom.js';
import { find, overlaid, removed, resized } from './spans.js';
import { nudge, snapped, snapUnit } from './time.js';
import { sees } from './view.js';

export function makeSpanLane(app, lane, options) {
  const { name } = lane;
  const draw = keyed(lane.asked);
  let elements = new Map();

  const spans = () => app.document[name];
  const selected = () => find(spans(), app.ui.selected[name]);
  const commit = (next, message) => app.commit({ ...app.document, [name]: next }, message);

  function choose(span) {
    app.select(name, span === null ? null : span.id);
    if (span !== null) app.reveal(span.start, span.end);
    lane.focus();
  }

  function add() {
    const span = options.fresh(null, null);
    if (span === null) {
      app.say('There is no room for another one here.');
      return null;
    }
    commit(overlaid(spans(), span), `Added ${options.words(span)}`);
    choose(find(spans(), span.id));
    return span;
  }

  // Add one, and ask for its name where the lane has such.
  function begin(event) {
    const span = add();
    options.added?.(span, event);
  }

  function remove(span) {
    const all = spans();
    const index = all.indexOf(span);
    const next = all[index + 1] || all[index - 1] || null;
    const left = removed(all, span.id);
    app.select(name, next === null ? null : next.id);
    commit(left.length ? left : null, `Deleted ${options.words(span)}`);
    lane.focus();
  }

  function dragSpan(down, id) {
    down.stopPropagation();
    const before = app.document;
    const span = find(before[name], id);
    if (span === null) return null;
    app.select(name, id);
    lane.focus();
    const { side } = down.target.dataset;
    let next = null;
    return {
      move(event, dx, dy) {
        const unit = event.altKey ? 0 : snapUnit(app.grid, app.ui.snap);
        const time = snapped((side ? span[side] : span.start) + dx / app.view.pixels, unit);
        next = side ? options.resize(before[name], span, side, time) : options.move(before[name], span, time, dy);
        app.preview({ ...before, [name]: next });
      },
      end(event, moved) {
        if (moved && next) commit(next, `${side ? 'Resized' : 'Moved'} ${options.words(find(next, id) || span)}`);
      },
      cancel() { app.preview(null); },
    };
  }

  // On empty ground: a tap adds one, a drag draws its length, and a finger that scrolls does neither.
  function dragGround(down) {
    const before = app.document;
    const fresh = options.fresh(app.timeAt(down.clientX), down);
    app.enter(name);
    let next = null;
    const grown = (event) => {
      const unit = snapUnit(app.grid, app.ui.snap);
      const end = snapped(app.timeAt(event.clientX), event.altKey ? 0 : unit);
      return resized(fresh, 'end', end, options.least(), app.grid.seconds);
    };
    return {
      move(event) {
        if (fresh === null) return;
        next = overlaid(before[name], grown(event));
        app.preview({ ...before, [name]: next });
      },
      end(event, moved) {
        if (fresh === null) return;
        commit(moved && next ? next : overlaid(before[name], fresh), `Added ${options.words(fresh)}`);
        choose(find(spans(), fresh.id));
        options.added?.(find(spans(), fresh.id), event);
      },
      cancel() { app.preview(null); },
    };
  }

  draggable(lane.track, dragGround);

  function create(span) {
    const attributes = { class: `tl-block tl-block-${name}`, role: 'button', tabindex: '-1', 'data-id': span.id };
    const element = make('div', attributes,
      make('span', { class: 'tl-handle', 'data-side': 'start' }),
      make('span', { class: 'tl-label' }),
      make('span', { class: 'tl-handle', 'data-side': 'end' }));
    element.addEventListener('focus', () => app.select(name, span.id));
    draggable(element, (down) => dragSpan(down, span.id));
    element.addEventListener('dblclick', (event) => options.edit(find(spans(), span.id), event));
    return element;
  }

  const step = (by) => {
    const all = spans() || [];
    if (all.length === 0) return;
    const index = all.indexOf(selected());
    const near = all.findIndex((span) => span.end > app.ui.position);
    const next = index < 0 ? all[near < 0 ? all.length - 1 : near] : all[index + by];
    if (next !== undefined) choose(next);
  };

  function shift(event, span) {
    const by = nudge(app.grid, app.ui.snap) * (event.key === 'ArrowLeft' ? -1 : 1);
    const next = event.shiftKey
      ? options.resize(spans(), span, 'end', span.end + by)
      : options.move(spans(), span, span.start + by, 0);
    const there = find(next, span.id);
    commit(next, options.words(there));
    app.reveal(there.start, there.end);
    lane.focus();
  }

  Object.assign(lane, {
    add, remove, selected,

    edit(event) {
      const span = selected();
      if (span !== null) options.edit(span, event);
    },

    focus() {
      const element = elements.get(app.ui.selected[name]) || lane.asked.querySelector('[tabindex="0"]') || lane.track;
      element.focus({ preventScroll: true });
    },

    draw(document) {
      const all = document[name] || [];
      const chosen = app.ui.selected[name];
      const stop = find(all, chosen) ? chosen : all.find((span) => sees(app.view, span.start, span.end))?.id;
      const seen = all.filter((span) => span.id === stop || sees(app.view, span.start, span.end));
      lane.drawCommon(document);
      elements = draw(seen, (span) => span.id, create, (element, span) => {
        place(element, app.x(span.start), Math.max(2, app.x(span.end - span.start) - 1));
        setAttribute(element, 'tabindex', span.id === stop ? '0' : '-1');
        setAttribute(element, 'aria-label', options.words(span));
        element.classList.toggle('tl-selected', span.id === chosen);
        element.classList.toggle('tl-narrow', app.x(span.end - span.start) < 30);
        options.dress(element, span);
      });
      setAttribute(lane.track, 'tabindex', seen.length ? '-1' : '0');
    },

    // Whether the key was one of the lane's.
    keys(event) {
      const span = selected();
      const horizontal = event.key === 'ArrowLeft' || event.key === 'ArrowRight';
      const vertical = event.key === 'ArrowUp' || event.key === 'ArrowDown';
      if (horizontal && (event.altKey || event.shiftKey)) {
        if (span !== null) shift(event, span);
      } else if (horizontal) step(event.key === 'ArrowLeft' ? -1 : 1);
      else if (vertical && options.up && span !== null) {
        const steps = (event.key === 'ArrowUp' ? 1 : -1) * (event.shiftKey ? 12 : 1);
        const next = options.up(spans(), span, steps);
        commit(next, options.words(find(next, span.id)));
        lane.focus();
      } else if (event.key === 'Home' || event.key === 'End') {
        const all = spans() || [];
        if (all.length) choose(all[event.key === 'Home' ? 0 : all.length - 1]);
      } else if (event.key === 'Enter') {
        if (span === null) begin(event);
        else options.edit(span, event);
      } else if (event.key === 'Insert' || event.key === 'n') begin(event);
      else if ((event.key === 'Delete' || event.key === 'Backspace') && span !== null) remove(span);
      else if (event.key === 'Escape' && span !== null) {
        app.select(name, null);
        lane.track.focus({ preventScroll: true });
      } else return options.keys?.(event, span) || false;
      return true;
    },
  });
  return lane;
}

// Where a new span begins that nobody pointed at: behind the chosen one, or at the position.
export function nextStart(app, lane) {
  const span = lane.selected();
  return span !== null && span.end < app.grid.seconds - app.grid.step ? span.end : app.ui.position;
}
