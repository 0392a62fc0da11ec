//! The frame of every page: head, style, sections, provenance, scripts.

use std::ops::Range;

use super::escape::html;
use crate::report::text::Text;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What all pages begin with. No request of any kind leaves the page, whatever stands in it.
pub(crate) const PAGE_START: &str = concat!(
    "<!DOCTYPE html>\n",
    "<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">",
);

/// A page: a title, sections, where it comes from.
pub(crate) struct Page<'a> {
    pub title: &'a str,
    /// One line below the title.
    pub subtitle: &'a str,
    pub sections: Vec<PageSection>,
    /// Names and values, in order.
    pub provenance: Vec<(&'a str, String)>,
    /// JSON for a script, and the script.
    pub script: Option<(String, &'static str)>,
}

/// A part of a page with its own heading.
pub(crate) struct PageSection {
    /// What links name it by; letters only.
    pub id: &'static str,
    pub heading: String,
    /// HTML, escaped by whoever made it.
    pub body: String,
}

/// A table: headings, rows of cells, which columns are numbers.
pub(crate) struct Grid<'a> {
    /// What it is, for those who do not see it.
    pub caption: &'a str,
    pub headings: &'a [&'a str],
    /// HTML of the cells, escaped by whoever made it.
    pub rows: Vec<Vec<String>>,
    /// Columns of numbers, which stand right.
    pub numbers: Range<usize>,
}

impl PageSection {
    pub(crate) fn new(id: &'static str, heading: impl Into<String>, body: String) -> Self {
        Self {
            id,
            heading: heading.into(),
            body,
        }
    }
}

impl Page<'_> {
    /// The whole file.
    pub(crate) fn html(&self) -> String {
        let mut out = Text::default();
        let title = html(self.title);
        out.line(format_args!("{PAGE_START}"));
        out.line(format_args!("<title>{title}</title>"));
        out.line(format_args!("<style>\n{STYLE}</style></head>"));
        out.line(format_args!("<body>"));
        out.line(format_args!(
            "<header><h1>{title}</h1><p class=\"subtitle\">{}</p>",
            html(self.subtitle)
        ));
        out.line(format_args!("<nav aria-label=\"Sections\">"));
        let links = self.sections.iter();
        let links = links.map(|section| (section.id, html(&section.heading)));
        for (id, heading) in links.chain([("provenance", "Provenance".into())]) {
            out.line(format_args!("<a href=\"#{id}\">{heading}</a>"));
        }
        out.line(format_args!(
            "<button type=\"button\" id=\"theme\" aria-label=\"Light or dark colours\">light / dark</button></nav></header>"
        ));
        out.line(format_args!("<main>"));
        for section in &self.sections {
            out.line(format_args!(
                "<section id=\"{0}\" aria-labelledby=\"{0}-heading\"><h2 id=\"{0}-heading\">{1}</h2>",
                section.id,
                html(&section.heading)
            ));
            out.0 += &section.body;
            out.line(format_args!("</section>"));
        }
        let rows = self.provenance.iter();
        let rows = rows.map(|(name, value)| {
            let value = format!("<code>{}</code>", html(value));
            vec![html(name), value]
        });
        let grid = Grid {
            caption: "What the result depends on",
            headings: &["what", "value"],
            rows: rows.collect(),
            numbers: 2..2,
        };
        out.line(format_args!(
            "<section id=\"provenance\" aria-labelledby=\"provenance-heading\"><h2 id=\"provenance-heading\">Provenance</h2>\n{}</section>",
            grid.html()
        ));
        out.line(format_args!(
            "</main>\n<div id=\"box\" role=\"tooltip\" hidden></div>"
        ));
        out.line(format_args!("<script>\n{SCRIPT}</script>"));
        if let Some((data, script)) = &self.script {
            out.line(format_args!(
                "<script type=\"application/json\" id=\"data\">{data}</script>"
            ));
            out.line(format_args!("<script>\n{script}</script>"));
        }
        out.line(format_args!("</body></html>"));
        out.0
    }
}

impl Grid<'_> {
    /// The table; a click on a heading, or Enter, sorts by the column.
    pub(crate) fn html(&self) -> String {
        let mut out = Text::default();
        out.line(format_args!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\"><table class=\"sortable\"><caption>{0}</caption>",
            html(self.caption)
        ));
        let class = |column: usize| {
            if self.numbers.contains(&column) {
                " class=\"number\""
            } else {
                ""
            }
        };
        let headings = self.headings.iter().enumerate();
        let headings = headings.map(|(column, heading)| {
            format!(
                "<th scope=\"col\"{}><button type=\"button\">{}</button></th>",
                class(column),
                html(heading)
            )
        });
        out.line(format_args!(
            "<thead><tr>{}</tr></thead>\n<tbody>",
            headings.collect::<String>()
        ));
        for row in &self.rows {
            let cells = row.iter().enumerate();
            let cells = cells.map(|(column, cell)| format!("<td{}>{cell}</td>", class(column)));
            out.line(format_args!("<tr>{}</tr>", cells.collect::<String>()));
        }
        out.line(format_args!("</tbody></table></div>"));
        out.0
    }
}

/// A picture with its scroll bars.
pub(crate) fn picture(svg: &str) -> String {
    format!("<div class=\"picture\">\n{svg}</div>\n")
}

/// A paragraph.
pub(crate) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", html(text))
}

/// Text as it is.
pub(crate) fn preformatted(text: &str) -> String {
    format!(
        "<pre tabindex=\"0\">{}</pre>\n",
        html(text.trim_end_matches('\n'))
    )
}

/// Remarks that belong to a result.
pub(crate) fn warnings(warnings: &[String]) -> String {
    let mut out = Text::default();
    if warnings.is_empty() {
        return out.0;
    }
    out.line(format_args!(
        "<ul class=\"warnings\" aria-label=\"Warnings\">"
    ));
    for warning in warnings {
        out.line(format_args!("<li>{}</li>", html(warning)));
    }
    out.line(format_args!("</ul>"));
    out.0
}
