// Where bars, beats and steps are.  Times are seconds, bars count from 1 for people and from 0 inside.

// Times that differ by less come from rounding.
export const EPSILON = 1e-6;

// A value is written with six decimals, a thousandth of what anybody hears.
export function tidy(time) {
  return Math.round(time * 1e6) / 1e6;
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

// 6/8, 9/8 and 12/8 are felt in dotted quarters, which divide into three and not into two.
export function isCompound(meter) {
  const match = /^(\d+)\/(8|16)$/.exec(meter || '');
  return match !== null && Number(match[1]) > 3 && Number(match[1]) % 3 === 0;
}

// The one grid of a timeline: its first bar begins at 0 s, and its last may be cut by the end.
export function makeGrid(seconds, bpm, beatsPerBar, meter = null) {
  const beat = 60 / bpm;
  const bar = beat * beatsPerBar;
  const stepsPerBeat = isCompound(meter) ? 6 : 4;
  const bars = Math.max(1, Math.ceil(seconds / bar - EPSILON));
  return {
    seconds, bpm, beatsPerBar, beat, bar, bars, stepsPerBeat,
    step: beat / stepsPerBeat,
    stepsPerBar: stepsPerBeat * beatsPerBar,
    compound: stepsPerBeat === 6,
  };
}

export const SNAPS = [['bar', 'bar'], ['beat', 'beat'], ['half', '½ beat'], ['off', 'off']];

// Seconds that times are rounded to; 0 for none.
export function snapUnit(grid, mode) {
  return { bar: grid.bar, beat: grid.beat, half: grid.beat / 2, off: 0 }[mode];
}

export function snapped(time, unit) {
  return unit > 0 ? Math.round(time / unit) * unit : time;
}

// The beginning of the unit that a time lies in.
export function unitStart(time, unit) {
  return unit > 0 ? Math.floor(time / unit + EPSILON) * unit : time;
}

// How far a key press moves something: a twentieth of a beat where nothing snaps.
export function nudge(grid, mode) {
  return snapUnit(grid, mode) || grid.beat / 20;
}

// Number of the bar that a time lies in, from 1.
export function barOf(grid, time) {
  return clamp(Math.floor(time / grid.bar + EPSILON) + 1, 1, grid.bars);
}

// A time in words: "bar 2 beat 3", or "bar 2 beat 3.5" between beats.
export function inWords(grid, time) {
  const bar = Math.floor(time / grid.bar + EPSILON);
  const beat = Math.round(((time - bar * grid.bar) / grid.beat) * 100) / 100 + 1;
  return `bar ${bar + 1} beat ${beat}`;
}

// A time as a display of a recorder shows it: 2.3.
export function inDigits(grid, time) {
  const bar = Math.floor(time / grid.bar + EPSILON);
  const beat = Math.floor((time - bar * grid.bar) / grid.beat + EPSILON);
  return `${bar + 1}.${beat + 1}`;
}
