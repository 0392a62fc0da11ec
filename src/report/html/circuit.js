'use strict';
// The circuit of this page: drawn for any size of the ranking, to be searched, zoomed and asked for its parts.
// All texts from the data enter the page as text, never as markup.

const data = JSON.parse(document.getElementById('data').textContent);
const { nodes, edges } = data;
const edgeCount = edges.from.length;
const element = id => document.getElementById(id);
const stage = element('stage');
const canvas = stage.querySelector('canvas');
const paint = canvas.getContext('2d');
const SVG = 'http://www.w3.org/2000/svg';
const COLUMN = 62, ROW = 86, WIDTH = 50, HEIGHT = 24;
// Points of a line that the pointer is compared with.
const SAMPLES = 16;

const state = { mode: 'circuit', size: 0, shown: [], selected: null, pointed: null, edge: null, found: new Set(), scale: 1, x: 0, y: 0 };

// ---- Numbers as text

function short(number) {
  if (number === null || number === undefined) return '–';
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return number.toExponential(1);
  return number.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 || size === 0 ? 2 : 3);
}

const whole = number => number.toLocaleString('en');
const share = number => data.mass > 0 ? `${(100 * number / data.mass).toFixed(2)} % of the total |score|` : '';

function edgeName(edge) {
  const port = edges.port[edge] === '-' ? '' : `<${edges.port[edge]}>`;
  return `${nodes[edges.from[edge]].name}->${nodes[edges.to[edge]].name}${port}`;
}

// ---- Which edges a size shows

// Nodes whose output depends on what enters here: a group's heads share k and v, an MLP's neurons its input.
const neuronsOf = new Map();
nodes.forEach((node, index) => {
  if (node.kind === 'neuron') neuronsOf.set(node.layer, [...(neuronsOf.get(node.layer) || []), index]);
});
const headAt = new Map(nodes.map((node, index) => [node.name, index]));

function readBy(edge) {
  const to = edges.to[edge], node = nodes[to], port = edges.port[edge];
  if (node.kind === 'mlp') return [to, ...(neuronsOf.get(node.layer) || [])];
  if ((port === 'k' || port === 'v') && data.group > 1) {
    const heads = [];
    for (let head = node.number; head < node.number + data.group; head += 1) {
      const found = headAt.get(`a${node.layer}.h${head}`);
      if (found !== undefined) heads.push(found);
    }
    return heads;
  }
  return [to];
}
const readers = Array.from({ length: edgeCount }, (_, edge) => readBy(edge));

// Place of a node in the order in which a model computes.
const depth = nodes.map(node => node.name === 'logits' ? Infinity : node.layer === null ? -1 : 2 * node.layer + (node.kind === 'head' ? 0 : 1));
const byDepth = Array.from({ length: edgeCount }, (_, edge) => edge).sort((a, b) => depth[edges.from[a]] - depth[edges.from[b]]);

// Drops edges that lie on no path from the input to the logits, as curves do.
function withoutDangling(wanted) {
  const kept = new Uint8Array(edgeCount);
  for (const edge of wanted) kept[edge] = 1;
  const forward = nodes.map(node => node.name === 'input' || node.name === 'pos');
  for (const edge of byDepth) {
    if (kept[edge] && forward[edges.from[edge]]) for (const node of readers[edge]) forward[node] = true;
  }
  const live = new Uint8Array(edgeCount);
  const backward = nodes.map(node => node.name === 'logits');
  for (let place = byDepth.length - 1; place >= 0; place -= 1) {
    const edge = byDepth[place];
    if (!kept[edge] || !readers[edge].some(node => backward[node])) continue;
    live[edge] = 1;
    backward[edges.from[edge]] = true;
  }
  return wanted.filter(edge => live[edge] && forward[edges.from[edge]]);
}

const ofCircuit = [];
for (let edge = 0; edge < edgeCount; edge += 1) if (edges.kept[edge] === '1') ofCircuit.push(edge);
const ranked = edges.rank.filter((rank, edge) => rank === edge + 1).length;
const measured = data.curve.filter(point => point.asked <= ranked && point.asked > 0);

