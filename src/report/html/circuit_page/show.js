// What is shown, and said of it.

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
