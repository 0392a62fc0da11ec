// Places of nodes and lines, and the drawing of them.

// A head keeps its column and a layer its order at every size; layers without nodes take no room.
const columns = 1 + Math.max(0, ...nodes.filter(node => node.kind === 'head').map(node => node.number));
const KINDS = ['q', 'k', 'v', 'only', 'negative'];
const STEPS = 8;
let places = [];
let column = WIDTH + 12;
let lines = new Float32Array(0);
// One path for all lines of a colour and a width.
let paths = [];

function arrange() {
  drawn.fresh = false;
  const used = new Set(data.spans.length > 0 ? [] : [...nodesAt.get('input'), ...nodesAt.get('logits')]);
  for (const edge of state.shown) used.add(edges.from[edge]).add(edges.to[edge]);
  const layers = [...new Set([...used].map(node => nodes[node].layer).filter(layer => layer !== null))].sort((a, b) => a - b);
  const row = new Map(layers.map((layer, index) => [layer, layers.length - index]));
  // Deep models are spread, so that they fill the width.
  column = Math.max(WIDTH + 12, Math.min(4 * WIDTH, 1.5 * (layers.length + 1) * ROW / columns));
  // Spans lie side by side, each as wide as its heads, its MLPs and the neurons of one.
  const spans = [...new Set([...used].map(node => nodes[node].span))].sort((a, b) => a - b);
  const most = Math.max(0, ...[...neuronsOf.values()].map(members => members.filter(node => used.has(node)).length));
  const wide = (columns + 2 + 1.15 * most) * column;
  const left = new Map(spans.map((span, index) => [span, index * wide]));
  nameSpans(spans.map(span => ({ name: data.spans[span], x: left.get(span) + columns * column / 2 })));
  const neurons = new Map();
  places = nodes.map((node, index) => {
    if (!used.has(index)) return null;
    const start = left.get(node.span);
    if (node.node === 'logits') return { x: start + columns * column / 2, y: 0 };
    if (node.layer === null) return { x: start + columns * column / 2 + (node.node === 'pos' ? column : 0), y: (layers.length + 1) * ROW };
    const y = row.get(node.layer) * ROW;
    if (node.kind === 'head') return { x: start + (node.number + 0.5) * column, y: y + 14 };
    if (node.kind === 'mlp') return { x: start + (columns + 0.7) * column, y: y - 22 };
    const mlp = `${node.layer} ${node.span}`, place = neurons.get(mlp) || 0;
    neurons.set(mlp, place + 1);
    return { x: start + (columns + 1.8 + place * 1.15) * column, y: y - 22 };
  });
  lines = new Float32Array(state.shown.length * SAMPLES * 2);
  paths = Array.from({ length: KINDS.length * STEPS }, () => null);
  state.shown.forEach((edge, index) => {
    const [a, b, c, d] = bend(edge);
    const group = kindOf(edge) * STEPS + widthStep(edge);
    trace(paths[group] ??= new Path2D(), edge);
    for (let sample = 0; sample < SAMPLES; sample += 1) {
      const t = sample / (SAMPLES - 1), s = 1 - t;
      const at = (index * SAMPLES + sample) * 2;
      lines[at] = s * s * s * a.x + 3 * s * s * t * b.x + 3 * s * t * t * c.x + t * t * t * d.x;
      lines[at + 1] = s * s * s * a.y + 3 * s * s * t * b.y + 3 * s * t * t * c.y + t * t * t * d.y;
    }
  });
}

// Names of the spans, above their nodes.
function nameSpans(named) {
  for (const text of plane.querySelectorAll('.span')) text.remove();
  if (data.spans.length === 0) return;
  for (const { name, x } of named) {
    const text = document.createElementNS(SVG, 'text');
    text.setAttribute('class', 'span');
    text.setAttribute('x', x);
    text.setAttribute('y', -HEIGHT * 1.4);
    text.textContent = name;
    plane.append(text);
  }
}

