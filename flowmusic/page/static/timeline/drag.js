// One way to drag, for mouse, pen and finger.

// A finger trembles more than a mouse.
const SLACK = { mouse: 3, pen: 4, touch: 8 };

// Calls `begin(event)` when a pointer goes down; what it returns is told of the rest: move(event, dx, dy) once the
// pointer has left its place, end(event, moved), and cancel() for Escape or when the browser scrolls instead.
export function draggable(element, begin) {
  element.addEventListener('pointerdown', (down) => {
    if (down.button !== 0) return;
    const drag = begin(down);
    if (!drag) return;
    let moved = false;
    const slack = SLACK[down.pointerType] ?? 4;

    const move = (event) => {
      if (event.pointerId !== down.pointerId) return;
      const dx = event.clientX - down.clientX;
      const dy = event.clientY - down.clientY;
      if (!moved && Math.hypot(dx, dy) < slack) return;
      if (!moved) element.setPointerCapture?.(down.pointerId);
      moved = true;
      drag.move?.(event, dx, dy);
    };
    const up = (event) => {
      if (event.pointerId !== down.pointerId) return;
      stop();
      drag.end?.(event, moved);
    };
    const cancel = (event) => {
      if (event.pointerId !== undefined && event.pointerId !== down.pointerId) return;
      stop();
      drag.cancel?.();
    };
    const escape = (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      cancel(event);
    };
    const stop = () => {
      window.removeEventListener('pointermove', move);
      window.removeEventListener('pointerup', up);
      window.removeEventListener('pointercancel', cancel);
      window.removeEventListener('keydown', escape, true);
    };
    window.addEventListener('pointermove', move);
    window.addEventListener('pointerup', up);
    window.addEventListener('pointercancel', cancel);
    window.addEventListener('keydown', escape, true);
  });
}
