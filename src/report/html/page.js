'use strict';
// What every page does: colours, tables that sort, texts of cells in a box, a field that filters panels.

const root = document.documentElement;
const box = document.getElementById('box');

// Files opened from disk may have no storage; the choice then lasts as long as the page.
function stored(value) {
  try {
    if (value) localStorage.setItem('secateur-theme', value);
    return localStorage.getItem('secateur-theme');
  } catch {
    return null;
  }
}

function setTheme(theme) {
  root.dataset.theme = theme;
  document.dispatchEvent(new Event('theme'));
}

const dark = matchMedia('(prefers-color-scheme: dark)');
if (['light', 'dark'].includes(stored())) setTheme(stored());
dark.addEventListener('change', () => document.dispatchEvent(new Event('theme')));
document.getElementById('theme').addEventListener('click', () => {
  const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches;
  const theme = isDark ? 'light' : 'dark';
  stored(theme);
  setTheme(theme);
});

// Shows a text beside a place of the window.
function showBox(text, x, y) {
  box.textContent = text;
  box.hidden = false;
  const right = x + 16 + box.offsetWidth > innerWidth;
  const below = y + 16 + box.offsetHeight > innerHeight;
  box.style.left = Math.max(0, right ? x - 12 - box.offsetWidth : x + 16) + 'px';
  box.style.top = Math.max(0, below ? y - 12 - box.offsetHeight : y + 16) + 'px';
}

function hideBox() {
  box.hidden = true;
}

// Cells of heat maps: at once in the box, instead of the browser's own tooltip after a while; a click holds it.
const cells = document.querySelectorAll('.cell');
for (const cell of cells) {
  const title = cell.querySelector('title');
  if (!title) continue;
  cell.dataset.text = title.textContent;
  cell.setAttribute('aria-label', title.textContent);
  title.remove();
}
if (cells.length > 0) {
  let held = null;
  document.addEventListener('pointermove', event => {
    if (held) return;
    const cell = event.target.closest('.cell');
    if (cell && cell.dataset.text) showBox(cell.dataset.text, event.clientX, event.clientY);
    else hideBox();
  });
  document.addEventListener('click', event => {
    const cell = event.target.closest('.cell');
    if (held) held.classList.remove('held');
    held = cell && cell !== held ? cell : null;
    if (!held) return hideBox();
    held.classList.add('held');
    showBox(held.dataset.text, event.clientX, event.clientY);
  });
}

// Numbers by value, in front of words; words by the alphabet; what is missing last.
function compareCells(a, b) {
  const number = text => /^[-\u2212]?[\d.,]+/.test(text) ? parseFloat(text.replaceAll(',', '').replace('\u2212', '-')) : NaN;
  const [x, y] = [number(a), number(b)];
  if (!isNaN(x) && !isNaN(y)) return x - y;
  if (isNaN(x) !== isNaN(y)) return isNaN(x) ? 1 : -1;
  return a < b ? -1 : a > b ? 1 : 0;
}

function sortTable(table, column, ascending) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place, text: row.cells[column].textContent.trim() }));
  rows.sort((a, b) => (ascending ? compareCells(a.text, b.text) : compareCells(b.text, a.text)) || a.place - b.place);
  body.append(...rows.map(({ row }) => row));
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    if (index === column) heading.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
    else heading.removeAttribute('aria-sort');
  });
}

for (const table of document.querySelectorAll('table.sortable')) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector('button').addEventListener('click', () => {
      sortTable(table, column, heading.getAttribute('aria-sort') !== 'ascending');
    });
  });
}

const filter = document.getElementById('filter');
if (filter) {
  const units = [...document.querySelectorAll('.unit')].map(unit => ({ unit, text: unit.textContent.toLowerCase() }));
  filter.addEventListener('input', () => {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const { unit, text } of units) {
      unit.hidden = !text.includes(wanted);
      shown += unit.hidden ? 0 : 1;
    }
    document.getElementById('filtered').textContent = wanted ? `${shown} of ${units.length}` : '';
  });
}
