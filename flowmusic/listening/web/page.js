"use strict";
// What a listener sees: one screen after the other, saved after every answer.

const test = LISTENING_TEST;
const main = document.getElementById("main");
const STORE = `flowmusic listening ${test.id} ${test.version}`;
const WORDS = ["excellent", "good", "fair", "poor", "bad"];
/** Of the scale of BS.1534, from the top. */
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

let state = null;
let list = [];
let buffers = null;
let context = null;
let volume = null;
let player = null;
let keys = () => {};
let timer = 0;

/** An element with attributes, listeners (onclick, ...) and children. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "html") element.innerHTML = value; // made safe where the page was made
    else if (key === "width") element.style.width = value;
    else if (key in element && typeof value !== "string") element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

function save() {
  try {
    localStorage.setItem(STORE, JSON.stringify(state));
  } catch {
    state.unsaved = true; // a browser that keeps nothing: the results can still be saved as a file
  }
}

function saved() {
  try {
    return JSON.parse(localStorage.getItem(STORE) || "null");
  } catch {
    return null;
  }
}

function begin() {
  const before = saved();
  const asked = new URLSearchParams(location.search).get("listener");
  const name = make("input", { type: "text", id: "listener", maxLength: 80, value: asked || before?.listener || "" });
  if (!name.value) name.value = `listener-${Math.random().toString(36).slice(2, 8)}`;
  const wrong = make("p", { class: "wrong", role: "alert" });
  const start = (resumed) => async () => {
    const listener = name.value.trim();
    if (!listener) {
      wrong.textContent = "Please give a name or a number, as you were told.";
      return;
    }
    state = resumed || { listener, uuid: identity(), at: 0, answers: {}, participant: {}, volume: 0.5 };
    list = screensOf(test, state.listener);
    try {
      await load();
    } catch (error) {
      main.replaceChildren(make("p", { class: "wrong", role: "alert" },
        `The sounds cannot be loaded (${error.message}). Keep all files of the test together, and try again.`));
      return;
    }
    show();
  };
  const going = before && (!asked || asked === before.listener) ? [make("button", { class: "main", id: "resume", type: "button",
    onclick: start(before) }, `Go on as ${before.listener}`)] : [];
  main.replaceChildren(
    make("h1", {}, test.name),
    make("p", {}, "Please use headphones in a quiet place, and leave the volume as it is once you have set it."),
    make("p", {}, make("label", { for: "listener" }, "Your name or number")), name, wrong,
    make("div", { class: "row" }, ...going,
      make("button", { class: going.length ? "" : "main", id: "start", type: "button", onclick: start(null) }, "Start")),
    make("p", { class: "soft" }, "Your answers stay in this browser until you save them as a file; nothing is sent."),
  );
}

function identity() {
  return crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function load() {
  // Made by a click, or browsers keep it silent.
  context = context || new AudioContext({ sampleRate: test.rate });
  await context.resume();
  if (!volume) {
    volume = context.createGain();
    volume.connect(context.destination);
  }
  volume.gain.value = state.volume;
  if (buffers) return;
  const done = make("div", { width: "0" });
  const said = make("p", { class: "soft", role: "status" });
  main.replaceChildren(make("h1", {}, "Loading the sounds"), make("div", { class: "bar" }, done), said);
  buffers = await loadSounds(context, test.sounds, (count, all) => {
    done.style.width = `${(100 * count) / all}%`;
    said.textContent = `${count} of ${all}`;
  });
}

function leave() {
  if (player?.playing) player.pause();
  player = null;
  cancelAnimationFrame(timer);
  keys = () => {};
}

function show() {
  leave();
  state.at = Math.min(state.at, list.length - 1);
  const screen = list[state.at];
  const { page } = screen;
  const opened = performance.now();
  const answer = state.answers[state.at] || {};
  const before = answer.time || 0;
  const next = make("button", { class: "main", id: "next", type: "button" }, state.at === list.length - 1 ? "Finish" : "Next");
  const wanted = make("p", { class: "soft", id: "wanted", role: "status" });
  const answered = () => {
    state.answers[state.at] = { ...answer, time: before + performance.now() - opened };
    save();
    const missing = screen.missing?.() || "";
    next.disabled = missing !== "";
    wanted.textContent = missing;
  };
  const body = BODIES[page.kind](screen, answer, answered);
  next.onclick = () => {
    answered();
    screen.left = true;
    state.at += 1;
    save();
    show();
  };
  const back = make("button", { type: "button", id: "back", disabled: state.at === 0, onclick: () => {
    answered();
    state.at -= 1;
    save();
    show();
  } }, "Back");
  main.replaceChildren(
    make("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": String(list.length),
      "aria-valuenow": String(state.at), "aria-label": "progress" },
      make("div", { width: `${(100 * state.at) / Math.max(1, list.length - 1)}%` })),
    make("h1", { tabindex: "-1" }, page.name || test.name),
    make("div", { id: "content", html: page.content }),
    body,
    ...(page.kind === "finish" ? [] : [wanted, make("div", { class: "foot" }, back, next)]),
  );
  answered();
  window.scrollTo(0, 0);
  main.querySelector("h1").focus({ preventScroll: true });
}

/** Buttons to play sounds by, and the line of time below them.  `heard` is told of each that is played. */
function transport(sounds, labels, page, heard) {
  player = new Player(context, sounds.map((key) => buffers.get(key)), volume);
  player.looping = page.options.loop;
  const mine = player;
  const seen = new Set();
  const buttons = sounds.map((_, index) => make("button", { type: "button", class: "sound", "aria-pressed": "false",
    title: `key ${index + 1}`, onclick: () => choose(index) }, labels[index]));
  const toggle = make("button", { type: "button", id: "play", title: "space", onclick: () => {
    if (mine.playing) mine.pause();
    else choose(mine.selected);
    draw();
  } }, "Play");
  const line = make("input", { type: "range", min: "0", max: String(mine.seconds), step: "0.01", value: "0",
    "aria-label": "position", oninput: () => {
      const running = mine.playing;
      if (running) mine.pause();
      mine.offset = Number(line.value);
      if (running) mine.play();
    } });
  const time = make("span", { class: "time soft" });
  function choose(index) {
    mine.select(index);
    if (!mine.playing) mine.play();
    seen.add(index);
    buttons[index].classList.add("heard");
    heard(seen);
    draw();
  }
  function draw() {
    if (player !== mine) return;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(mine.playing && index === mine.selected)));
    toggle.textContent = mine.playing ? "Pause" : "Play";
    const at = mine.position();
    line.value = String(at);
    time.textContent = `${at.toFixed(1)} / ${mine.seconds.toFixed(1)} s`;
    cancelAnimationFrame(timer);
    if (mine.playing) timer = requestAnimationFrame(draw);
  }
  mine.onend = draw;
  keys = (event) => {
    const index = "123456789".indexOf(event.key);
    if (index >= 0 && index < buttons.length) choose(index);
    else if (event.key === " ") toggle.click();
    else return;
    event.preventDefault();
  };
  const loops = page.options.loop ? make("div", { class: "row" },
    make("button", { type: "button", onclick: () => mine.loop(mine.position(), Math.max(mine.to, mine.position())) }, "Loop from here"),
    make("button", { type: "button", onclick: () => mine.loop(Math.min(mine.from, mine.position()), mine.position()) }, "Loop to here"),
    make("button", { type: "button", onclick: () => mine.loop(0, mine.seconds) }, "Loop all")) : "";
  draw();
  return { buttons, controls: make("div", { class: "transport" }, make("div", { class: "row" }, toggle, line, time), loops) };
}