// The curve of an edge: from the top of its writer to the bottom of its reader, around what is between in one column.
function bend(edge) {
  const from = places[edges.from[edge]], to = places[edges.to[edge]];
  const port = { q: -WIDTH / 3, k: 0, v: WIDTH / 3, '-': 0 }[edges.port[edge]];
  const a = { x: from.x, y: from.y - HEIGHT / 2 }, d = { x: to.x + port, y: to.y + HEIGHT / 2 };
  const rows = (from.y - to.y) / ROW;
  const aside = Math.abs(a.x - d.x) < column / 2 && rows > 1.2 ? (WIDTH / 2 + 5 * Math.min(rows, 14)) * (a.x > columns * column / 2 ? 1 : -1) : 0;
  const reach = Math.max(22, (a.y - d.y) * 0.45);
  return [a, { x: a.x + aside * 1.4, y: a.y - reach }, { x: d.x + aside * 1.4, y: d.y + reach }, d];
}

function trace(path, edge) {
  const [a, b, c, d] = bend(edge);
  path.moveTo(a.x, a.y);
  path.bezierCurveTo(b.x, b.y, c.x, c.y, d.x, d.y);
}

// ---- Drawing

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
  text.textContent = node.node;
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

// The width of a line, in steps.
function widthStep(edge) {
  if (!largest || edges.score[edge] === null) return 2;
  return Math.min(STEPS - 1, Math.floor(STEPS * Math.sqrt(Math.abs(edges.score[edge]) / largest)));
}
const largest = edges.score.reduce((most, score) => Math.max(most, Math.abs(score || 0)), 0);

// All lines are drawn where the view comes to rest; while it moves, their picture moves. What is pointed at has a picture
// of its own, and the others turn faint.
const SLOW = 1500, REST = 120;
const drawn = { scale: 0, x: 0, y: 0, fresh: false };
let resting = 0;

function draw() {
  plane.setAttribute('transform', `translate(${state.x} ${state.y}) scale(${state.scale})`);
  const moved = drawn.scale !== state.scale || drawn.x !== state.x || drawn.y !== state.y;
  if (drawn.fresh && moved && state.shown.length > SLOW) {
    const scale = state.scale / drawn.scale;
    canvas.style.transform = `translate(${state.x - drawn.x * scale}px, ${state.y - drawn.y * scale}px) scale(${scale})`;
    clearTimeout(resting);
    resting = setTimeout(drawLines, REST);
  } else if (moved || !drawn.fresh) drawLines();
  drawMarked();
}

function clear(canvas, paint) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  paint.setTransform(1, 0, 0, 1, 0, 0);
  paint.clearRect(0, 0, width, height);
  paint.setTransform(ratio * state.scale, 0, 0, ratio * state.scale, ratio * state.x, ratio * state.y);
}

function stroke(paint, path, kind, step) {
  paint.strokeStyle = colours[KINDS[kind]];
  paint.lineWidth = 0.7 + 0.5 * step;
  paint.setLineDash(kind === 4 ? [4 + step, 3] : []);
  paint.stroke(path);
}

function drawLines() {
  clearTimeout(resting);
  clear(canvas, paint);
  canvas.style.transform = '';
  const many = state.shown.length;
  paint.globalAlpha = many < 60 ? 0.85 : many < 400 ? 0.6 : many < 3000 ? 0.35 : 0.16;
  paths.forEach((path, group) => {
    if (path) stroke(paint, path, Math.floor(group / STEPS), group % STEPS);
  });
  Object.assign(drawn, { scale: state.scale, x: state.x, y: state.y, fresh: true });
}

function drawMarked() {
  const focus = state.pointed ?? state.selected;
  clear(marks, marking);
  canvas.style.opacity = focus === null ? 1 : 0.35;
  for (const edge of state.shown) {
    if (edge !== state.edge && (focus === null || edges.from[edge] !== focus && edges.to[edge] !== focus)) continue;
    const path = new Path2D();
    trace(path, edge);
    stroke(marking, path, kindOf(edge), widthStep(edge) + (edge === state.edge ? 4 : 1));
  }
}