// Sizes that the slider has: each measured one, and steps of a few per cent between them.
function sliderSizes() {
  const sizes = new Set(measured.map(point => point.asked));
  for (let size = 1; size < ranked; size = Math.max(size + 1, Math.round(size * 1.04))) sizes.add(size);
  if (ranked > 0) sizes.add(ranked);
  return [...sizes].sort((a, b) => a - b);
}
const sizes = sliderSizes();

// Faithfulness of a size: measured, or between the sizes beside it.
function faithfulnessAt(size) {
  const exact = measured.find(point => point.asked === size);
  if (exact) return { value: exact.faithfulness, interval: exact.interval, accuracy: exact.accuracy };
  const known = [{ asked: 0, faithfulness: 0 }, ...data.curve].filter(point => point.faithfulness !== null);
  const above = known.find(point => point.asked > size);
  const below = known.findLast(point => point.asked < size);
  if (known.length < 2 || !above || !below) return null;
  const place = number => Math.log(1 + number);
  const part = (place(size) - place(below.asked)) / (place(above.asked) - place(below.asked));
  return { value: below.faithfulness + part * (above.faithfulness - below.faithfulness), between: [below.asked, above.asked] };
}

// ---- Places

// A head keeps its column and a layer its order at every size; layers without nodes take no room.
const columns = 1 + Math.max(0, ...nodes.filter(node => node.kind === 'head').map(node => node.number));
let places = [];
let lines = new Float32Array(0);

function arrange() {
  const used = new Set([headAt.get('input'), headAt.get('logits')]);
  for (const edge of state.shown) used.add(edges.from[edge]).add(edges.to[edge]);
  const layers = [...new Set([...used].map(node => nodes[node].layer).filter(layer => layer !== null))].sort((a, b) => a - b);
  const row = new Map(layers.map((layer, index) => [layer, layers.length - index]));
  const neurons = new Map();
  places = nodes.map((node, index) => {
    if (!used.has(index)) return null;
    if (node.name === 'logits') return { x: columns * COLUMN / 2, y: 0 };
    if (node.layer === null) return { x: columns * COLUMN / 2 + (node.name === 'pos' ? COLUMN : 0), y: (layers.length + 1) * ROW };
    const y = row.get(node.layer) * ROW;
    if (node.kind === 'head') return { x: (node.number + 0.5) * COLUMN, y: y + 14 };
    if (node.kind === 'mlp') return { x: (columns + 0.7) * COLUMN, y: y - 22 };
    const place = neurons.get(node.layer) || 0;
    neurons.set(node.layer, place + 1);
    return { x: (columns + 1.8 + place * 1.15) * COLUMN, y: y - 22 };
  });
  lines = new Float32Array(state.shown.length * SAMPLES * 2);
  state.shown.forEach((edge, index) => {
    const [a, b, c, d] = bend(edge);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const t = sample / (SAMPLES - 1), s = 1 - t;
      const at = (index * SAMPLES + sample) * 2;
      lines[at] = s * s * s * a.x + 3 * s * s * t * b.x + 3 * s * t * t * c.x + t * t * t * d.x;
      lines[at + 1] = s * s * s * a.y + 3 * s * s * t * b.y + 3 * s * t * t * c.y + t * t * t * d.y;
    }
  });
}

// The curve of an edge: from the top of its writer to the bottom of its reader, around what is between in one column.
function bend(edge) {
  const from = places[edges.from[edge]], to = places[edges.to[edge]];
  const port = { q: -WIDTH / 3, k: 0, v: WIDTH / 3, '-': 0 }[edges.port[edge]];
  const a = { x: from.x, y: from.y - HEIGHT / 2 }, d = { x: to.x + port, y: to.y + HEIGHT / 2 };
  const rows = (from.y - to.y) / ROW;
  const aside = Math.abs(a.x - d.x) < COLUMN / 2 && rows > 1.2 ? (WIDTH / 2 + 5 * Math.min(rows, 14)) * (a.x > columns * COLUMN / 2 ? 1 : -1) : 0;
  const reach = Math.max(22, (a.y - d.y) * 0.45);
  return [a, { x: a.x + aside * 1.4, y: a.y - reach }, { x: d.x + aside * 1.4, y: d.y + reach }, d];
}

