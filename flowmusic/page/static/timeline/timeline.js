// The timeline: one document with undo, lanes that draw it, and the value that Python sees.

import { makeChordLane } from './chord_lane.js';
import { make, setText } from './dom.js';
import { makeDrumLane } from './drum_lane.js';
import { makeHelp } from './help.js';
import { makeHistory } from './history.js';
import { listen } from './keyboard.js';
import { makeMelodyLane } from './melody_lane.js';
import { makePlayer } from './player.js';
import { makeRuler } from './ruler.js';
import { makeSectionLane } from './section_lane.js';
import { followTheme } from './theme.js';
import { clamp, tidy } from './time.js';
import { makeToolbar } from './toolbar.js';
import { readValue, writeValue } from './value.js';
import { allowed, fitting } from './view.js';
import { makeWaveLane } from './wave_lane.js';

let mounted = 0;

// What Gradio hands to a script: the element, its properties, events, Python's functions and changes from there.
export function mount(element, { props, trigger, server, watch, chordNames }) {
  mounted += 1;
  const number = mounted;
  const first = readValue(props.value);
  const root = make('div', { class: 'tl', role: 'group', 'aria-label': props.label || 'Timeline' });
  // What Python has: a value that comes back unchanged is no news.
  let sent = JSON.stringify(props.value);
  let draft = null;
  let fitted = true;

  const app = {
    root, server, chordNames,
    shown: first.shown,
    history: makeHistory(first.document),
    view: { pixels: 50, left: 0, width: 600 },
    ui: { lane: 'chords', panel: 'chords', selected: {}, snap: 'beat', position: 0 },
    get grid() { return app.shown.grid; },
    get document() { return app.history.present; },
    get previewing() { return draft !== null; },
    name: (part) => `timeline-${number}-${part}`,

    // Pixels of a time or a length, of the whole, and the time under a pointer.
    x: (time) => time * app.view.pixels,
    width: () => app.grid.seconds * app.view.pixels,
    timeAt: (clientX) => (
      clamp((clientX - ruler.track.getBoundingClientRect().left) / app.view.pixels, 0, app.grid.seconds)
    ),

    // An edit by the person: one step of undo, and Python's new value.
    commit(next, message) {
      draft = null;
      app.history.commit(next);
      send();
      app.draw();
      if (message) app.say(message);
    },
    // An edit that is not finished; null gives it up.
    preview(next) {
      draft = next;
      app.draw();
    },
    undo() { travel(app.history.undo(), 'Undone', 'There is nothing to undo'); },
    redo() { travel(app.history.redo(), 'Done again', 'There is nothing to do again'); },

    say(text, wrong = false) {
      status.classList.toggle('tl-wrong', wrong);
      setText(status, text);
    },

    lane: () => lanes.find((lane) => lane.name === app.ui.lane),
    enter(name) {
      if (app.ui.lane === name) return;
      app.ui.lane = name;
      drawFrame();
    },
    select(name, id) {
      if (app.ui.lane === name && app.ui.selected[name] === id) return;
      // A field that is left writes to what was chosen until now.
      const active = document.activeElement;
      if (active?.matches('.tl-field') && root.contains(active)) active.blur();
      app.ui.lane = name;
      app.ui.selected[name] = id;
      app.draw();
    },
    // The lane above or below.
    step(by) {
      const index = lanes.findIndex((lane) => lane.name === app.ui.lane) + by;
      if (index < 0 || index >= lanes.length) return;
      app.enter(lanes[index].name);
      lanes[index].focus();
    },

    seek(time) {
      app.follow(clamp(time, 0, app.grid.seconds));
      app.player.seek(app.ui.position);
      ruler.draw();
    },
    // The position as it plays; the lanes follow where it leaves their window.
    follow(time) {
      app.ui.position = tidy(Math.min(time, app.grid.seconds));
      drawPosition();
      if (app.player.playing) app.reveal(app.ui.position, app.ui.position);
    },

    // Factor of the zoom about the middle or about a time; 0 shows the whole.
    zoom(factor, about = null) {
      fitted = factor === 0;
      const middle = about ?? (app.view.left + app.view.width / 2) / app.view.pixels;
      const inside = app.x(middle) - app.view.left;
      const wish = factor === 0 ? app.view.width / app.grid.seconds : app.view.pixels * factor;
      app.view.pixels = allowed(app.grid, app.view.width, wish);
      app.draw();
      scroller.scrollLeft = app.x(middle) - inside;
      measure();
      app.draw();
    },
    // Scroll until a span is in sight.
    reveal(start, end) {
      const [from, to, edge] = [app.x(start), app.x(end), 24];
      if (from - edge < app.view.left) scroller.scrollLeft = Math.max(0, from - edge);
      else if (to + edge > app.view.left + app.view.width) {
        scroller.scrollLeft = Math.min(from - edge, to + edge - app.view.width + 0.25 * app.view.width);
      } else return;
      measure();
      app.draw();
    },

    draw() {
      const focused = root.contains(document.activeElement) ? app.lane() : null;
      ruler.draw();
      for (const lane of lanes) if (lane !== ruler) lane.draw(draft || app.document);
      drawFrame();
      drawPosition();
      // What had the focus may be gone.
      if (focused && !root.contains(document.activeElement)) focused.focus();
    },
    drawBar: () => toolbar.draw(),
  };

  app.player = makePlayer(app);
  app.help = makeHelp();
  const toolbar = makeToolbar(app);
  const ruler = makeRuler(app);
  const kinds = [makeWaveLane, makeSectionLane, makeChordLane, makeMelodyLane, makeDrumLane];
  const lanes = [ruler, ...kinds.map((makeKind) => makeKind(app))];
  const cursor = make('div', { class: 'tl-cursor', 'aria-hidden': 'true' });
  const shade = make('div', { class: 'tl-shade', 'aria-hidden': 'true' });
  const inner = make('div', { class: 'tl-inner' }, ...lanes.map((lane) => lane.row), shade, cursor);
  const scroller = make('div', { class: 'tl-scroll' }, inner);
  const panels = make('div', { class: 'tl-panels' }, ...lanes.flatMap((lane) => lane.panel || []));
  const status = make('div', { class: 'tl-status', role: 'status', 'aria-live': 'polite' });
  root.append(toolbar.element, scroller, panels, status, app.help);
  element.replaceChildren(root);

  function send() {
    const value = writeValue(app.document, app.shown);
    sent = JSON.stringify(value);
    props.value = value;
    trigger('input');
  }

  function travel(done, message, otherwise) {
    draft = null;
    if (done) send();
    app.draw();
    app.say(done ? message : otherwise);
  }

  // What surrounds the lanes: the panel of the one that is entered, the bar, the region across all lanes.
  function drawFrame() {
    // The position and the region have no panel: the last one stays, for what is put at the position.
    if (app.lane().panel) app.ui.panel = app.ui.lane;
    for (const lane of lanes) {
      lane.row.classList.toggle('tl-entered', lane.name === app.ui.lane);
      if (!lane.panel) continue;
      lane.panel.hidden = lane.name !== app.ui.panel;
      if (!lane.panel.hidden) lane.drawPanel();
    }
    root.classList.toggle('tl-compared', app.shown.recognised !== null);
    const { region } = draft || app.document;
    shade.hidden = region === null;
    if (region !== null) {
      const start = app.x((region[0] - 1) * app.grid.bar);
      shade.style.setProperty('--x', `${start}px`);
      shade.style.width = `${Math.min(app.x(region[1] * app.grid.bar), app.width()) - start}px`;
    }
    inner.style.setProperty('--bar', `${app.x(app.grid.bar)}px`);
    inner.style.setProperty('--beat', `${app.x(app.grid.beat)}px`);
    toolbar.draw();
  }

  function drawPosition() {
    cursor.style.setProperty('--x', `${app.x(app.ui.position)}px`);
    toolbar.drawPosition();
  }

  function measure() {
    app.view.left = scroller.scrollLeft;
    const head = ruler.row.firstChild.getBoundingClientRect().width;
    app.view.width = Math.max(80, scroller.clientWidth - head);
  }

  function load(value) {
    const next = readValue(value);
    const same = JSON.stringify(writeValue(app.document, app.shown).annotations)
      === JSON.stringify(writeValue(next.document, next.shown).annotations);
    app.shown = next.shown;
    // A new take of the same music leaves what is chosen and undone as it is; other music is a step to undo.
    if (!same || JSON.stringify(app.document.region) !== JSON.stringify(next.document.region)) {
      app.history.commit(same ? { ...app.document, region: next.document.region } : next.document);
    }
    if (!same) app.ui.selected = {};
    start();
  }

  function start() {
    app.player.load(app.shown.audio);
    app.ui.position = Math.min(app.ui.position, app.grid.seconds);
    for (const lane of lanes) lane.loaded?.();
    fit();
  }

  // The zoom that shows the whole, until the person chooses one.
  function fit() {
    measure();
    app.view.pixels = fitted ? fitting(app.grid, app.view.width) : allowed(app.grid, app.view.width, app.view.pixels);
    app.draw();
  }

  listen(app);
  followTheme(root);
  scroller.addEventListener('scroll', () => requestAnimationFrame(() => {
    if (scroller.scrollLeft === app.view.left) return;
    measure();
    app.draw();
  }), { passive: true });
  scroller.addEventListener('wheel', (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    app.zoom(Math.exp(-event.deltaY / 300), app.timeAt(event.clientX));
  }, { passive: false });
  new ResizeObserver(() => {
    const before = app.view.width;
    measure();
    if (app.view.width !== before) fit();
  }).observe(scroller);
  new MutationObserver(() => app.draw()).observe(root, { attributes: true, attributeFilter: ['data-theme'] });
  watch('value', () => {
    const text = JSON.stringify(props.value);
    if (text === sent) return;
    sent = text;
    load(props.value);
  });
  start();
  return app;
}
