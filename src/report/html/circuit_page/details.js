// A node in detail: its edges, and where a head looks.

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
  showAttention(nodes[node].node, details);
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