function radios(name, legend, answers, chosen, change) {
  return make("fieldset", {}, make("legend", {}, legend), make("div", { class: "answers" }, ...answers.map(([value, label]) =>
    make("label", {}, make("input", { type: "radio", name, checked: value === chosen, onchange: () => change(value) }), label))));
}

/** Lets a screen say what is still to be done on it, in words; nothing where it is done. */
function demand(screen, sounds, rated) {
  const { options } = screen.page;
  screen.seen = screen.seen || new Set();
  screen.missing = () => {
    const answered = rated();
    // Who comes back to what is answered need not listen again.
    if (options.played && screen.seen.size < sounds && !(answered && screen.left)) return "Please listen to every sound.";
    return options.rated && !answered ? "Please answer." : "";
  };
}

const BODIES = {
  generic: () => make("div"),
  consent: (screen, answer, answered) => {
    screen.missing = () => (answer.agreed ? "" : "Please tick the box to go on.");
    return make("div", { class: "answers" }, make("label", {}, make("input", { type: "checkbox", checked: Boolean(answer.agreed),
      onchange: (event) => { answer.agreed = event.target.checked; answered(); } }), "I agree"));
  },
  volume: (screen, answer, answered) => {
    if (!answer.set) volume.gain.value = state.volume = screen.page.options.volume;
    const { buttons, controls } = transport([screen.stimuli[0].sound], ["Play the sound"], screen.page, () => {});
    const slider = make("input", { type: "range", min: "0", max: "1", step: "0.01", value: String(state.volume), id: "volume",
      oninput: () => { volume.gain.value = state.volume = Number(slider.value); answer.set = true; answered(); } });
    return make("div", {}, make("div", { class: "row" }, ...buttons), controls,
      make("label", { for: "volume" }, "Volume"), slider);
  },
  mushra: (screen, answer, answered) => {
    const { page, stimuli } = screen;
    answer.values = answer.values || stimuli.map(() => null);
    demand(screen, stimuli.length + 1, () => answer.values.every((value) => value !== null));
    const labels = ["Reference", ...stimuli.map(({ name }, index) => (page.options.names ? name : LETTERS[index]))];
    const { buttons, controls } = transport([page.reference, ...stimuli.map((each) => each.sound)], labels, page,
      (seen) => { screen.seen = seen; answered(); });
    const scales = stimuli.map((_, index) => {
      const told = make("output", {}, answer.values[index] ?? "–");
      const slider = make("input", { type: "range", min: "0", max: "100", step: "1", value: String(answer.values[index] ?? 50),
        class: answer.values[index] === null ? "untouched" : "", "aria-label": `rating of ${labels[index + 1]}`, oninput: rate,
        onchange: rate, onclick: rate });
      function rate() {
        answer.values[index] = Number(slider.value);
        told.textContent = slider.value;
        slider.className = "";
        answered();
      }
      return make("div", { class: "scale" }, buttons[index + 1], slider, told);
    });
    return make("div", {}, make("div", { class: "row" }, buttons[0]), controls, make("div", { class: "mushra" },
      make("div", { class: "words" }, ...WORDS.map((word) => make("span", {}, word))), make("div", { class: "scales" }, ...scales)));
  },
  paired_comparison: (screen, answer, answered) => pair(screen, answer, answered, true),
  preference: (screen, answer, answered) => pair(screen, answer, answered, false),
  likert_single_stimulus: (screen, answer, answered) => likert(screen, answer, answered),
  likert_multi_stimulus: (screen, answer, answered) => likert(screen, answer, answered),
  finish: (screen) => finish(screen.page),
};

