// Plays the chosen take; the position follows.

// An address on this page's own server, or null: the page asks nothing of any other host.
export function ownAddress(address) {
  if (!address) return null;
  try {
    const url = new URL(address, window.location.href);
    return url.origin === window.location.origin || url.protocol === 'blob:' ? url.href : null;
  } catch {
    return null;
  }
}

export function makePlayer(app) {
  let audio = null;
  let loaded = null;

  function follow() {
    if (audio === null || audio.paused || !app.root.isConnected) return;
    app.follow(audio.currentTime);
    requestAnimationFrame(follow);
  }

  const player = {
    get playing() { return audio !== null && !audio.paused; },
    get ready() { return loaded !== null; },
    load(address) {
      const own = ownAddress(address);
      if (own === loaded) return;
      audio?.pause();
      loaded = own;
      audio = own === null ? null : new Audio();
      if (audio === null) return;
      audio.preload = 'metadata';
      audio.src = own;
      for (const event of ['play', 'pause', 'ended']) audio.addEventListener(event, () => app.drawBar());
      audio.addEventListener('play', () => {
        // One take at a time.
        for (const other of document.querySelectorAll('audio')) if (other !== audio) other.pause();
        follow();
      });
    },
    async toggle() {
      if (audio === null) {
        app.say('There is no take to play yet.');
        return;
      }
      if (!audio.paused) {
        audio.pause();
        return;
      }
      if (app.ui.position >= app.grid.seconds - 0.01) app.seek(0);
      audio.currentTime = app.ui.position;
      try {
        await audio.play();
      } catch {
        app.say('The take cannot be played; choose it again.', true);
      }
    },
    seek(time) { if (audio !== null) audio.currentTime = time; },
  };
  return player;
}
