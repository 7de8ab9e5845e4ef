// How far the chosen take follows what was asked, bar by bar: 0..1, or null for a bar in which nothing was asked.

import { onsets } from './drums.js';
import { EPSILON } from './time.js';

// Drums are counted as struck within this many seconds.
const NEAR = 0.07;

function overlap(a, b, from, to) {
  return Math.max(0, Math.min(a.end, b.end, to) - Math.max(a.start, b.start, from));
}

// Share of the time that was asked for in which the same is heard.
function shareOfTime(asked, heard, from, to, same) {
  let known = 0;
  let right = 0;
  for (const span of asked) {
    known += overlap(span, span, from, to);
    for (const other of heard) if (same(span, other)) right += overlap(span, other, from, to);
  }
  return known < EPSILON ? null : Math.min(1, right / known);
}

// F-measure of the onsets between two times, each matched with the next free one that is near enough.
function onsetMeasure(allAsked, allHeard, from, to) {
  // A hit that comes a little early belongs to the bar it begins.
  const within = (times) => times.filter((time) => time >= from - NEAR / 2 && time < to - NEAR / 2);
  const asked = within(allAsked);
  const heard = within(allHeard);
  if (asked.length === 0) return null;
  let matched = 0;
  let next = 0;
  for (const time of asked) {
    while (next < heard.length && heard[next] < time - NEAR) next += 1;
    if (next < heard.length && heard[next] <= time + NEAR) {
      matched += 1;
      next += 1;
    }
  }
  return (2 * matched) / (asked.length + heard.length);
}

const JUDGES = {
  chords: (asked, heard, from, to) => shareOfTime(asked, heard, from, to, (a, b) => a.label === b.label),
  // An octave apart is the same melody, as adherence is measured by chroma too.
  melody: (asked, heard, from, to) => shareOfTime(asked, heard, from, to, (a, b) => (a.midi - b.midi) % 12 === 0),
  drums: onsetMeasure,
};

// One value for each bar of the grid; null where there is nothing to compare.
export function perBar(lane, asked, heard, grid) {
  const judge = JUDGES[lane];
  if (!judge || !asked || !heard) return null;
  const [wanted, found] = lane === 'drums' ? [onsets(asked), onsets(heard)] : [asked, heard];
  return Array.from({ length: grid.bars }, (_, bar) => (
    judge(wanted, found, bar * grid.bar, Math.min((bar + 1) * grid.bar, grid.seconds))
  ));
}
