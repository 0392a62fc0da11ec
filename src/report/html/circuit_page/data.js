'use strict';
// The circuit of this page: drawn for any size of the ranking, to be searched, zoomed and asked for its parts.
// All texts from the data enter the page as text, never as markup.

const data = JSON.parse(document.getElementById('data').textContent);
const { nodes, edges } = data;
const edgeCount = edges.from.length;
const element = id => document.getElementById(id);
const stage = element('stage');
const [canvas, marks] = stage.querySelectorAll('canvas');
const [paint, marking] = [canvas.getContext('2d'), marks.getContext('2d')];
const SVG = 'http://www.w3.org/2000/svg';
const ROW = 80, WIDTH = 50, HEIGHT = 24;
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
  const from = nodes[edges.from[edge]], span = from.span === null ? '' : `@${data.spans[from.span]}`;
  return `${from.node}->${nodes[edges.to[edge]].node}${port}${span}`;
}
