// Keys of the whole timeline; what a lane does not take comes here.

const TYPING = 'input:not([type=range]), textarea, select';

export function listen(app) {
  app.root.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.target.closest('dialog')) return;
    const command = event.ctrlKey || event.metaKey;
    // In a field Ctrl Z takes letters back.
    if (event.target.matches(TYPING)) return;
    if (command) {
      const key = event.key.toLowerCase();
      if (key === 'z' && event.shiftKey || key === 'y') app.redo();
      else if (key === 'z') app.undo();
      else return;
      event.preventDefault();
      return;
    }
    const inLane = event.target.closest('.tl-track') !== null;
    if ((inLane && app.lane()?.keys(event)) || common(app, event, inLane)) {
      event.preventDefault();
      event.stopPropagation();
    }
  });
}

function common(app, event, inLane) {
  switch (event.key) {
    case '+': case '=': app.zoom(1.5); return true;
    case '-': case '_': case '−': app.zoom(1 / 1.5); return true;
    case '0': app.zoom(0); return true;
    case '?': app.help.showModal(); return true;
    case 'p': case 'P': app.player.toggle(); return true;
    case ' ':
      // A button is pressed by Space.
      if (!inLane) return false;
      app.player.toggle();
      return true;
    case 'ArrowUp': case 'ArrowDown':
      if (!inLane) return false;
      app.step(event.key === 'ArrowUp' ? -1 : 1);
      return true;
    default: return false;
  }
}
