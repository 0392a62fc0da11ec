// Which edges a size shows, and what is known of it.

// Nodes whose output depends on what enters here: a group's heads share k and v, which any span sees, and an MLP's neurons
// its input.
const neuronsOf = new Map();
nodes.forEach((node, index) => {
  const mlp = `${node.layer} ${node.span}`;
  if (node.kind === 'neuron') neuronsOf.set(mlp, [...(neuronsOf.get(mlp) || []), index]);
});
const nodesAt = new Map();
nodes.forEach((node, index) => nodesAt.set(node.node, [...(nodesAt.get(node.node) || []), index]));

function readBy(edge) {
  const to = edges.to[edge], node = nodes[to], port = edges.port[edge];
  if (node.kind === 'mlp') return [to, ...(neuronsOf.get(`${node.layer} ${node.span}`) || [])];
  const shared = port === '-' ? 1 : data.group;
  if (node.kind === 'head' && port !== 'q' && (shared > 1 || node.span !== null)) {
    const heads = [];
    for (let head = node.number; head < node.number + shared; head += 1) heads.push(...(nodesAt.get(`a${node.layer}.h${head}`) || []));
    return heads;
  }
  return [to];
}
const readers = Array.from({ length: edgeCount }, (_, edge) => readBy(edge));

// Place of a node in the order in which a model computes.
const depth = nodes.map(node => node.node === 'logits' ? Infinity : node.layer === null ? -1 : 2 * node.layer + (node.kind === 'head' ? 0 : 1));
const byDepth = Array.from({ length: edgeCount }, (_, edge) => edge).sort((a, b) => depth[edges.from[a]] - depth[edges.from[b]]);

// Drops edges that lie on no path from the input to the logits, as curves do.
function withoutDangling(wanted) {
  const kept = new Uint8Array(edgeCount);
  for (const edge of wanted) kept[edge] = 1;
  const forward = nodes.map(node => node.node === 'input' || node.node === 'pos');
  for (const edge of byDepth) {
    if (kept[edge] && forward[edges.from[edge]]) for (const node of readers[edge]) forward[node] = true;
  }
  const live = new Uint8Array(edgeCount);
  const backward = nodes.map(node => node.node === 'logits');
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
