//! `report.html` of an analysis, from the files that it writes: its text, its pictures, the features it describes.

use std::collections::BTreeMap;

use super::escape::html;
use super::features;
use super::page::{Page, PageSection, picture, preformatted};

/// Largest `report.json` that a page holds, in bytes.
const LARGEST_JSON: usize = 200_000;

/// What a page of an analysis is of.
#[derive(Debug, Clone)]
pub struct PageStamp<'a> {
    /// Spec and model.
    pub title: &'a str,
    /// What was found, in one line.
    pub finding: &'a str,
    /// Version of the program.
    pub secateur: &'a str,
    /// The spec in one line.
    pub spec: String,
    /// Its hash.
    pub spec_hash: String,
    /// The model.
    pub model: String,
    /// How its weights are stored.
    pub weights: &'a str,
    /// Hash of its weights.
    pub model_hash: &'a str,
}

/// The page: `*.svg` among the files as pictures, `*.txt` as they are, and the features that `report.json` describes.
///
/// The texts of SVG files are taken as they are, so they have to be ours.
pub fn analysis_html(stamp: &PageStamp<'_>, files: &BTreeMap<&'static str, Vec<u8>>) -> String {
    let text = |name: &str| {
        files
            .get(name)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    };
    let mut sections = Vec::new();
    if let Some(report) = text("report.txt") {
        sections.push(PageSection::new("report", "Report", preformatted(report)));
    }
    let named = |ending: &'static str| files.keys().filter(move |name| name.ends_with(ending));
    let pictures = named(".svg").filter_map(|name| {
        let svg = text(name)?;
        let svg = svg.find("<svg").map_or(svg, |start| &svg[start..]);
        Some(format!("<h3>{}</h3>\n{}", html(name), picture(svg)))
    });
    let pictures: String = pictures.collect();
    if !pictures.is_empty() {
        sections.push(PageSection::new("pictures", "Pictures", pictures));
    }
    let json = text("report.json");
    if let Some(body) = json.and_then(features::dashboards) {
        sections.push(PageSection::new("features", "Features and neurons", body));
    }
    let more = named(".txt").filter(|name| **name != "report.txt");
    let more = more.filter_map(|name| Some((name, text(name)?)));
    let mut details: String = more.map(|(name, text)| detail(name, text)).collect();
    details.extend(
        json.filter(|text| text.len() <= LARGEST_JSON)
            .map(|text| detail("report.json", text)),
    );
    if !details.is_empty() {
        sections.push(PageSection::new("files", "Files", details));
    }
    Page {
        title: stamp.title,
        subtitle: stamp.finding,
        sections,
        provenance: vec![
            ("secateur", stamp.secateur.into()),
            ("spec", stamp.spec.clone()),
            ("hash of the spec", stamp.spec_hash.clone()),
            ("model", stamp.model.clone()),
            ("weights", stamp.weights.into()),
            ("hash of the model", stamp.model_hash.into()),
        ],
        script: None,
    }
    .html()
}

/// Text that opens on request.
fn detail(name: &str, text: &str) -> String {
    format!(
        "<details><summary>{}</summary>\n{}</details>\n",
        html(name),
        preformatted(text)
    )
}