// ---- Drawing

const KINDS = ['q', 'k', 'v', 'only', 'negative'];
let colours = {};

// Canvases know no variables of styles: an element of the page says what they are.
function readColours() {
  const probe = document.createElement('span');
  stage.append(probe);
  for (const name of [...KINDS, 'ink', 'accent']) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

const overlay = document.createElementNS(SVG, 'svg');
const plane = document.createElementNS(SVG, 'g');
overlay.append(plane);
stage.append(overlay);
const shapes = nodes.map((node, index) => {
  const group = document.createElementNS(SVG, 'g');
  group.setAttribute('class', `node ${node.kind}`);
  group.setAttribute('role', 'button');
  group.setAttribute('tabindex', '-1');
  group.dataset.node = index;
  const wide = node.kind === 'neuron' ? WIDTH + 14 : WIDTH;
  const rect = document.createElementNS(SVG, 'rect');
  for (const [name, value] of Object.entries({ x: -wide / 2, y: -HEIGHT / 2, width: wide, height: HEIGHT, rx: node.kind === 'mlp' ? 0 : node.kind === 'head' ? 5 : HEIGHT / 2 })) rect.setAttribute(name, value);
  const text = document.createElementNS(SVG, 'text');
  text.textContent = node.name;
  group.append(rect, text);
  return group;
});

let waiting = false;
function redraw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    draw();
  });
}

function kindOf(edge) {
  if (edges.score[edge] < 0) return 4;
  return { q: 0, k: 1, v: 2, '-': 3 }[edges.port[edge]];
}

// Eight widths, so that all lines of a width and a colour are one path.
function widthStep(edge) {
  if (!largest || edges.score[edge] === null) return 2;
  return Math.min(7, Math.floor(8 * Math.sqrt(Math.abs(edges.score[edge]) / largest)));
}
const largest = edges.score.reduce((most, score) => Math.max(most, Math.abs(score || 0)), 0);

