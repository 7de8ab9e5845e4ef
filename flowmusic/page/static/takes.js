// The list of takes: one player, equal loudness, stars, and the take that the tools below work on.

(() => {
  'use strict';

  // Of two scores of one control, the plainer one is shown.
  const SCORES = {
    chord_acc: 'chords', chord_iou: null, melody_pc: 'melody', melody_cos: null, onset_f1: 'drums', beat_f1: 'beats',
  };

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
      else if (value !== null && value !== undefined) element.setAttribute(key, value);
    }
    // What people wrote becomes text nodes, and never markup.
    element.append(...children);
    return element;
  }

  function clock(seconds) {
    const whole = Math.round(seconds || 0);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
  }

  // Loudness is made equal by turning down; the quietest few do not silence all others.
  function volumes(takes) {
    const gains = takes.map((take) => take.gain_db).sort((one, other) => one - other);
    const middle = gains[Math.floor(gains.length / 2)] || 0;
    const most = Math.min(gains[gains.length - 1] || 0, middle + 10);
    return Object.fromEntries(takes.map((take) => [take.name, Math.min(1, 10 ** ((take.gain_db - most) / 20))]));
  }

  function mount(element, { props, trigger, watch }) {
    const audio = make('audio', { controls: '', preload: 'metadata', 'aria-label': 'Player of the takes' });
    const equal = make('input', { type: 'checkbox', id: 'takes-equal', checked: '' });
    const keep = make('input', { type: 'checkbox', id: 'takes-keep', checked: '' });
    const list = make('ul', { 'aria-label': 'Takes, the newest first' });
    const empty = make('p', { class: 'tk-empty' }, 'Nothing here yet. What you generate is kept in this list.');
    const options = make('div', { class: 'tk-options' },
      make('label', { for: 'takes-equal' }, equal, 'equal loudness'),
      make('label', { for: 'takes-keep' }, keep, 'switch takes at the same place'));
    const place = element.querySelector('.tk-place');
    place.append(audio, options, empty, list);
    let playing = null;
    let value = read();

    function read() {
      const given = props.value && typeof props.value === 'object' ? props.value : {};
      return { takes: Array.isArray(given.takes) ? given.takes : [], chosen: given.chosen || '' };
    }

    function level() {
      const volume = volumes(value.takes)[playing];
      audio.volume = equal.checked && volume !== undefined ? volume : 1;
    }

    function load(take, at) {
      playing = take.name;
      audio.src = take.audio;
      level();
      if (at > 0) audio.addEventListener('loadedmetadata', () => { audio.currentTime = at; }, { once: true });
    }

    function toggle(take) {
      if (playing === take.name && !audio.paused) { audio.pause(); return; }
      if (playing !== take.name) load(take, keep.checked && !audio.ended ? audio.currentTime : 0);
      audio.play().catch(() => { /* another take was chosen meanwhile */ });
    }

    function send(event, take) {
      value = { ...value, chosen: take.name };
      props.value = value;
      draw();
      trigger(event);
    }

    function row(take) {
      const chosen = take.name === value.chosen;
      const on = playing === take.name && !audio.paused;
      const title = take.text || '(no words)';
      const scores = Object.entries(take.scores || {}).filter(([name]) => SCORES[name] !== null)
        .map(([name, score]) => `${SCORES[name] || name.replaceAll('_', ' ')} ${Math.round(100 * score)} %`);
      const facts = [clock(take.seconds), take.made, ...scores, `seed ${take.seed}`, take.model].filter(Boolean);
      return make('li', { class: chosen ? 'tk-chosen' : null, 'data-take': take.name },
        make('button', {
          type: 'button', class: 'tk-play', 'data-act': 'play', onclick: () => toggle(take),
          'aria-label': `${on ? 'Pause' : 'Play'} ${title}`,
        }, on ? '❚❚' : '▶'),
        make('button', {
          type: 'button', class: 'tk-name', 'data-act': 'choose', onclick: () => send('select', take),
          'aria-pressed': String(chosen), title: 'Work on this take',
        }, make('span', { class: 'tk-text' }, title), make('span', { class: 'tk-facts' }, facts.join(' · '))),
        make('button', {
          type: 'button', class: 'tk-star', 'data-act': 'star', onclick: () => send('like', take),
          'aria-pressed': String(Boolean(take.starred)), 'aria-label': `Star ${title}`,
        }, take.starred ? '★' : '☆'));
    }

    function draw() {
      const focused = document.activeElement && element.contains(document.activeElement)
        ? [document.activeElement.closest('li')?.dataset.take, document.activeElement.dataset.act] : null;
      empty.hidden = value.takes.length > 0;
      audio.hidden = options.hidden = value.takes.length === 0;
      list.replaceChildren(...value.takes.map(row));
      if (focused && focused[0]) {
        const again = [...list.children].find((item) => item.dataset.take === focused[0]);
        again?.querySelector(`[data-act="${focused[1]}"]`)?.focus();
      }
    }

    function update() {
      value = read();
      const first = value.takes.find((take) => take.name === value.chosen) || value.takes[0];
      // A new take is ready to be played, unless somebody listens to another.
      if (first && audio.paused && playing !== first.name) load(first, 0);
      if (!first) { playing = null; audio.removeAttribute('src'); }
      level();
      draw();
    }

    for (const event of ['play', 'pause', 'ended']) audio.addEventListener(event, draw);
    equal.addEventListener('change', level);
    watch('value', update);
    update();
  }

  window.flowmusicTakes = { mount };
})();
