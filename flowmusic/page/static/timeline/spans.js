// Spans in time order of which no two overlap: chords, notes and sections are all of this kind.
// Every function returns new spans; a span is {id, start, end, ...}.

import { EPSILON, clamp, tidy } from './time.js';

let last = 0;

// Names by which the page tells spans apart; they never leave it.
export function newId() {
  last += 1;
  return `s${last}`;
}

function ordered(spans) {
  return [...spans].sort((a, b) => a.start - b.start);
}

export function find(spans, id) {
  return (spans || []).find((span) => span.id === id) || null;
}

// The span that covers a time.
export function at(spans, time) {
  return (spans || []).find((span) => span.start <= time + EPSILON && time < span.end - EPSILON) || null;
}

// Put a span where it says; what lies under it is cut, split or taken away.
export function overlaid(spans, span) {
  const kept = [];
  for (const other of spans || []) {
    if (other.id === span.id) continue;
    if (other.end <= span.start + EPSILON || other.start >= span.end - EPSILON) {
      kept.push(other);
      continue;
    }
    if (other.start < span.start - EPSILON) kept.push({ ...other, end: span.start });
    if (other.end > span.end + EPSILON) {
      // The rest behind it keeps the name, unless the part before it has; an earlier rest may have the next one.
      let { id } = other;
      if (other.start < span.start - EPSILON) do id += '+'; while (find(spans, id) !== null);
      kept.push({ ...other, id, start: span.end });
    }
  }
  return ordered([...kept, { ...span, start: tidy(span.start), end: tidy(span.end) }]);
}

export function removed(spans, id) {
  return (spans || []).filter((span) => span.id !== id);
}

export function changed(spans, id, change) {
  return (spans || []).map((span) => (span.id === id ? { ...span, ...change } : span));
}

// The span begun elsewhere, as long as before and within the time there is.
export function moved(span, start, seconds) {
  const length = span.end - span.start;
  const from = clamp(start, 0, Math.max(0, seconds - length));
  return { ...span, start: tidy(from), end: tidy(from + length) };
}

// One end of a span at another time; at least `least` seconds are left of it.
export function resized(span, side, time, least, seconds) {
  if (side === 'start') return { ...span, start: tidy(clamp(time, 0, span.end - least)) };
  return { ...span, end: tidy(clamp(time, span.start + least, seconds)) };
}

// Drag a border of chords or sections: a neighbour that touches it gives or takes what the other loses.
export function borderMoved(spans, id, side, time, least, seconds) {
  const index = spans.findIndex((span) => span.id === id);
  const span = spans[index];
  const neighbour = spans[side === 'start' ? index - 1 : index + 1];
  const edge = span[side];
  const opposite = side === 'start' ? 'end' : 'start';
  const touches = neighbour !== undefined && Math.abs(neighbour[opposite] - edge) < EPSILON;
  let low = side === 'start' ? 0 : span.start + least;
  let high = side === 'start' ? span.end - least : seconds;
  if (neighbour !== undefined) {
    if (side === 'start') low = touches ? neighbour.start + least : neighbour.end;
    else high = touches ? neighbour.end - least : neighbour.start;
  }
  // Where both are shorter than the least there is nothing to give.
  if (low > high) return spans;
  const there = tidy(clamp(time, low, high));
  return spans.map((each, place) => {
    if (place === index) return { ...each, [side]: there };
    return touches && each.id === neighbour.id ? { ...each, [opposite]: there } : each;
  });
}

// Where a new span may end that begins at a time: one length later, or at the next span.
export function room(spans, start, length, seconds) {
  const next = (spans || []).find((span) => span.start > start + EPSILON);
  return Math.min(start + length, next ? next.start : seconds, seconds);
}
