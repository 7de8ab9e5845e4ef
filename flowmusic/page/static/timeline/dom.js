// Elements without markup: whatever a person wrote is only ever the text of a node.

// An element with attributes and children; strings become text.  Attributes that begin with "on" are listeners.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

// Written only where it differs, so that nothing is laid out or announced again for nothing.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

export function place(element, left, width) {
  element.style.left = `${left.toFixed(2)}px`;
  element.style.width = `${width.toFixed(2)}px`;
}

// The children of a layer as one element for each item, kept from one drawing to the next by the item's key.
export function keyed(layer) {
  const elements = new Map();
  return function draw(items, keyOf, create, update) {
    const wanted = new Set(items.map(keyOf));
    for (const [key, element] of elements) {
      if (!wanted.has(key)) {
        element.remove();
        elements.delete(key);
      }
    }
    let before = null;
    for (const item of items) {
      const key = keyOf(item);
      let element = elements.get(key);
      if (element === undefined) {
        element = create(item);
        elements.set(key, element);
      }
      // Moved only where its place is another, for an element that is moved loses the focus.
      const next = before === null ? layer.firstChild : before.nextSibling;
      if (element !== next) layer.insertBefore(element, next);
      update(element, item);
      before = element;
    }
    return elements;
  };
}