function pair(screen, answer, answered, told) {
  const { page, stimuli } = screen;
  const given = told ? [[page.reference, "X"]] : page.given ? [[page.given, "To follow"]] : [];
  const sounds = [...given, ...stimuli.map((each, index) => [each.sound, LETTERS[index]])];
  demand(screen, sounds.length, () => answer.choice !== undefined);
  const { buttons, controls } = transport(sounds.map(([key]) => key), sounds.map(([, label]) => label), page,
    (seen) => { screen.seen = seen; answered(); });
  const answers = [[0, "A"], [1, "B"], ...(page.unforced ? [[-1, page.unforced]] : [])];
  return make("div", {}, make("div", { class: "row" }, ...buttons), controls,
    radios("choice", told ? "Which one is the same as X?" : "Which one do you prefer?", answers, answer.choice, (value) => {
      answer.choice = value;
      answered();
    }));
}

function likert(screen, answer, answered) {
  const { page, stimuli } = screen;
  answer.values = answer.values || stimuli.map(() => null);
  const given = page.given ? [[page.given, "To follow"]] : [];
  const many = stimuli.length > 1;
  const labels = stimuli.map(({ name }, index) => (page.options.names ? name : many ? LETTERS[index] : "The music"));
  const sounds = [...given, ...stimuli.map((each, index) => [each.sound, labels[index]])];
  demand(screen, sounds.length, () => answer.values.every((value) => value !== null));
  const { buttons, controls } = transport(sounds.map(([key]) => key), sounds.map(([, label]) => label), page,
    (seen) => { screen.seen = seen; answered(); });
  const answers = page.response.map(({ value, label }) => [value, label]);
  return make("div", {}, make("div", { class: "row" }, ...buttons), controls, ...stimuli.map((_, index) =>
    radios(`rating-${index}`, many ? labels[index] : "Your answer", answers, answer.values[index], (value) => {
      answer.values[index] = value;
      answered();
    })));
}

