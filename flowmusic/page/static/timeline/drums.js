// Hits of kick, snare and hat on a grid of steps, with swing.
// Drums are null where they are not known, or {kick, snare, hat, other}: ascending seconds; other drums have no class.

import { EPSILON, clamp, tidy } from './time.js';

export const CLASSES = ['kick', 'snare', 'hat'];
export const ROWS = [...CLASSES, 'other'];
export const EVEN = 0.5;
export const MOST_SWING = 0.75;

export function noDrums() {
  return { kick: [], snare: [], hat: [], other: [] };
}

// When step n is struck.  Swing is the share of a pair of steps that its first one lasts: 1/2 is even, 2/3 triplets.
export function stepTime(grid, step, swing) {
  const pair = Math.floor(step / 2);
  return tidy((pair * 2 + (step % 2) * 2 * swing) * grid.step);
}

// The step whose time is nearest.
export function stepOf(grid, time, swing) {
  const about = Math.floor(time / grid.step);
  let best = 0;
  for (let step = Math.max(0, about - 1); step <= about + 2; step += 1) {
    if (Math.abs(stepTime(grid, step, swing) - time) < Math.abs(stepTime(grid, best, swing) - time)) best = step;
  }
  return clamp(best, 0, lastStep(grid, swing));
}

// The last step that begins before the end.
export function lastStep(grid, swing) {
  let step = Math.ceil(grid.seconds / grid.step);
  while (step > 0 && stepTime(grid, step, swing) >= grid.seconds - EPSILON) step -= 1;
  return step;
}

// Hits of a class that belong to a step.
function within(grid, times, step, swing) {
  return times.filter((time) => stepOf(grid, time, swing) === step);
}

export function isOn(grid, drums, row, step, swing) {
  return drums !== null && within(grid, drums[row], step, swing).length > 0;
}

// A step of a row turned on or off.
export function put(grid, drums, row, step, swing, on) {
  const all = drums || noDrums();
  const others = all[row].filter((time) => stepOf(grid, time, swing) !== step);
  const times = on ? [...others, stepTime(grid, step, swing)].sort((a, b) => a - b) : others;
  return { ...all, [row]: times };
}

// Every hit on a step moved from one swing to another; hits between the steps stay as far from theirs.
export function reswung(grid, drums, from, to) {
  if (drums === null) return null;
  const move = (time) => {
    const step = stepOf(grid, time, from);
    return tidy(Math.max(0, time + stepTime(grid, step, to) - stepTime(grid, step, from)));
  };
  return Object.fromEntries(ROWS.map((row) => [row, unique(drums[row].map(move))]));
}

function unique(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted.filter((time, index) => index === 0 || time > sorted[index - 1] + EPSILON);
}

// The swing that hits were written with: how far the odd steps lie behind the middle of their pairs, in the mean.
export function swingOf(grid, drums) {
  if (drums === null) return EVEN;
  const shares = [];
  for (const row of ROWS) {
    for (const time of drums[row]) {
      const share = (time / (2 * grid.step)) % 1;
      // What lies nearer to the beginning of a pair, this one or the next, is a hit on an even step.
      if (share >= 0.4 && share <= 0.8) shares.push(share);
    }
  }
  if (shares.length === 0) return EVEN;
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
  return Math.round(clamp(mean, EVEN, MOST_SWING) * 100) / 100;
}

export function count(drums) {
  return drums === null ? 0 : ROWS.reduce((sum, row) => sum + drums[row].length, 0);
}

// All onsets: a kick and a hat together are one.
export function onsets(drums) {
  return unique(ROWS.flatMap((row) => drums[row]));
}
