//! `secateur compare`: faithfulness across models and methods.

use std::path::PathBuf;

use secateur::Result;
use secateur::report::{
    compare_csv, compare_html, compare_json, compare_latex, compare_markdown, compare_text,
};
use secateur::run::{AskedFiles, read_results, results_to_mention};

use crate::args::CompareArgs;
use crate::output;

pub(crate) fn compare(args: &CompareArgs, quiet: bool) -> Result<u8> {
    mention_results(&args.results, quiet)?;
    let rows = read_results(&args.results)?;
    if let Some(folder) = &args.out {
        let tables = [
            ("compare.txt", compare_text(&rows, usize::MAX)),
            ("compare.csv", compare_csv(&rows)),
            ("compare.md", compare_markdown(&rows)),
            ("compare.tex", compare_latex(&rows)),
            ("compare.html", compare_html(&rows)),
        ];
        let files = tables.map(|(name, table)| (folder.join(name), table.into_bytes()));
        fs_err::create_dir_all(folder)?;
        AskedFiles::new(Vec::new(), args.force).write(&files)?;
    }
    let text = if args.json {
        compare_json(&rows)?
    } else {
        compare_text(&rows, output::columns())
    };
    output::data(text.as_bytes())?;
    Ok(0)
}

/// Warns of results that nothing says the origin of, and of those that are left out.
pub(super) fn mention_results(folders: &[PathBuf], quiet: bool) -> Result<()> {
    let found = results_to_mention(folders)?;
    if quiet {
        return Ok(());
    }
    for folder in &found.without_record {
        let warning = format!(
            "{} has no run.json that can be read, so nothing tells whether its files are as they were written",
            folder.display()
        );
        output::message(&output::warning_text(&warning));
    }
    if let Some((first, rest)) = found.without_circuit.split_first() {
        let (others, verb) = match rest.len() {
            0 => (String::new(), "is a result"),
            1 => (" and 1 other".to_owned(), "are results"),
            more => (format!(" and {more} others"), "are results"),
        };
        output::message(&output::warning_text(&format!(
            "left out: {}{others} {verb} without a circuit",
            first.display()
        )));
    }
    Ok(())
}