function finish(page) {
  const fields = page.questionnaire.map((each) => {
    const change = (value) => { state.participant[each.name] = value; save(); ready(); };
    if (each.type === "likert") {
      return radios(`asked-${each.name}`, each.label, each.response, state.participant[each.name], change);
    }
    const input = make(each.type === "long_text" ? "textarea" : "input", {
      ...(each.type === "long_text" ? {} : { type: each.type }), id: `asked-${each.name}`, oninput: () => change(input.value),
      ...(each.min === undefined ? {} : { min: String(each.min) }), ...(each.max === undefined ? {} : { max: String(each.max) }) });
    input.value = state.participant[each.name] ?? each.default ?? "";
    if (input.value) state.participant[each.name] = input.value;
    return make("p", {}, make("label", { for: input.id }, each.label), make("br"), input);
  });
  const stem = `${test.id}-${state.listener}`.replace(/[^\w.-]+/g, "-");
  const file = (suffix, type, text) => () => {
    const link = make("a", { href: URL.createObjectURL(new Blob([text()], { type })), download: stem + suffix });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `Saved as ${stem}${suffix}. Please hand this file in.`;
  };
  const session = () => sessionOf(test, state, list);
  const said = make("p", { id: "said", role: "status" });
  const json = make("button", { class: "main", id: "save-json", type: "button",
    onclick: file(".json", "application/json", () => JSON.stringify(session(), null, 1)) }, "Save my answers");
  const tables = Object.entries(TABLES).filter(([kind]) => tableOf(session(), kind) !== null).map(([kind, [name]]) =>
    make("button", { type: "button", id: `save-${name}`, onclick: file(`-${name}.csv`, "text/csv", () => tableOf(session(), kind)) },
      `${name}.csv`));
  function ready() {
    const missing = page.questionnaire.some((each) => !each.optional && !String(state.participant[each.name] ?? "").trim());
    for (const button of [json, ...tables]) button.disabled = missing;
    said.textContent = missing ? "Please answer the questions above." : "";
  }
  ready();
  return make("div", {}, ...fields, make("div", { class: "row" }, json),
    make("details", {}, make("summary", { class: "soft" }, "as tables"), make("div", { class: "row" }, ...tables)), said,
    make("div", { class: "foot" }, make("button", { type: "button", id: "back", onclick: () => {
      state.at -= 1;
      save();
      show();
    } }, "Back")));
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea") && event.target.type !== "radio") return;
  if (event.key === " " && event.target.matches("button, input, summary")) return;
  if (!event.ctrlKey && !event.altKey && !event.metaKey) keys(event);
});

begin();
