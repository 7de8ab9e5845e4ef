// Which part of the time is seen and how wide a second is: pixels to seconds and back.

import { clamp } from './time.js';

const LEAST_BAR = 60;
const MOST_STEP = 36;
const MOST_WIDTH = 4e6;

// Pixels a second at which the whole length is seen, or at which a bar is still wide enough to read.
export function fitting(grid, width) {
  return Math.max(width / grid.seconds, LEAST_BAR / grid.bar);
}

// The pixels a second that a wish comes to: no less than the whole, no more than a step as wide as a finger.
export function allowed(grid, width, pixels) {
  const most = Math.max(width / grid.seconds, Math.min(MOST_STEP / grid.step, MOST_WIDTH / grid.seconds));
  return clamp(pixels, width / grid.seconds, most);
}

// A span is drawn where any of it lies within the window, or within one window to either side.
export function sees(view, start, end) {
  const from = (view.left - view.width) / view.pixels;
  const to = (view.left + 2 * view.width) / view.pixels;
  return end >= from && start <= to;
}
