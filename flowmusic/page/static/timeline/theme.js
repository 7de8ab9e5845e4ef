// Light or dark: the page's own choice where it makes one, else the system's.

export function followTheme(root) {
  const system = window.matchMedia('(prefers-color-scheme: dark)');
  const chosen = root.closest('.gradio-container') !== null;
  const update = () => {
    // Gradio sets this class both for the system's choice and for the person's.
    const dark = chosen ? root.closest('.dark') !== null : system.matches;
    root.dataset.theme = dark ? 'dark' : 'light';
  };
  const watcher = new MutationObserver(() => {
    if (root.isConnected) update();
    else watcher.disconnect();
  });
  for (const element of [document.documentElement, document.body]) {
    watcher.observe(element, { attributes: true, attributeFilter: ['class'] });
  }
  system.addEventListener('change', update);
  update();
}
