// The controls, and the start.

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
  drawn.fresh = false;
  redraw();
  showDetails(state.selected);
});
addEventListener('resize', () => {
  drawn.fresh = false;
  redraw();
});

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
