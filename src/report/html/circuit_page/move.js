// The view: zoom, pointer, keys, search.

function fit() {
  const known = places.filter(Boolean);
  if (known.length === 0) return redraw();
  const [left, right] = [Math.min(...known.map(place => place.x)) - WIDTH, Math.max(...known.map(place => place.x)) + WIDTH];
  const [top, bottom] = [-HEIGHT * (data.spans.length > 0 ? 2.4 : 1.2), Math.max(...known.map(place => place.y)) + HEIGHT * 1.2];
  const [width, height] = [stage.clientWidth || 800, stage.clientHeight || 600];
  state.scale = Math.min(width / (right - left), height / (bottom - top), 1.6);
  state.x = (width - (left + right) * state.scale) / 2;
  state.y = (height - (top + bottom) * state.scale) / 2;
  redraw();
}

function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(8, Math.max(0.05, state.scale * factor));
  state.x = x - (x - state.x) * scale / state.scale;
  state.y = y - (y - state.y) * scale / state.scale;
  state.scale = scale;
  redraw();
}

// ---- Pointer

let drag = null;
overlay.addEventListener('wheel', event => {
  event.preventDefault();
  const area = stage.getBoundingClientRect();
  zoom(Math.exp(-event.deltaY * 0.0015), event.clientX - area.left, event.clientY - area.top);
}, { passive: false });
overlay.addEventListener('pointerdown', event => {
  drag = { x: event.clientX, y: event.clientY, moved: false };
});
addEventListener('pointerup', () => {
  drag = null;
  overlay.classList.remove('dragging');
});
overlay.addEventListener('pointermove', event => {
  if (drag) {
    if (!drag.moved && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 4) return;
    drag.moved = true;
    overlay.classList.add('dragging');
    state.x += event.clientX - drag.x;
    state.y += event.clientY - drag.y;
    [drag.x, drag.y] = [event.clientX, event.clientY];
    hideBox();
    return redraw();
  }
  const shape = event.target.closest('.node');
  const node = shape ? Number(shape.dataset.node) : null;
  const edge = shape ? null : nearestEdge(event);
  if (node !== state.pointed || edge !== state.edge) {
    [state.pointed, state.edge] = [node, edge];
    redraw();
  }
  if (node !== null) showBox(describeNode(node), event.clientX, event.clientY);
  else if (edge !== null) showBox(describeEdge(edge), event.clientX, event.clientY);
  else hideBox();
});
overlay.addEventListener('pointerleave', () => {
  [state.pointed, state.edge] = [null, null];
  hideBox();
  redraw();
});
overlay.addEventListener('click', event => {
  const shape = event.target.closest('.node');
  if (shape) select(Number(shape.dataset.node));
});

// The edge within six pixels of the pointer, if any; of several the nearest.
function nearestEdge(event) {
  const area = stage.getBoundingClientRect();
  const x = (event.clientX - area.left - state.x) / state.scale, y = (event.clientY - area.top - state.y) / state.scale;
  let best = null, least = (6 / state.scale) ** 2;
  for (let index = 0; index < state.shown.length; index += 1) {
    const start = index * SAMPLES * 2, end = start + (SAMPLES - 1) * 2;
    for (let at = start; at < end; at += 2) {
      const [px, py, dx, dy] = [lines[at], lines[at + 1], lines[at + 2] - lines[at], lines[at + 3] - lines[at + 1]];
      const along = Math.max(0, Math.min(1, ((x - px) * dx + (y - py) * dy) / (dx * dx + dy * dy || 1)));
      const distance = (px + along * dx - x) ** 2 + (py + along * dy - y) ** 2;
      if (distance < least) [best, least] = [state.shown[index], distance];
    }
  }
  return best;
}

// ---- Keyboard: one stop for tabs, arrow keys within

let current = null;
function rove() {
  if (current === null || !places[current]) current = nodesAt.get('logits')?.find(node => places[node]) ?? null;
  shapes.forEach((shape, index) => shape.setAttribute('tabindex', index === current ? '0' : '-1'));
}

function neighbour(from, dx, dy) {
  let best = null, least = Infinity;
  places.forEach((place, index) => {
    if (!place || index === from) return;
    const x = place.x - places[from].x, y = place.y - places[from].y;
    const ahead = x * dx + y * dy, aside = Math.abs(x * dy) + Math.abs(y * dx);
    if (ahead > 1 && (dx === 0 || aside < ROW / 3) && ahead + 0.4 * aside < least) [best, least] = [index, ahead + 0.4 * aside];
  });
  return best;
}

overlay.addEventListener('keydown', event => {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (steps[event.key] && current !== null) {
    const next = neighbour(current, ...steps[event.key]);
    if (next !== null) focusNode(next);
  } else if (current !== null && (event.key === 'Enter' || event.key === ' ')) select(current);
  else if (event.key === 'Escape') select(null);
  else if (event.key === '+') zoom(1.25);
  else if (event.key === '-') zoom(0.8);
  else if (event.key === '0') fit();
  else return;
  event.preventDefault();
});

function focusNode(node) {
  current = node;
  rove();
  const x = places[node].x * state.scale + state.x, y = places[node].y * state.scale + state.y;
  if (x < 4 || x > stage.clientWidth - 4) state.x += stage.clientWidth / 2 - x;
  if (y < 4 || y > stage.clientHeight - 4) state.y += stage.clientHeight / 2 - y;
  shapes[node].focus({ preventScroll: true });
}
overlay.addEventListener('focusin', event => {
  const shape = event.target.closest('.node');
  if (!shape || !shape.matches(':focus-visible')) return;
  current = Number(shape.dataset.node);
  state.pointed = current;
  redraw();
  const area = shape.getBoundingClientRect();
  showBox(describeNode(current), area.right, area.bottom);
});
overlay.addEventListener('focusout', () => {
  state.pointed = null;
  hideBox();
  redraw();
});

// ---- Search

function search() {
  const wanted = element('search').value.trim().toLowerCase();
  const layer = /^(?:layer|l)\s*(\d+)$/.exec(wanted);
  const matches = node => layer ? node.layer === Number(layer[1]) : node.name.toLowerCase().includes(wanted);
  state.found = new Set(wanted ? nodes.flatMap((node, index) => places[index] && matches(node) ? [index] : []) : []);
  shapes.forEach((shape, index) => {
    shape.classList.toggle('found', state.found.has(index));
    shape.classList.toggle('dim', wanted !== '' && !state.found.has(index));
  });
  element('search-text').textContent = wanted ? `${state.found.size} of ${places.filter(Boolean).length} nodes` : '';
}
