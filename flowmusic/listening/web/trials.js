"use strict";
// From a test to the screens of one listener, and from their answers to results as webMUSHRA writes them.

/** A generator of numbers from 0 to below 1 for a text (FNV-1a into mulberry32): the same on every machine. */
function seeded(text) {
  let state = 2166136261;
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 16777619);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The same things in another order (Fisher-Yates). */
function shuffled(things, random) {
  const order = [...things];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** The screens of one listener: each page once, or once for each pair or sound that it asks about. */
function screensOf(test, listener) {
  const random = seeded(`${test.id} ${listener}`);
  const flat = (group) => {
    const pages = group.pages.map((each) => (each.pages ? flat(each) : screens(each, random)));
    return (group.shuffled ? shuffled(pages, random) : pages).flat();
  };
  return flat(test.pages);
}

function screens(page, random) {
  const order = page.options.randomize ? shuffled(page.stimuli, random) : page.stimuli;
  const reference = { name: "reference", sound: page.reference };
  switch (page.kind) {
    case "paired_comparison":
      return order.map((each) => ({ page, stimuli: shuffled([reference, each], random) }));
    case "preference": {
      const pairs = [];
      for (let first = 0; first < page.stimuli.length; first += 1) {
        for (let second = first + 1; second < page.stimuli.length; second += 1) {
          pairs.push({ page, stimuli: shuffled([page.stimuli[first], page.stimuli[second]], random) });
        }
      }
      return shuffled(pairs, random);
    }
    case "likert_single_stimulus":
      return order.map((each) => ({ page, stimuli: [each] }));
    default:
      return [{ page, stimuli: order }];
  }
}

/** Whether a screen asks for something. */
function isJudged(page) {
  return !["generic", "consent", "volume", "finish"].includes(page.kind);
}

/** What a listener said, in the form of webMUSHRA's session. */
function sessionOf(test, state, screens) {
  const trials = new Map();
  screens.forEach(({ page, stimuli }, number) => {
    const answer = state.answers[number];
    if (!isJudged(page) || !answer) return;
    const place = `${page.kind} ${page.id}`;
    if (!trials.has(place)) trials.set(place, { type: page.kind, id: page.id, responses: [] });
    trials.get(place).responses.push(...responses(page, stimuli, answer));
  });
  const names = Object.keys(state.participant);
  return {
    testId: test.id,
    testname: test.name,
    version: test.version,
    uuid: state.uuid,
    participant: {
      name: ["listener", ...names],
      response: [state.listener, ...names.map((name) => state.participant[name])],
    },
    trials: [...trials.values()],
  };
}

function responses(page, stimuli, answer) {
  const time = Math.round(answer.time || 0);
  const comment = answer.comment || "";
  if (page.kind === "mushra") {
    return stimuli.map(({ name }, index) => ({ stimulus: name, score: answer.values[index], time, comment }));
  }
  if (page.kind === "paired_comparison") {
    const other = stimuli.find((each) => each.name !== "reference");
    const chosen = stimuli[answer.choice];
    const said = !chosen ? "undecided" : chosen.name === "reference" ? "correct" : "incorrect";
    return [{ reference: "reference", nonReference: other.name, answer: said, time, comment }];
  }
  if (page.kind === "preference") {
    const chosen = stimuli[answer.choice];
    return [{ a: stimuli[0].name, b: stimuli[1].name, answer: chosen ? chosen.name : "undecided", time, comment }];
  }
  return stimuli.map(({ name }, index) => ({ stimulus: name, stimulusRating: answer.values[index], time }));
}

/** Names of files, columns and keys of each kind, as webMUSHRA has them (preference is ours). */
const TABLES = {
  mushra: ["mushra", { rating_stimulus: "stimulus", rating_score: "score", rating_time: "time", rating_comment: "comment" }],
  paired_comparison: ["paired_comparison", {
    choice_reference: "reference", choice_non_reference: "nonReference", choice_answer: "answer", choice_time: "time",
    choice_comment: "comment",
  }],
  preference: ["preference", { choice_a: "a", choice_b: "b", choice_answer: "answer", choice_time: "time", choice_comment: "comment" }],
  likert_single_stimulus: ["lss", { stimuli_rating: "stimulusRating", stimuli: "stimulus", rating_time: "time" }],
  likert_multi_stimulus: ["lms", { stimuli_rating: "stimulusRating", stimuli: "stimulus", rating_time: "time" }],
};

/** The results of one kind as CSV; null where there are none. */
function tableOf(session, kind) {
  const columns = TABLES[kind][1];
  const rows = session.trials
    .filter((trial) => trial.type === kind)
    .flatMap((trial) => trial.responses.map((each) => [
      session.testId, ...session.participant.response, session.uuid, trial.id,
      ...Object.values(columns).map((key) => each[key]),
    ]));
  if (!rows.length) return null;
  const head = ["session_test_id", ...session.participant.name, "session_uuid", "trial_id", ...Object.keys(columns)];
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** A cell of CSV.  What a spreadsheet would take for a formula gets a quotation mark before it. */
function cell(value) {
  let text = value === null || value === undefined ? "" : String(value);
  if (/^[=+@\t\r]/.test(text) || /^-\D/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