function draw() {
  const started = performance.now();
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [stage.clientWidth, stage.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  paint.setTransform(1, 0, 0, 1, 0, 0);
  paint.clearRect(0, 0, canvas.width, canvas.height);
  paint.setTransform(ratio * state.scale, 0, 0, ratio * state.scale, ratio * state.x, ratio * state.y);
  plane.setAttribute('transform', `translate(${state.x} ${state.y}) scale(${state.scale})`);
  const focus = state.pointed ?? state.selected;
  const many = state.shown.length;
  const plain = many < 60 ? 0.85 : many < 400 ? 0.6 : many < 3000 ? 0.35 : 0.16;
  const strong = [];
  const groups = Array.from({ length: KINDS.length * 8 }, () => []);
  for (const edge of state.shown) {
    if (edge === state.edge || focus !== null && (edges.from[edge] === focus || edges.to[edge] === focus)) strong.push(edge);
    else groups[kindOf(edge) * 8 + widthStep(edge)].push(edge);
  }
  const stroke = (list, kind, step, alpha) => {
    if (list.length === 0) return;
    paint.beginPath();
    for (const edge of list) {
      const [a, b, c, d] = bend(edge);
      paint.moveTo(a.x, a.y);
      paint.bezierCurveTo(b.x, b.y, c.x, c.y, d.x, d.y);
    }
    paint.globalAlpha = alpha;
    paint.strokeStyle = colours[KINDS[kind]];
    paint.lineWidth = 0.7 + 0.5 * step;
    paint.setLineDash(kind === 4 ? [4 + step, 3] : []);
    paint.stroke();
  };
  groups.forEach((list, index) => stroke(list, Math.floor(index / 8), index % 8, focus === null ? plain : plain * 0.3));
  for (const edge of strong) stroke([edge], kindOf(edge), widthStep(edge) + (edge === state.edge ? 4 : 1), 1);
  stage.dataset.drawMilliseconds = (performance.now() - started).toFixed(2);
}

// ---- What is shown

function update(fits) {
  const wanted = state.mode === 'circuit' ? ofCircuit : Array.from({ length: state.size }, (_, edge) => edge);
  state.shown = state.mode === 'circuit' ? wanted : withoutDangling(wanted);
  state.edge = null;
  state.pointed = null;
  arrange();
  if (state.selected !== null && !places[state.selected]) select(null);
  summarise();
  shapes.forEach((shape, index) => {
    if (!places[index]) return shape.remove();
    shape.setAttribute('transform', `translate(${places[index].x} ${places[index].y})`);
    shape.setAttribute('aria-label', describeNode(index));
    if (!shape.parentNode) plane.append(shape);
  });
  rove();
  search();
  sizeText();
  if (fits) fit();
  redraw();
}

// Sums over the edges shown, of each node: |score| in and out, number of edges, rank by the sum.
let sums = [];
function summarise() {
  sums = nodes.map(() => ({ into: 0, out: 0, edges: 0, rank: null }));
  for (const edge of state.shown) {
    const size = Math.abs(edges.score[edge] || 0);
    sums[edges.from[edge]].out += size;
    sums[edges.to[edge]].into += size;
    sums[edges.from[edge]].edges += 1;
    sums[edges.to[edge]].edges += 1;
  }
  const order = nodes.map((_, index) => index).filter(index => places[index]);
  order.sort((a, b) => sums[b].into + sums[b].out - sums[a].into - sums[a].out || a - b);
  order.forEach((node, rank) => { sums[node].rank = rank + 1; });
}

function describeNode(node) {
  const { into, out, edges: count, rank } = sums[node];
  const scores = data.mass > 0 ? `\n|score| of its edges: ${short(into)} in, ${short(out)} out\n${share(into + out)}, rank ${rank} of ${places.filter(Boolean).length} nodes` : '';
  return `${nodes[node].name}\n${count} ${count === 1 ? 'edge' : 'edges'} shown${scores}`;
}

function describeEdge(edge) {
  const parts = [edgeName(edge)];
  if (edges.score[edge] !== null) parts.push(`score ${short(edges.score[edge])}, ${share(Math.abs(edges.score[edge]))}`);
  if (edges.rank[edge] !== null) parts.push(`rank ${whole(edges.rank[edge])} of ${whole(data.ranked ? data.total : edgeCount)}`);
  if (edges.effect && edges.effect[edge] !== null) parts.push(`effect of its removal on the metric, measured in the search: ${short(-edges.effect[edge])}`);
  parts.push(edges.kept[edge] === '1' ? 'in the circuit found' : 'not in the circuit found');
  return parts.join('\n');
}

function sizeText() {
  const output = element('size-text');
  output.replaceChildren();
  const add = (text, kind) => {
    const part = document.createElement('span');
    part.textContent = text;
    if (kind) part.className = kind;
    output.append(part, ' ');
  };
  const interval = range => range ? ` [${short(range[0])}, ${short(range[1])}]` : '';
  if (state.mode === 'circuit') {
    const { edges: count, faithfulness, interval: range } = data.circuit;
    add(`the circuit found: ${whole(count)} of ${whole(data.total)} edges.`);
    if (ofCircuit.length < count) add(`The ${whole(ofCircuit.length)} strongest are shown.`);
    if (faithfulness !== null) add(`Faithfulness ${short(faithfulness)}${interval(range)} (measured)`, 'measured');
  } else {
    const at = faithfulnessAt(state.size);
    add(`${whole(state.size)} of ${whole(data.ranked ? data.total : edgeCount)} edges, ${whole(state.shown.length)} on a path from input to logits.`);
    if (!at || at.value === null) add('Faithfulness was not measured.');
    else if (at.between) add(`Faithfulness about ${short(at.value)}: interpolated between ${whole(at.between[0])} and ${whole(at.between[1])} edges, not measured`, 'interpolated');
    else add(`Faithfulness ${short(at.value)}${interval(at.interval)}, accuracy ${short(at.accuracy)} (measured)`, 'measured');
  }
  element('size').setAttribute('aria-valuetext', output.textContent);
}

// ---- Place of the view

function fit() {
  const known = places.filter(Boolean);
  const [left, right] = [Math.min(...known.map(place => place.x)) - WIDTH, Math.max(...known.map(place => place.x)) + WIDTH];
  const [top, bottom] = [-HEIGHT * 1.2, Math.max(...known.map(place => place.y)) + HEIGHT * 1.2];
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
  if (current === null || !places[current]) current = headAt.get('logits');
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
  } else if (event.key === 'Enter' || event.key === ' ') select(current);
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
  if (x < 20 || x > stage.clientWidth - 20) state.x += stage.clientWidth / 2 - x;
  if (y < 20 || y > stage.clientHeight - 20) state.y += stage.clientHeight / 2 - y;
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
  const matches = node => layer ? node.layer === Number(layer[1]) : node.name.startsWith(wanted) || node.name.includes(wanted);
  state.found = new Set(wanted ? nodes.flatMap((node, index) => places[index] && matches(node) ? [index] : []) : []);
  shapes.forEach((shape, index) => {
    shape.classList.toggle('found', state.found.has(index));
    shape.classList.toggle('dim', wanted !== '' && !state.found.has(index));
  });
  element('search-text').textContent = wanted ? `${state.found.size} of ${places.filter(Boolean).length} nodes` : '';
}

