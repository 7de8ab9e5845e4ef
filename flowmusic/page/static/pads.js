// Three pads to tap a beat on, and a button to tap the tempo: by mouse, finger or key.

(() => {
  'use strict';

  const PADS = [['kick', 'F'], ['snare', 'J'], ['hat', 'K']];
  const SHOWN_MS = 120;

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  function mount(element, { props, trigger }) {
    let hits = [];
    let taps = [];
    const now = () => performance.now() / 1000;
    const told = make('p', { class: 'pd-told', role: 'status' }, 'Press F, J, K while a pad has the focus, or tap.');
    const pads = make('div', { class: 'pd-pads', role: 'group', 'aria-label': 'Drum pads' });
    const buttons = {};

    function show(text) { told.textContent = text; }

    function hit(kind) {
      const first = hits.length ? hits[0][0] : now();
      hits.push(hits.length ? [now(), kind] : [first, kind]);
      buttons[kind].classList.add('pd-on');
      setTimeout(() => buttons[kind].classList.remove('pd-on'), SHOWN_MS);
      show(`${hits.length} ${hits.length === 1 ? 'hit' : 'hits'}; “Use this beat” puts them on the timeline`);
    }

    for (const [kind, key] of PADS) {
      const button = make('button', { type: 'button', 'data-pad': kind }, kind, make('kbd', {}, key));
      button.addEventListener('pointerdown', (event) => { event.preventDefault(); button.focus(); hit(kind); });
      button.addEventListener('keydown', (event) => {
        if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
        const pad = PADS.find(([, letter]) => letter === event.key.toUpperCase());
        const own = event.key === ' ' || event.key === 'Enter' ? [kind] : pad;
        if (!own) return;
        event.preventDefault();
        hit(own[0]);
      });
      buttons[kind] = button;
      pads.append(button);
    }

    function sent(event, value) {
      props.value = value;
      trigger(event);
    }

    function button(text, act) {
      const made = make('button', { type: 'button', class: 'pd-tool' }, text);
      made.addEventListener('click', act);
      return made;
    }

    const tempo = button('Tap the tempo', () => {
      const time = now();
      // A pause of two seconds begins anew.
      taps = taps.length && time - taps[taps.length - 1] > 2 ? [time] : [...taps, time].slice(-9);
      show(taps.length < 4 ? `${4 - taps.length} more for a tempo` : 'tempo set; go on for a better one');
      if (taps.length >= 4) sent('submit', { taps: taps.map((tap) => tap - taps[0]), hits: [] });
    });
    const use = button('Use this beat', () => {
      const start = hits.length ? hits[0][0] : 0;
      sent('input', { taps: [], hits: hits.map(([time, kind]) => [time - start, kind]) });
    });
    const clear = button('Clear', () => { hits = []; show('cleared'); });
    element.querySelector('.pd-place').append(pads, make('div', { class: 'pd-tools' }, use, tempo, clear), told);
  }

  window.flowmusicPads = { mount };
})();
