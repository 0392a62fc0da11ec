//! Pages of heat maps whose cells show their texts where the pointer is.

use super::page::{Page, PageSection, picture, preformatted};

/// A picture with what it is.
pub(crate) struct Section {
    pub heading: String,
    /// An SVG.
    pub picture: String,
}

/// The file: a title, a text as it is, and the pictures.
pub(crate) fn heat_map_page(title: &str, text: &str, sections: &[Section]) -> String {
    let pictures = sections.iter().map(|section| {
        format!(
            "<h3>{}</h3>\n{}",
            super::escape::html(&section.heading),
            picture(&section.picture)
        )
    });
    Page {
        title,
        subtitle: "Point at a cell to read it; a click holds it.",
        sections: vec![
            PageSection::new("pictures", "Pictures", pictures.collect()),
            PageSection::new("report", "Report", preformatted(text)),
        ],
        provenance: vec![("where it comes from", "report.json beside this file".into())],
        script: None,
    }
    .html()
}