// ---- Details of a node

function select(node) {
  if (state.selected !== null) shapes[state.selected].classList.remove('selected');
  state.selected = node;
  if (node !== null) {
    current = node;
    rove();
    shapes[node].classList.add('selected');
  }
  showDetails(node);
  redraw();
}

function make(name, text, parent) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function showDetails(node) {
  const details = element('details');
  details.replaceChildren();
  if (node === null) return;
  make('h3', nodes[node].name, details);
  for (const line of describeNode(node).split('\n').slice(1)) make('div', line, details);
  showAttention(nodes[node].name, details);
  const both = make('div', undefined, details);
  both.className = 'columns';
  edgeTable('Strongest edges into it', state.shown.filter(edge => edges.to[edge] === node), both);
  edgeTable('Strongest edges out of it', state.shown.filter(edge => edges.from[edge] === node), both);
}

function edgeTable(title, list, parent) {
  if (list.length === 0) return;
  const table = make('table', undefined, parent);
  make('caption', list.length > 20 ? `${title}: 20 of ${list.length}` : title, table);
  const row = make('tr', undefined, make('thead', undefined, table));
  for (const heading of ['edge', 'score', 'rank', ...(edges.effect ? ['effect'] : [])]) make('th', heading, row).scope = 'col';
  const body = make('tbody', undefined, table);
  const strongest = [...list].sort((a, b) => Math.abs(edges.score[b] || 0) - Math.abs(edges.score[a] || 0) || a - b);
  for (const edge of strongest.slice(0, 20)) {
    const cells = make('tr', undefined, body);
    make('td', edgeName(edge), cells);
    const numbers = [short(edges.score[edge]), edges.rank[edge] === null ? '–' : whole(edges.rank[edge])];
    if (edges.effect) numbers.push(edges.effect[edge] === null ? '–' : short(-edges.effect[edge]));
    for (const number of numbers) make('td', number, cells).className = 'number';
  }
}

const LEVELS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

function showAttention(name, parent) {
  const head = data.attention.heads.find(it => it.head === name);
  if (!head) return;
  make('h4', 'Attention on held-out prompts: rows look at columns', parent);
  const list = make('div', undefined, parent);
  list.className = 'columns';
  data.attention.prompts.forEach(({ tokens }, prompt) => {
    const pattern = Array.from(head.patterns[prompt], letter => LEVELS.indexOf(letter) / 63);
    drawAttention(tokens, pattern, list);
  });
}

