//! One HTML file with heat maps whose cells show their texts where the pointer is. It loads nothing from elsewhere.

use super::text::{Text, xml};

/// A picture with what it is.
pub(super) struct Section {
    pub heading: String,
    /// An SVG.
    pub picture: String,
}

/// In dark surroundings the ground of the pictures and what is drawn on it change; colours that stand for numbers stay.
const STYLE: &str = "
:root { color-scheme: light dark; --ground: #ffffff; --ink: #222222; --box: #f4f4f4; --line: #bbbbbb; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181c; --ink: #e4e4e4; --box: #24272d; --line: #555555; }
}
body { margin: 1.5rem; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.3rem; }
h2 { font-size: 1.05rem; margin-top: 2rem; }
pre { overflow-x: auto; font-size: 13px; line-height: 1.35; }
.picture { overflow-x: auto; }
svg { fill: var(--ink); }
svg .ground { fill: var(--ground); }
svg path { stroke: var(--ink); }
.cell rect { stroke: var(--ground); }
.cell:hover rect, .cell.held rect { stroke: var(--ink); stroke-width: 1.5; }
#box { position: fixed; display: none; pointer-events: none; white-space: pre; padding: 0.5rem 0.7rem; font-size: 13px;
  line-height: 1.35; background: var(--box); border: 1px solid var(--line); border-radius: 4px; }
";

/// Shows a cell's title in a box at once, instead of the browser's own tooltip after a while; a click holds it.
const SCRIPT: &str = "
const box = document.getElementById('box');
let held = null;
for (const cell of document.querySelectorAll('.cell')) {
  const title = cell.querySelector('title');
  if (!title) continue;
  cell.dataset.text = title.textContent;
  cell.setAttribute('aria-label', title.textContent);
  title.remove();
}
function show(cell, x, y) {
  box.textContent = cell.dataset.text;
  box.style.display = 'block';
  const right = x + 16 + box.offsetWidth > window.innerWidth;
  const below = y + 16 + box.offsetHeight > window.innerHeight;
  box.style.left = Math.max(0, right ? x - 12 - box.offsetWidth : x + 16) + 'px';
  box.style.top = Math.max(0, below ? y - 12 - box.offsetHeight : y + 16) + 'px';
}
document.addEventListener('pointermove', event => {
  if (held) return;
  const cell = event.target.closest('.cell');
  if (cell && cell.dataset.text) show(cell, event.clientX, event.clientY);
  else box.style.display = 'none';
});
document.addEventListener('click', event => {
  const cell = event.target.closest('.cell');
  if (held) held.classList.remove('held');
  held = cell && cell !== held ? cell : null;
  if (!held) { box.style.display = 'none'; return; }
  held.classList.add('held');
  show(held, event.clientX, event.clientY);
});
";

/// The file: a title, a text as it is, and the pictures.
pub(super) fn page(title: &str, text: &str, sections: &[Section]) -> String {
    let mut out = Text::default();
    let title = xml(title);
    out.line(format_args!("<!DOCTYPE html>"));
    out.line(format_args!("<html lang=\"en\">"));
    out.line(format_args!(
        "<head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>"
    ));
    out.line(format_args!("<style>{STYLE}</style></head>"));
    out.line(format_args!("<body>"));
    out.line(format_args!("<h1>{title}</h1>"));
    for section in sections {
        out.line(format_args!("<h2>{}</h2>", xml(&section.heading)));
        out.line(format_args!("<div class=\"picture\">"));
        out.0 += &section.picture;
        out.line(format_args!("</div>"));
    }
    let lines: Vec<String> = text.lines().map(xml).collect();
    out.line(format_args!("<h2>Report</h2>"));
    out.line(format_args!("<pre>{}</pre>", lines.join("\n")));
    out.line(format_args!("<div id=\"box\" role=\"tooltip\"></div>"));
    out.line(format_args!("<script>{SCRIPT}</script>"));
    out.line(format_args!("</body>"));
    out.line(format_args!("</html>"));
    out.0
}