// A pattern as a picture, with the strongest looks as text.
function drawAttention(tokens, pattern, parent) {
  const count = tokens.length, cell = Math.max(8, Math.min(18, Math.floor(420 / count))), room = 84;
  const figure = make('figure', undefined, parent);
  const picture = make('canvas', undefined, figure);
  picture.setAttribute('role', 'img');
  const side = room + count * cell;
  const ratio = window.devicePixelRatio || 1;
  [picture.width, picture.height] = [side * ratio, side * ratio];
  picture.style.width = picture.style.height = `${side}px`;
  const pen = picture.getContext('2d');
  pen.scale(ratio, ratio);
  pen.fillStyle = colours.ink;
  pen.font = `${Math.min(12, cell)}px sans-serif`;
  pen.textBaseline = 'middle';
  const shown = tokens.map(token => token.replace(/\n/g, '⏎').slice(0, 12));
  shown.forEach((token, index) => {
    pen.textAlign = 'right';
    pen.fillText(token, room - 4, room + (index + 0.5) * cell, room - 6);
    pen.save();
    pen.translate(room + (index + 0.5) * cell, room - 4);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = 'left';
    pen.fillText(token, 0, 0, room - 6);
    pen.restore();
  });
  pen.strokeStyle = colours.ink;
  pen.globalAlpha = 0.4;
  pen.strokeRect(room - 0.5, room - 0.5, count * cell + 1, count * cell + 1);
  pen.fillStyle = colours.q;
  pattern.forEach((value, index) => {
    pen.globalAlpha = value;
    pen.fillRect(room + (index % count) * cell, room + Math.floor(index / count) * cell, cell, cell);
  });
  const looks = pattern.map((value, index) => ({ value, query: Math.floor(index / count), key: index % count })).filter(look => look.key !== 0 && look.value >= 0.05);
  looks.sort((a, b) => b.value - a.value || a.query - b.query);
  const say = ({ value, query, key }) => `"${shown[query].trim()}" (${query}) at "${shown[key].trim()}" (${key}): ${value.toFixed(2)}`;
  const strongest = looks.slice(0, 4).map(say);
  const caption = strongest.length > 0 ? `Strongest beside the first position: ${strongest.join('; ')}` : 'It looks at the first position only.';
  make('figcaption', caption, figure).style.maxWidth = `${Math.max(side, 260)}px`;
  picture.setAttribute('aria-label', `Attention pattern. ${caption}`);
  picture.addEventListener('pointermove', event => {
    const column = Math.floor((event.offsetX - room) / cell), row = Math.floor((event.offsetY - room) / cell);
    if (column < 0 || row < 0 || column >= count || row >= count) return hideBox();
    showBox(say({ value: pattern[row * count + column], query: row, key: column }), event.clientX, event.clientY);
  });
  picture.addEventListener('pointerleave', hideBox);
}

// ---- Controls

function setMode(mode) {
  state.mode = mode;
  document.querySelector(`input[name="mode"][value="${mode}"]`).checked = true;
  const drawing = mode === 'drawing';
  element('drawing').hidden = !drawing;
  stage.hidden = drawing;
  if (drawing) return;
  update(true);
}

for (const radio of document.querySelectorAll('input[name="mode"]')) {
  radio.addEventListener('change', () => setMode(radio.value));
}
element('size').addEventListener('input', () => {
  state.size = sizes[Number(element('size').value)];
  if (state.mode === 'ranking') update(true);
  else setMode('ranking');
});
element('search').addEventListener('input', search);
element('search').addEventListener('keydown', event => {
  const first = [...state.found].sort((a, b) => a - b)[0];
  if (event.key === 'Enter' && first !== undefined && state.mode !== 'drawing') {
    event.preventDefault();
    focusNode(first);
  }
});
element('zoom-in').addEventListener('click', () => zoom(1.25));
element('zoom-out').addEventListener('click', () => zoom(0.8));
element('zoom-fit').addEventListener('click', fit);
document.addEventListener('theme', () => {
  readColours();
  redraw();
  showDetails(state.selected);
});
addEventListener('resize', redraw);

// Measured sizes are the slider's ticks.
for (const point of measured) {
  const option = make('option', undefined, element('measured-sizes'));
  option.value = sizes.indexOf(point.asked);
}
if (sizes.length > 0) {
  element('size').max = sizes.length - 1;
  const nearest = sizes.findIndex(size => size >= Math.min(ofCircuit.length || 1, ranked));
  element('size').value = nearest;
  state.size = sizes[nearest];
} else {
  document.querySelector('.slider input').disabled = true;
  document.querySelector('input[value="ranking"]').disabled = true;
}
element('explorer').hidden = false;
readColours();
setMode('circuit');
